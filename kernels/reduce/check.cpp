#include "reduce/check.h"

#include <bit>

#include "common/element.h"

namespace tenon {

Status check_reduce(const PrepareCall& call, ReduceShape& out) {
  const ReduceParams& params = call.as<ReduceParams>();
  if (params.kind < ReduceKind{} || params.kind >= ReduceKind::count_)
    return fail(Code::invalid_plan, "reduce has no kind {}", static_cast<int>(params.kind));
  TN_TRY(verify(params.prologue));
  const size_t own = prologue_inputs(params.prologue);
  TN_TRY(expect_counts(call, own, own + kMaxProgramInputs - 1, 1));
  TN_TRY(check_prologue(params.prologue, call.inputs.first(own), out.prologue));
  const Arg& x = out.prologue.x;
  if (params.axes >> x.rank)
    return fail(Code::invalid_plan, "reduce over axis set {:#x}, x has {} dims", params.axes, x.rank);
  out.result = {};
  out.result.dtype = is_arg(params.kind) ? DType::i64 : x.dtype;
  for (int i = 0; i < x.rank; ++i) {
    bool reduced = params.axes >> i & 1;
    if (!reduced || params.keep_dims) out.result.dims[out.result.rank++] = reduced ? 1 : x.dims[i];
  }
  bool is_bool = x.dtype == DType::boolean;
  if (is_bool ? params.kind != ReduceKind::max && params.kind != ReduceKind::min
              : !with_number(x.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "reduce of kind {} does not take {}", static_cast<int>(params.kind), describe(x));
  TN_TRY(check_epilogue_nest(params.epilogue, out.result, call.inputs.subspan(own), call.outputs[0], out.epilogue));
  if (!is_arg(params.kind)) return {};
  if (std::popcount(params.axes) != 1)
    return fail(Code::invalid_plan, "an index of an extreme element is taken over one axis, not {}",
                std::popcount(params.axes));
  int axis = std::countr_zero(params.axes);
  if (x.dims[axis] == 0 && out.result.count() != 0)
    return fail(Code::invalid_argument, "no element of {} is the extreme one: its axis {} is empty", describe(x), axis);
  return {};
}

}  // namespace tenon
