// shape_value: dims as a tensor. ONNX: Shape, Size.
#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"values", AttrKind::shape, true}, {"scalar", AttrKind::integer}};

Result<Inferred> infer(NodeView view) {
  Shape values = view.attrs().shape("values");
  const bool scalar = view.attrs().integer("scalar") != 0;
  if (values.size() > kMaxShapeValues || (scalar && values.size() != 1))
    return fail(Code::invalid_model, "shape_value: {} values; it takes one, or up to {} as a vector", values.size(),
                kMaxShapeValues);
  Shape shape;
  if (!scalar) shape.push_back(Dim(static_cast<int64_t>(values.size())));
  return one_output({DType::i64, std::move(shape), kLinear}, std::move(values));
}

Result<KernelCall> reference(NodeView view) {
  Shape values = view.attrs().shape("values");
  ShapeValueParams params;
  params.count = static_cast<int64_t>(values.size());
  KernelCall call = KernelCall::with("shape_value.reference", params);
  set_dims(call, offsetof(ShapeValueParams, values), values);
  return call;
}

Status onnx_shape(OnnxNode& node) {
  const Shape& x = node.type(0).shape;
  const auto rank = static_cast<int64_t>(x.size());
  auto bound = [&](int64_t value) { return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank); };
  int64_t start = bound(node.attrs().integer("start", 0)), end = bound(node.attrs().integer("end", rank));
  Shape values(x.begin() + start, x.begin() + std::max(start, end));
  TN_ASSIGN(ValueId out, node.add(kShapeValue, {}, {{"values", std::move(values)}}));
  node.output(0, out);
  return {};
}

Status onnx_size(OnnxNode& node) {
  TN_ASSIGN(ValueId out, node.add(kShapeValue, {},
                                  {{"values", Shape{element_count(node.type(0).shape)}}, {"scalar", int64_t{1}}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"Shape", 1, onnx_shape}, {"Size", 1, onnx_size}};

}  // namespace

const OpDef kShapeValue{.name = "shape_value", .min_inputs = 0, .max_inputs = 0, .attrs = kAttrs, .infer = infer,
                        .reference = reference};
const OpFile shape_value_ops{&kShapeValue, kRows};

}  // namespace tenon
