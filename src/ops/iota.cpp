// iota: an arithmetic progression. ONNX: Range.
#include <cmath>

#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"dtype", AttrKind::dtype, true}, {"size", AttrKind::shape, true},
                               {"start", AttrKind::number},      {"step", AttrKind::number},
                               {"start_dim", AttrKind::shape}};

Content numbers(NodeView view, const Dim& size) {
  const Attrs& attrs = view.attrs();
  Shape start_dim = attrs.shape("start_dim");
  if (!size.is_constant() || size.value() > kMaxContent || !is_integer(attrs.get<DType>("dtype"))) return std::nullopt;
  Dim at = Dim(static_cast<int64_t>(attrs.number("start"))) + (start_dim.empty() ? Dim(0) : start_dim[0]);
  std::vector<Dim> out;
  for (int64_t i = 0; i < size.value(); ++i) {
    out.push_back(at);
    at = at + Dim(static_cast<int64_t>(attrs.number("step", 1)));
  }
  return out;
}

Result<Inferred> infer(NodeView view) {
  const Attrs& attrs = view.attrs();
  Shape size = attrs.shape("size");
  DType dtype = attrs.get<DType>("dtype");
  if (size.size() != 1 || attrs.shape("start_dim").size() > 1)
    return fail(Code::invalid_model, "iota: size and start_dim must be one dim");
  switch (dtype) {
    case DType::f32: case DType::f64: case DType::f16: case DType::bf16: break;
    case DType::i16: case DType::i32: case DType::i64:
      for (double number : {attrs.number("start"), attrs.number("step", 1)})
        if (!(std::abs(number) <= 0x1p62) || number != std::floor(number))
          return fail(Code::invalid_model, "iota: start and step of {} must be integers, one is {}", name_of(dtype),
                      number);
      break;
    default: return fail(Code::unsupported, "iota: no progressions of {}", name_of(dtype));
  }
  Content content = numbers(view, size[0]);
  return one_output({dtype, std::move(size), kLinear}, std::move(content));
}

Result<KernelCall> reference(NodeView view) {
  IotaParams params;
  params.start = view.attrs().number("start");
  params.step = view.attrs().number("step", 1);
  KernelCall call = KernelCall::with("iota.reference", params);
  set_dims(call, offsetof(IotaParams, start_dim), view.attrs().shape("start_dim"));
  return call;
}

Status range_of_integers(OnnxNode& node) {
  Dim bound[2];
  for (size_t i = 0; i < 2; ++i) {
    TN_ASSIGN(std::vector<Dim> values, node.dims(i, i ? "limit" : "start"));
    if (values.size() != 1) return fail(Code::invalid_model, "Range: {} must be one element", i ? "limit" : "start");
    bound[i] = values[0];
  }
  TN_ASSIGN(double step, node.scalar(2, "delta"));
  if (step == 0) return fail(Code::invalid_model, "Range: delta is 0");
  Dim size = ceildiv(bound[1] - bound[0], Dim(static_cast<int64_t>(step)));
  if (!at_least(size, 0)) size = max(size, Dim(0));
  Attrs attrs{{"dtype", node.type(0).dtype}, {"size", Shape{size}}, {"step", step}};
  if (bound[0].is_constant()) attrs.set("start", static_cast<double>(bound[0].value()));
  else attrs.set("start_dim", Shape{bound[0]});
  TN_ASSIGN(ValueId out, node.add(kIota, {}, std::move(attrs)));
  node.output(0, out);
  return {};
}

Status onnx_range(OnnxNode& node) {
  if (is_integer(node.type(0).dtype)) return range_of_integers(node);
  TN_ASSIGN(double start, node.scalar(0, "start"));
  TN_ASSIGN(double limit, node.scalar(1, "limit"));
  TN_ASSIGN(double step, node.scalar(2, "delta"));
  double size = step == 0 ? NAN : std::ceil((limit - start) / step);
  if (!(size <= 0x1p40)) return fail(Code::invalid_model, "Range from {} to {} by {} has no end", start, limit, step);
  Dim count(size > 0 ? static_cast<int64_t>(size) : 0);
  TN_ASSIGN(ValueId out, node.add(kIota, {}, {{"dtype", node.type(0).dtype}, {"size", Shape{count}},
                                             {"start", start}, {"step", step}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"Range", 11, onnx_range}};

}  // namespace

const OpDef kIota{.name = "iota", .min_inputs = 0, .max_inputs = 0, .attrs = kAttrs, .infer = infer,
                  .reference = reference};
const OpFile iota_ops{&kIota, kRows};

}  // namespace tenon
