// string_concat: elements of two tensors of strings, which broadcast together, one behind the other.
#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_text(NodeView view, size_t i) {
  if (view.input(i).dtype == DType::string) return {};
  return fail(Code::invalid_model, "string_concat: input {} must be of strings, it is {}", i, print(view.input(i)));
}

Result<Inferred> infer(NodeView view) {
  TN_TRY(expect_text(view, 0));
  TN_TRY(expect_text(view, 1));
  const TensorType operands[] = {view.input(0), view.input(1)};
  TN_ASSIGN(Shape shape, broadcast_shapes(operands));
  return one_output({DType::string, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("string_concat.reference"); }

}  // namespace

const OpDef kStringConcat{.name = "string_concat", .min_inputs = 2, .max_inputs = 2, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_concat_ops{&kStringConcat, {}};

}  // namespace tenon
