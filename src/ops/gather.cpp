// gather: slices of x along an axis, by index.
#include "index/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrKind::integer, true}};

Content picked(const Content& x, const Content& indices) {
  if (!x || !indices) return std::nullopt;
  std::vector<Dim> out;
  const auto n = static_cast<int64_t>(x->size());
  for (const Dim& index : *indices) {
    if (!index.is_constant() || index.value() < -n || index.value() >= n) return std::nullopt;
    out.push_back((*x)[static_cast<size_t>(index.value() < 0 ? index.value() + n : index.value())]);
  }
  return out;
}

Result<Inferred> infer(NodeView view) {
  const TensorType &x = view.input(0), &indices = view.input(1);
  const int64_t axis = view.attrs().integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(x.rank()))
    return fail(Code::invalid_model, "gather: axis {} of {}", axis, print(x));
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    return fail(Code::invalid_model, "gather: indices must be i32 or i64, they are {}", print(indices));
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  Content content;
  if (x.rank() == 1 && indices.rank() <= 1) content = picked(content_of(view, 0), content_of(view, 1));
  return one_output({x.dtype, std::move(shape), kLinear}, std::move(content));
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("gather.reference", GatherParams{view.attrs().integer("axis")});
}

// One index that is known when the plan is made: a slice, its axis dropped unless the index has it.
Result<bool> as_slice(NodeView view, Patch& patch) {
  const Node& node = view.node();
  Content known = content_of(view, 1);
  if (!known || known->size() != 1 || !(*known)[0].is_constant()) return false;
  const auto axis = static_cast<size_t>(view.attrs().integer("axis"));
  const Dim n = view.input(0).shape[axis];
  const int64_t index = (*known)[0].value();
  if (n.is_constant() ? index < -n.value() || index >= n.value() : index < -1 || index > 0) return false;
  TN_TRY(use_content(patch.graph(), node.inputs[1], "the index of a gather"));
  const Shape shape = view.output(0).shape;
  TN_ASSIGN(ValueId part, slice(patch, node.inputs[0], axis, index < 0 ? n + Dim(index) : Dim(index), Dim(1)));
  TN_ASSIGN(part, reshape(patch, part, shape));
  patch.replace(node.outputs[0], part);
  return true;
}

constexpr Rule kRules[] = {{"gather_as_slice", as_slice}};

Status onnx_gather(OnnxNode& node) {
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kGather, {node.input(0), node.input(1)}, {{"axis", axis}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"Gather", 1, onnx_gather}};

}  // namespace

const OpDef kGather{.name = "gather", .min_inputs = 2, .max_inputs = 2, .attrs = kAttrs, .infer = infer,
                    .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile gather_ops{&kGather, kRows};

}  // namespace tenon
