// string_equal: whether elements of two tensors of strings, which broadcast together, are equal.
#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_text(NodeView view, size_t i) {
  if (view.input(i).dtype == DType::string) return {};
  return fail(Code::invalid_model, "string_equal: input {} must be of strings, it is {}", i, print(view.input(i)));
}

Result<Inferred> infer(NodeView view) {
  TN_TRY(expect_text(view, 0));
  TN_TRY(expect_text(view, 1));
  const TensorType operands[] = {view.input(0), view.input(1)};
  TN_ASSIGN(Shape shape, broadcast_shapes(operands));
  return one_output({DType::boolean, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("string_equal.reference"); }

}  // namespace

const OpDef kStringEqual{.name = "string_equal", .min_inputs = 2, .max_inputs = 2, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_equal_ops{&kStringEqual, {}};

}  // namespace tenon
