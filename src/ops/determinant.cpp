// determinant of matrices. ONNX: Det.
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  if (!is_float(x.dtype) || is_only_stored(x.dtype) || x.rank() < 2 ||
      always_equal(x.shape[x.rank() - 2], x.shape.back()) == false)
    return fail(Code::invalid_model, "determinant takes floats [batch…, M, M], not {}", print(x));
  return one_output({x.dtype, {x.shape.begin(), x.shape.end() - 2}, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("determinant.reference"); }

Status expand_det(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(ValueId y, node.add(kDeterminant, {node.input(0)}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"Det", 11, expand_det}};

}  // namespace

const OpDef kDeterminant{.name = "determinant", .min_inputs = 1, .max_inputs = 1, .attrs = {}, .infer = infer,
                          .reference = reference};
const OpFile determinant_ops{&kDeterminant, kRows};

}  // namespace tenon
