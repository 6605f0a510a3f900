// nonzero: the positions of the elements that are not zero, as many as the run finds. ONNX: NonZero.
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  TN_TRY(check_found_attrs(view, 1));
  if (size_of(x.dtype) == 0) return fail(Code::invalid_model, "nonzero of {}", print(x));
  Inferred out;
  out.outputs.push_back({DType::i64, {element_count(x.shape), Dim(static_cast<int64_t>(x.rank()))}, kLinear});
  out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("nonzero.reference"); }

Status expand_nonzero(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(ValueId positions, nonzero_positions(node, node.input(0)));
  TN_ASSIGN(ValueId y, transpose(node.build(), positions, {1, 0}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"NonZero", 9, expand_nonzero}};

}  // namespace

const OpDef kNonzero{.name = "nonzero", .min_inputs = 1, .max_inputs = 1, .min_outputs = 2, .max_outputs = 2, .attrs = kAttrs,
                     .infer = infer, .reference = reference};
const OpFile nonzero_ops{&kNonzero, kRows};

}  // namespace tenon
