// pointwise.blocked.f32.<isa>: channel-blocked tensors, with operands that have one value per channel.
#include <algorithm>

#include "base/checked.h"
#include "common/blocked_operand.h"
#include "gemm/split.h"
#include "pointwise/check.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 128;  // of a channel block at a time, at most

struct State : KernelState {
  BlockedOperand operand[kMaxProgramInputs];
  int64_t blocks = 0, pixels = 1;
  // Values per channel are repeated for every pixel in scratch, so that rows of pixels are one dense row.
  bool flat = true;      // where those are all f32
  int64_t repeated = 0;  // operands
  int64_t thread_bytes = 0;
};

// Fills to[pixel * lanes + channel] with the channels' values; lanes that are no channels hold zero.
void repeat(const float* values, int64_t channels, int64_t lanes, int64_t pixels, float* to) {
  std::copy(values, values + channels, to);
  std::fill(to + channels, to + lanes, 0.0f);
  for (int64_t p = 1; p < pixels; ++p) std::copy(to, to + lanes, to + p * lanes);
}

template <uint8_t kLanes>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check_pointwise(call));
  const Arg& out = call.outputs[0];
  TN_TRY(expect_type(out, DType::f32, "output"));
  TN_TRY(expect_format(out, blocked(kLanes), "output"));
  TN_TRY(expect_rank(out, 2, kMaxRank, "output"));
  auto state = std::make_unique<State>();
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    BlockedOperand& operand = state->operand[i];
    TN_TRY(place_operand(call.inputs[i], out, "operand", operand));
    if (operand.full || operand.channel_step == 0) continue;
    ++state->repeated;
    state->flat &= call.inputs[i].dtype == DType::f32;
  }
  state->blocks = ceil_div(out.dims[1], kLanes);
  for (int i = 2; i < out.rank; ++i) state->pixels *= out.dims[i];
  state->thread_bytes = kTileScratchBytes + state->repeated * kPixels * kLanes * 4;
  prepared.scratch_bytes = call.threads * state->thread_bytes;
  prepared.state = std::move(state);
  return {};
}

// The lanes that are no channels hold zero, whatever the program makes of zeros.
void clear_lanes(float* block, int64_t pixels, int64_t lanes, int64_t channels) {
  for (int64_t p = 0; p < pixels; ++p) std::fill(block + p * lanes + channels, block + (p + 1) * lanes, 0.0f);
}

template <uint8_t kLanes, uint32_t kFeatures>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const Program& program = call.as<PointwiseParams>().program;
  const Arg& out = call.outputs[0];
  const TileFunction tile = tile_function(kFeatures);
  if (s.pixels == 0 || s.blocks == 0) return {};
  const Split parts(s.pixels, kPixels);
  call.team->parallel_for(out.dims[0] * s.blocks * parts.parts, [&](int64_t begin, int64_t end, int member) {
    std::byte* scratch = static_cast<std::byte*>(call.scratch) + member * s.thread_bytes;
    int64_t ready = -1;  // plane whose values per channel are repeated
    for (int64_t i = begin; i < end; ++i) {
      const int64_t plane = i / parts.parts, part = i % parts.parts, channel = plane % s.blocks * kLanes;
      const int64_t columns = std::min<int64_t>(kLanes, out.dims[1] - channel), rows = parts.size(part);
      const int64_t at = (plane * s.pixels + parts.begin(part)) * kLanes;
      TileOperand operands[kMaxProgramInputs];
      auto* dense = reinterpret_cast<float*>(scratch + kTileScratchBytes);
      for (size_t k = 0; k < call.inputs.size(); ++k) {
        operands[k] = tile_operand(s.operand[k], call.inputs[k], plane / s.blocks, channel, at, kLanes);
        if (!s.flat || s.operand[k].full || s.operand[k].channel_step == 0) continue;
        if (ready != plane)
          repeat(static_cast<const float*>(operands[k].data), columns, kLanes, parts.size(0), dense);
        operands[k] = {dense, kLanes, 1};
        dense += kPixels * kLanes;
      }
      ready = plane;
      float* to = out.as<float>() + at;
      if (s.flat)
        tile(program, operands, 1, rows * kLanes, to, rows * kLanes, scratch);
      else
        tile(program, operands, rows, columns, to, kLanes, scratch);
      if (columns < kLanes) clear_lanes(to, rows, kLanes, columns);
    }
  });
  return {};
}

}  // namespace

extern const Kernel kPointwiseBlockedAvx2{
    "pointwise.blocked.f32.avx2", sizeof(PointwiseParams), kAvx2, 0xffff, prepare<8>, launch<8, kAvx2>};
extern const Kernel kPointwiseBlockedAvx512{
    "pointwise.blocked.f32.avx512", sizeof(PointwiseParams), kAvx2 | kAvx512, 0xffff, prepare<16>,
    launch<16, kAvx2 | kAvx512>};

}  // namespace tenon
