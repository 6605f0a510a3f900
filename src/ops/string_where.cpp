// string_where: of two tensors of strings, the first where a condition holds; all broadcast together.
#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_text(NodeView view, size_t i) {
  if (view.input(i).dtype == DType::string) return {};
  return fail(Code::invalid_model, "string_where: input {} must be of strings, it is {}", i, print(view.input(i)));
}

Result<Inferred> infer(NodeView view) {
  if (view.input(0).dtype != DType::boolean)
    return fail(Code::invalid_model, "string_where: the condition must be bool, it is {}", print(view.input(0)));
  TN_TRY(expect_text(view, 1));
  TN_TRY(expect_text(view, 2));
  const TensorType operands[] = {view.input(0), view.input(1), view.input(2)};
  TN_ASSIGN(Shape shape, broadcast_shapes(operands));
  return one_output({DType::string, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("string_where.reference"); }

}  // namespace

const OpDef kStringWhere{.name = "string_where", .min_inputs = 3, .max_inputs = 3, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_where_ops{&kStringWhere, {}};

}  // namespace tenon
