// conv.depthwise.f32.<isa>: one filter per channel on channel-blocked tensors, a row of output pixels at a
// time; taps outside the input are left out, so nothing is copied.
#include <algorithm>

#include "conv/depthwise_row.h"
#include "conv/packed.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kProgramPixels = 128;  // between runs of an epilogue program, at least

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t blocks = 0, chunks = 1;
  bool fixed = false;
};

template <int64_t kLanes>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const auto& params = call.as<ConvPackedParams>();
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_format(x, blocked(kLanes), "x"));
  TN_TRY(expect_format(out, blocked(kLanes), "output"));
  auto state = std::make_unique<State>();
  State& s = *state;
  Arg w;
  TN_TRY(unpacked_weight(params, ConvLayout::depthwise, kLanes, call.inputs[1], w));
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, false, s.g));
  const ConvGeometry& g = s.g;
  if (g.kernel[0] != 1 || g.in[0] != g.out[0] || g.stride[0] != 1 || g.pad[0] != 0)
    return fail(Code::invalid_plan, "a depthwise kernel has at most two spatial dims, x is {}", describe(x));
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  TN_TRY(blocked_epilogue(params.conv.epilogue, extras, out, bias.present(), s.epilogue));
  if (s.epilogue.add >= 0) s.epilogue.in_registers = false, s.epilogue.bias = s.epilogue.add = -1;
  s.blocks = ceil_div(g.c, kLanes);
  const int64_t taps = g.kernel[2];
  const int64_t right = (g.out[2] - 1) * g.stride[2] - g.pad[2] + taps - g.in[2];
  s.fixed = (taps == 3 || taps == 5 || taps == 7) && g.stride[2] <= 2 && g.dilation[2] == 1 &&
            g.pad[2] < taps && right < taps;
  const int64_t items = g.n * s.blocks;
  if (call.threads > 1 && items > 0 && items < 4 * call.threads)
    s.chunks =
        std::clamp<int64_t>(ceil_div(4 * call.threads, items), 1, std::max<int64_t>(1, g.out[1] * g.out[0]));
  prepared.scratch_bytes = call.threads * kTileScratchBytes;
  prepared.state = std::move(state);
  return {};
}

template <const DepthwiseTable& kTable, int64_t kLanes>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const ConvGeometry& g = s.g;
  const Program& program = call.as<ConvPackedParams>().conv.epilogue;
  const TileFunction tile = tile_function(kLanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  if (g.out_count == 0) return {};
  const int64_t rows = g.out[0] * g.out[1];
  const Split split(rows, ceil_div(rows, s.chunks));
  const Split tiles(g.out[2], kTable.max_outputs);
  const auto* bias = call.inputs.size() > 2 ? call.inputs[2].as<const float>() : nullptr;
  if (s.epilogue.bias >= 0) bias = call.inputs[static_cast<size_t>(s.epilogue.bias) + 3].as<const float>();
  call.team->parallel_for(g.n * s.blocks * split.parts, [&](int64_t begin, int64_t end, int member) {
    auto* scratch = static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t plane = item / split.parts, chunk = item % split.parts, block = plane % s.blocks;
      const float* x = call.inputs[0].as<const float>() + plane * g.in_count * kLanes;
      float* y = call.outputs[0].as<float>() + plane * g.out_count * kLanes;
      const float* w = call.inputs[1].as<const float>() + block * g.taps * kLanes;
      DepthwiseRow row{};
      row.row_step = g.dilation[1] * g.in[2] * kLanes;
      row.taps = g.kernel[2];
      row.width = g.in[2];
      row.stride = g.stride[2];
      row.dilation = g.dilation[2];
      row.bias = bias ? bias + block * kLanes : nullptr;
      row.low = s.epilogue.add_clamp.low;
      row.high = s.epilogue.add_clamp.high;
      row.bounded = s.epilogue.in_registers && s.epilogue.bounded();
      row.lanes = std::min(kLanes, g.c - block * kLanes);
      const int64_t first = split.begin(chunk), last = first + split.size(chunk);
      int64_t pending = first;
      for (int64_t r = first; r < last; ++r) {
        const int64_t top = r % g.out[1] * g.stride[1] - g.pad[1];
        const int64_t skip = top < 0 ? std::min(g.kernel[1], ceil_div(-top, g.dilation[1])) : 0;
        const int64_t room = g.in[1] - top;
        const int64_t inside = room > 0 ? std::min(g.kernel[1], ceil_div(room, g.dilation[1])) : 0;
        row.tap_rows = std::max<int64_t>(inside - skip, 0);
        row.x = x + (r / g.out[1] * g.in[1] + top + skip * g.dilation[1]) * g.in[2] * kLanes;
        row.w = w + skip * g.kernel[2] * kLanes;
        if (s.fixed) {
          for (int64_t t = 0; t < tiles.parts; ++t) {
            const int64_t at = tiles.begin(t);
            row.begin = at * g.stride[2] - g.pad[2];
            row.y = y + (r * g.out[2] + at) * kLanes;
            kTable.fixed[g.kernel[2] / 2 - 1][g.stride[2] - 1](row, tiles.size(t));
          }
        } else {
          row.begin = -g.pad[2];
          row.y = y + r * g.out[2] * kLanes;
          kTable.any(row, g.out[2]);
        }
        if (!s.epilogue.in_registers && ((r + 1 - pending) * g.out[2] >= kProgramPixels || r + 1 == last)) {
          run_blocked_program(s.epilogue, program, call.inputs, call.outputs[0], plane / s.blocks,
                              block * kLanes, pending * g.out[2], (r + 1 - pending) * g.out[2], g.out_count,
                              tile, scratch);
          pending = r + 1;
        }
      }
    }
  });
  return {};
}

}  // namespace

extern const Kernel kConvDepthwiseAvx2{
    "conv.depthwise.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0, prepare<8>, launch<avx2::kDepthwise, 8>};
extern const Kernel kConvDepthwiseAvx512{
    "conv.depthwise.f32.avx512",   sizeof(ConvPackedParams), kAvx2 | kAvx512, 0, prepare<16>,
    launch<avx512::kDepthwise, 16>};

}  // namespace tenon
