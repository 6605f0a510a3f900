#include "softmax/check.h"

#include "common/element.h"

namespace tenon {

Status check_softmax(const PrepareCall& call, SoftmaxShape& out) {
  const SoftmaxParams& params = call.as<SoftmaxParams>();
  TN_TRY(verify(params.prologue));
  const size_t own = prologue_inputs(params.prologue);
  TN_TRY(expect_counts(call, own, own + kMaxProgramInputs - 1, 1));
  TN_TRY(check_prologue(params.prologue, call.inputs.first(own), out.prologue));
  const Arg& x = out.prologue.x;
  if (!with_float(x.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "softmax takes f32, f64, f16 or bf16, not {}", describe(x));
  if (params.axis < 0 || params.axis >= x.rank)
    return fail(Code::invalid_plan, "softmax along axis {} of {}", params.axis, describe(x));
  out.outer = out.inner = 1;
  out.length = x.dims[params.axis];
  if (x.count() > 0) {
    for (int i = 0; i < params.axis; ++i) out.outer *= x.dims[i];
    for (int i = params.axis + 1; i < x.rank; ++i) out.inner *= x.dims[i];
  } else {
    out.outer = 0;
  }
  out.result = x;
  return check_epilogue_nest(params.epilogue, out.result, call.inputs.subspan(own), call.outputs[0], out.epilogue);
}

}  // namespace tenon
