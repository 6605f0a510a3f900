// gather_elements: one element of x for each element of the indices.
#include "index/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrKind::integer, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType &x = view.input(0), &indices = view.input(1);
  const int64_t axis = view.attrs().integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(x.rank()))
    return fail(Code::invalid_model, "gather_elements: axis {} of {}", axis, print(x));
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    return fail(Code::invalid_model, "gather_elements: indices must be i32 or i64, they are {}", print(indices));
  if (indices.rank() != x.rank())
    return fail(Code::invalid_model, "gather_elements: {} and indices {} must have as many dims", print(x),
                print(indices));
  for (size_t d = 0; d < x.rank(); ++d)
    if (static_cast<int64_t>(d) != axis && at_least(indices.shape[d] - x.shape[d], 1))
      return fail(Code::invalid_model, "gather_elements: dim {} of indices {} is beyond that of {}", d, print(indices),
                  print(x));
  return one_output({x.dtype, indices.shape, kLinear});
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("gather_elements.reference", GatherParams{view.attrs().integer("axis")});
}

Status onnx_gather_elements(OnnxNode& node) {
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kGatherElements, {node.input(0), node.input(1)}, {{"axis", axis}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"GatherElements", 11, onnx_gather_elements}};

}  // namespace

const OpDef kGatherElements{.name = "gather_elements", .min_inputs = 2, .max_inputs = 2, .attrs = kAttrs,
                            .infer = infer, .reference = reference, .takes_texts = true};
const OpFile gather_elements_ops{&kGatherElements, kRows};

}  // namespace tenon
