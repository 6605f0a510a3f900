#include "move/check.h"

#include "base/checked.h"

namespace tenon::move {

Status check_elements(const Arg& x, const Arg& out, const char* kernel) {
  if (size_of(x.dtype) == 0)
    return fail(Code::invalid_plan, "{}: input {} has elements of no fixed size", kernel, describe(x));
  if (x.dtype != out.dtype)
    return fail(Code::invalid_plan, "{}: output {} must have the element type of input {}", kernel, describe(out),
                describe(x));
  TN_TRY(expect_rank(x, 0, kMaxRank, "input"));
  TN_TRY(expect_rank(out, 0, kMaxRank, "output"));
  TN_TRY(expect_format(x, kLinear, "input"));
  return expect_format(out, kLinear, "output");
}

Status check_transpose(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(check_elements(x, out, "transpose"));
  const auto& params = call.as<TransposeParams>();
  if (params.rank != x.rank || x.rank != out.rank)
    return fail(Code::invalid_plan, "transpose: permutation of {} dims, input {}, output {}", params.rank, describe(x),
                describe(out));
  unsigned seen = 0;
  for (int d = 0; d < out.rank; ++d) {
    int64_t from = params.perm[d];
    if (from < 0 || from >= x.rank || (seen >> from & 1))
      return fail(Code::invalid_plan, "transpose: entry {} of the permutation is {}; it must be a permutation of 0 to {}",
                  d, from, x.rank - 1);
    seen |= 1u << from;
    if (out.dims[d] != x.dims[from])
      return fail(Code::invalid_plan, "transpose: dim {} of output {} must be dim {} of input {}", d, describe(out), from,
                  describe(x));
  }
  return {};
}

Status check_slice(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(check_elements(x, out, "slice"));
  const auto& params = call.as<SliceParams>();
  if (params.rank != x.rank || x.rank != out.rank)
    return fail(Code::invalid_plan, "slice: parameters for {} dims, input {}, output {}", params.rank, describe(x),
                describe(out));
  if (out.count() == 0) return {};
  for (int d = 0; d < x.rank; ++d) {
    auto span = checked_mul(out.dims[d] - 1, params.steps[d]);
    auto last = span ? checked_add(params.starts[d], *span) : std::nullopt;
    if (params.steps[d] == 0 || params.starts[d] < 0 || params.starts[d] >= x.dims[d] || !last || *last < 0 ||
        *last >= x.dims[d])
      return fail(Code::out_of_range, "slice: {} elements of dim {} from {} by steps of {} leave input {}", out.dims[d], d,
                  params.starts[d], params.steps[d], describe(x));
  }
  return {};
}

Status check_expand(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(check_elements(x, out, "expand"));
  if (x.rank > out.rank)
    return fail(Code::invalid_plan, "expand: output {} has fewer dims than input {}", describe(out), describe(x));
  for (int d = 0; d < x.rank; ++d) {
    int64_t to = out.dims[out.rank - x.rank + d];
    if (x.dims[d] != 1 && x.dims[d] != to)
      return fail(Code::out_of_range, "expand: dim {} of input {} is neither 1 nor that of output {}", d, describe(x),
                  describe(out));
  }
  return {};
}

Status check_concat(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, SIZE_MAX, 1));
  const Arg& out = call.outputs[0];
  const int64_t axis = call.as<ConcatParams>().axis;
  TN_TRY(expect_rank(out, 1, kMaxRank, "output"));
  if (size_of(out.dtype) == 0) return fail(Code::invalid_plan, "concat: output {} has no fixed size", describe(out));
  if (axis < 0 || axis >= out.rank)
    return fail(Code::invalid_plan, "concat: axis {} of output {}", axis, describe(out));
  const bool is_blocked = out.format.layout == Layout::blocked;
  if (!is_known(out.format) || (out.format != kLinear && out.rank < 2))
    return fail(Code::invalid_plan, "concat: output {} has no channels for its format", describe(out));
  int64_t sum = 0;
  for (const Arg& x : call.inputs) {
    TN_TRY(expect_type(x, out.dtype, "concat input"));
    TN_TRY(expect_format(x, out.format, "concat input"));
    TN_TRY(expect_rank(x, out.rank, out.rank, "concat input"));
    for (int d = 0; d < out.rank; ++d)
      if (d != axis && x.dims[d] != out.dims[d])
        return fail(Code::out_of_range, "concat along {}: dim {} of input {} differs from output {}", axis, d, describe(x),
                    describe(out));
    if (is_blocked && axis == 1 && x.dims[1] % out.format.block != 0)
      return fail(Code::invalid_plan, "concat: {} channels of input {} are no multiple of the block", x.dims[1],
                  describe(x));
    auto next = checked_add(sum, x.dims[axis]);
    if (!next) return fail(Code::out_of_range, "concat: dim {} overflows", axis);
    sum = *next;
  }
  if (sum != out.dims[axis])
    return fail(Code::out_of_range, "concat: the inputs' dims along {} add up to {}, output is {}", axis, sum,
                describe(out));
  return {};
}

Status check_pad(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 2, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(check_elements(x, out, "pad"));
  const auto& params = call.as<PadParams>();
  if (params.rank != x.rank || x.rank != out.rank)
    return fail(Code::invalid_plan, "pad: parameters for {} dims, input {}, output {}", params.rank, describe(x),
                describe(out));
  if (params.mode < PadMode::constant || params.mode > PadMode::wrap)
    return fail(Code::invalid_plan, "pad: mode {} is none", static_cast<int64_t>(params.mode));
  for (int d = 0; d < x.rank; ++d) {
    constexpr int64_t kFar = int64_t{1} << 48;
    if (params.begins[d] < -kFar || params.begins[d] > kFar || x.dims[d] > kFar || out.dims[d] > kFar)
      return fail(Code::invalid_plan, "pad: {} before dim {} of input {} is out of range", params.begins[d], d,
                  describe(x));
    if (params.mode != PadMode::constant && x.dims[d] == 0 && out.count() != 0)
      return fail(Code::out_of_range, "pad: dim {} of input {} is empty: there is nothing to repeat", d, describe(x));
  }
  if (call.inputs.size() > 1 && call.inputs[1].present()) {
    TN_TRY(expect_type(call.inputs[1], x.dtype, "pad value"));
    TN_TRY(expect_format(call.inputs[1], kLinear, "pad value"));
    if (call.inputs[1].count() != 1)
      return fail(Code::invalid_plan, "pad: value {} must be one element", describe(call.inputs[1]));
  }
  return {};
}

Status check_copy(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (size_of(x.dtype) == 0 || x.dtype != out.dtype)
    return fail(Code::invalid_plan, "copy: output {} must have the element type of input {}", describe(out), describe(x));
  if (x.format == kLinear && out.format == kLinear) {
    if (x.count() == out.count()) return {};
    return fail(Code::out_of_range, "copy: output {} must have as many elements as input {}", describe(out), describe(x));
  }
  TN_TRY(expect_format(out, x.format, "copy output"));
  return expect_shape(out, x.shape(), "copy output");
}

}  // namespace tenon::move
