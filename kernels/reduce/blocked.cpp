// reduce.blocked.f32.<isa>: sum, mean and maximum over all spatial dims of a channel-blocked tensor (global
// pooling).
#include <algorithm>

#include "base/checked.h"
#include "common/kernel.h"
#include "reduce/params.h"
#include "reduce/planes.h"

namespace tenon {
namespace {

struct State : KernelState {
  int64_t blocks = 0, pixels = 1;
};

template <uint8_t kLanes>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const auto& params = call.as<ReduceParams>();
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(out, DType::f32, "output"));
  TN_TRY(expect_rank(x, 3, kMaxRank, "x"));
  TN_TRY(expect_format(x, blocked(kLanes), "x"));
  if (params.kind != ReduceKind::sum && params.kind != ReduceKind::mean && params.kind != ReduceKind::max)
    return fail(Code::invalid_plan, "blocked tensors are reduced by sum, mean and max, not kind {}",
                static_cast<int>(params.kind));
  if (!params.prologue.empty() || !params.epilogue.empty())
    return fail(Code::invalid_plan, "a blocked reduction takes no programs");
  if (params.axes != (uint64_t{1} << x.rank) - 4)
    return fail(Code::invalid_plan, "a blocked reduction goes over all dims from 2 on, not axis set {:#x}",
                params.axes);
  int64_t dims[kMaxRank] = {x.dims[0], x.dims[1]};
  for (int i = 2; i < x.rank; ++i) dims[i] = 1;
  TN_TRY(expect_shape(out, {dims, static_cast<size_t>(params.keep_dims ? x.rank : 2)}, "output"));
  if (out.format != kLinear) TN_TRY(expect_format(out, blocked(kLanes), "output"));
  auto state = std::make_unique<State>();
  state->blocks = ceil_div(x.dims[1], kLanes);
  for (int i = 2; i < x.rank; ++i) state->pixels *= x.dims[i];
  prepared.state = std::move(state);
  return {};
}

template <const PlaneTable& kTable, uint8_t kLanes>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const auto kind = call.as<ReduceParams>().kind;
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const bool linear = out.format == kLinear;
  call.team->parallel_for(x.dims[0] * s.blocks, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t item = i / s.blocks, channel = i % s.blocks * kLanes;
      const int64_t channels = std::min<int64_t>(kLanes, x.dims[1] - channel);
      float* to = out.as<float>() + (linear ? item * x.dims[1] + channel : i * kLanes);
      const float* from = x.as<const float>() + i * s.pixels * kLanes;
      float result[kLanes];
      if (kind == ReduceKind::max) {
        kTable.max(from, s.pixels, result);
      } else {
        double sums[kLanes];
        kTable.sum(from, s.pixels, sums);
        const double count = kind == ReduceKind::mean ? static_cast<double>(s.pixels) : 1.0;
        for (int lane = 0; lane < kLanes; ++lane) result[lane] = static_cast<float>(sums[lane] / count);
      }
      std::copy(result, result + channels, to);
      if (!linear) std::fill(to + channels, to + kLanes, 0.0f);
    }
  });
  return {};
}

}  // namespace

extern const Kernel kReduceBlockedAvx2{"reduce.blocked.f32.avx2", sizeof(ReduceParams), kAvx2, 0, prepare<8>,
                                       launch<avx2::kPlanes, 8>};
extern const Kernel kReduceBlockedAvx512{
    "reduce.blocked.f32.avx512", sizeof(ReduceParams), kAvx2 | kAvx512, 0, prepare<16>,
    launch<avx512::kPlanes, 16>};

}  // namespace tenon
