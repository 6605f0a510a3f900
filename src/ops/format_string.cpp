// format_string: numbers as decimal texts: floats as "%.8g" has them, NaN, INF, -INF; bools as 1 and 0.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  if (x.dtype != DType::boolean && !is_integer(x.dtype) && (!is_float(x.dtype) || is_only_stored(x.dtype)))
    return fail(Code::invalid_model, "format_string takes numbers or bools, not {}", print(x));
  return one_output({DType::string, x.shape, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("format_string.reference"); }

}  // namespace

const OpDef kFormatString{.name = "format_string", .min_inputs = 1, .max_inputs = 1, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile format_string_ops{&kFormatString, {}};

}  // namespace tenon
