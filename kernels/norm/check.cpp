#include "norm/check.h"

#include <cmath>

#include "common/element.h"

namespace tenon {
namespace {

Status check_input(const Arg& x, int min_rank, float epsilon) {
  TN_TRY(expect_format(x, kLinear, "x"));
  TN_TRY(expect_rank(x, min_rank, kMaxRank, "x"));
  if (!with_float(x.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "a normalisation takes f32, f64, f16 or bf16, not {}", describe(x));
  if (std::isfinite(epsilon) && epsilon >= 0) return {};
  return fail(Code::invalid_plan, "epsilon must be a number of at least 0, it is {}", epsilon);
}

// Whether a vector lies as one row of the normalised dims.
bool is_row(const Arg& vector, const Arg& x, int axis) {
  if (vector.rank < x.rank - axis) return false;
  for (int i = 0; i < vector.rank; ++i) {
    int at = x.rank - vector.rank + i;
    if (vector.dims[i] != (at < axis ? 1 : x.dims[at])) return false;
  }
  return true;
}

Status check_vector(const Arg& vector, const Arg& x, int axis, const char* what, BroadcastStrides& strides, bool& row) {
  if (!vector.present()) return {};
  TN_TRY(expect_type(vector, x.dtype, what));
  row = row && is_row(vector, x, axis);
  return broadcast_strides(vector, x.shape(), what, strides);
}

}  // namespace

Status check_layer_norm(const PrepareCall& call, LayerNormShape& out) {
  const LayerNormParams& params = call.as<LayerNormParams>();
  if (call.inputs.size() < 3 || call.inputs.size() > 3 + kMaxProgramInputs - 1 || call.outputs.empty() ||
      call.outputs.size() > 3)
    return fail(Code::invalid_plan, "layer_norm takes 3 to {} inputs and 1 to 3 outputs, the step has {} and {}",
                3 + kMaxProgramInputs - 1, call.inputs.size(), call.outputs.size());
  const Arg& x = call.inputs[0];
  TN_TRY(check_input(x, 1, params.epsilon));
  if (params.axis < 0 || params.axis >= x.rank)
    return fail(Code::invalid_plan, "layer_norm from axis {} of {}", params.axis, describe(x));
  out.contiguous = true;
  TN_TRY(check_vector(call.inputs[1], x, params.axis, "scale", out.scale, out.contiguous));
  TN_TRY(check_vector(call.inputs[2], x, params.axis, "bias", out.bias, out.contiguous));
  Arg statistics;
  statistics.rank = x.rank;
  for (int i = 0; i < x.rank; ++i) statistics.dims[i] = i < params.axis ? x.dims[i] : 1;
  for (const Arg& output : call.outputs.subspan(1)) {
    if (!output.present()) continue;
    TN_TRY(expect_type(output, DType::f32, "a statistic"));
    TN_TRY(expect_format(output, kLinear, "a statistic"));
    TN_TRY(expect_shape(output, statistics.shape(), "a statistic"));
  }
  out.result = x;
  TN_TRY(check_epilogue_nest(params.epilogue, out.result, call.inputs.subspan(3), call.outputs[0], out.epilogue));
  uint64_t rows = 1, length = 1;  // one may wrap when the other is 0
  for (int i = 0; i < x.rank; ++i) (i < params.axis ? rows : length) *= static_cast<uint64_t>(x.dims[i]);
  out.length = static_cast<int64_t>(length);
  // Without elements there is nothing to write but statistics.
  out.rows = x.count() == 0 && call.outputs.size() == 1 ? 0 : static_cast<int64_t>(rows);
  return {};
}

Status check_group_norm(const PrepareCall& call, GroupNormShape& out) {
  const GroupNormParams& params = call.as<GroupNormParams>();
  TN_TRY(expect_counts(call, 3, 3 + kMaxProgramInputs - 1, 1));
  const Arg& x = call.inputs[0];
  TN_TRY(check_input(x, 2, params.epsilon));
  if (params.groups < 1 || x.dims[1] % params.groups != 0)
    return fail(Code::invalid_plan, "group_norm with {} groups does not divide the channels of {}", params.groups,
                describe(x));
  for (size_t i : {size_t{1}, size_t{2}}) {
    const char* what = i == 1 ? "scale" : "bias";
    TN_TRY(expect_type(call.inputs[i], x.dtype, what));
    TN_TRY(expect_format(call.inputs[i], kLinear, what));
    TN_TRY(expect_shape(call.inputs[i], {x.dims + 1, 1}, what));
  }
  out.result = x;
  TN_TRY(check_epilogue_nest(params.epilogue, out.result, call.inputs.subspan(3), call.outputs[0], out.epilogue));
  if (x.count() == 0) return {};
  out.batches = x.dims[0];
  out.channels = x.dims[1];
  out.spatial = 1;
  for (int i = 2; i < x.rank; ++i) out.spatial *= x.dims[i];
  return {};
}

}  // namespace tenon
