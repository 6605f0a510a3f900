// pointwise.tile: one pass over the output in tiles, in parallel, by the best executor that the features allow.
#include <algorithm>

#include "common/nest.h"
#include "pointwise/check.h"

namespace tenon {
namespace {

// Work below this stays on one thread; above, parts are multiples of it so that threads share few cache lines.
constexpr int64_t kGrain = 4096;

struct State : KernelState {
  TileNest nest;
};

Status prepare(const PrepareCall& call, Prepared& out) {
  TN_TRY(check_pointwise(call));
  TN_TRY(expect_format(call.outputs[0], kLinear, "output"));
  auto state = std::make_unique<State>();
  TN_TRY(make_nest(call.inputs, call.outputs[0], state->nest));
  out.scratch_bytes = kTileScratchBytes * call.threads;
  out.state = std::move(state);
  return {};
}

template <uint32_t Features>
Status launch(const LaunchCall& call) {
  const Program& program = call.as<PointwiseParams>().program;
  const TileNest& nest = static_cast<const State*>(call.state)->nest;
  TileFunction tile = tile_function(Features);
  const void* operands[kMaxProgramInputs];
  for (size_t k = 0; k < call.inputs.size(); ++k) operands[k] = call.inputs[k].data;
  const int64_t count = nest.count();
  call.team->parallel_for((count + kGrain - 1) / kGrain, [&](int64_t begin, int64_t end, int member) {
    run_nest(nest, tile, program, operands, call.outputs[0].data, begin * kGrain, std::min(end * kGrain, count),
             static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes);
  });
  return {};
}

}  // namespace

extern const Kernel kPointwiseTileAvx2 = {
    "pointwise.tile.avx2", sizeof(PointwiseParams), kAvx2, 0xffff, prepare, launch<kAvx2>};
extern const Kernel kPointwiseTileAvx512 = {
    "pointwise.tile.avx512", sizeof(PointwiseParams), kAvx2 | kAvx512, 0xffff, prepare, launch<kAvx2 | kAvx512>};

}  // namespace tenon
