// conv.depthwise.f32.<isa>: one filter per channel on channel-blocked tensors.
#include "conv/depthwise_plane.h"

#include <algorithm>

namespace tenon {
namespace {

constexpr int64_t kManyItems = 4;        // of a thread
constexpr int64_t kLeastRows = 4;        // of a chunk: the rows between two chunks are read twice
constexpr int64_t kProgramPixels = 128;  // between runs of an epilogue program, at least

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t blocks = 0, chunks = 1;
  DepthwisePlan plan;
};

template <int64_t kLanes>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(blocked_convolution(call, blocked(kLanes), ConvLayout::depthwise, kLanes, 1, s.g, s.epilogue));
  const ConvGeometry& g = s.g;
  if (g.kernel[0] != 1 || g.in[0] != g.out[0] || g.stride[0] != 1 || g.pad[0] != 0)
    return fail(Code::invalid_plan, "a depthwise kernel has at most two spatial dims, x is {}", describe(call.inputs[0]));
  if (s.epilogue.add >= 0) s.epilogue.leave_registers();
  s.blocks = ceil_div(g.c, kLanes);
  s.plan = plan_depthwise(g);
  // Threads divide the rows of images, each of all channels, so that each finds most of its input where it wrote it.
  const int64_t rows = g.out[0] * g.out[1], items = kManyItems * call.threads, most = g.n * s.blocks < items ? rows : rows / kLeastRows;
  if (call.threads > 1 && g.n > 0) s.chunks = std::clamp<int64_t>(ceil_div(items, g.n), 1, std::max<int64_t>(most, 1));
  prepared.scratch_bytes = call.threads * kTileScratchBytes;
  prepared.state = std::move(state);
  return {};
}

// The rows of one channel block of one item.
template <const DepthwiseTable& kTable, int64_t kLanes>
class Plane {
 public:
  Plane(const LaunchCall& call, const State& s, int64_t plane, int member)
      : call_(call),
        s_(s),
        item_(plane / s.blocks),
        channel_(plane % s.blocks * kLanes),
        rows_(s.g, s.epilogue, s.plan, s.g.in[1], call.inputs[1].as<const float>() + channel_ * s.g.taps, bias(), lanes()) {
    scratch_ = static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes;
    x_ = call.inputs[0].as<const float>() + plane * s.g.in_count * kLanes;
    y_ = call.outputs[0].as<float>() + plane * s.g.out_count * kLanes;
  }

  void run(int64_t first, int64_t last) {
    const ConvGeometry& g = s_.g;
    const int64_t part =
        s_.epilogue.in_registers ? last - first : ceil_div(kProgramPixels, 2 * std::max<int64_t>(g.out[2], 1)) * 2;
    for (int64_t r = first, end; r < last; r = end) {
      const int64_t depth = r / g.out[1];  // rows of one plane of three dims
      end = std::min({r + part, last, (depth + 1) * g.out[1]});
      rows_.run(x_ + depth * g.in[1] * g.in[2] * kLanes, r % g.out[1], end - depth * g.out[1], y_ + r * g.out[2] * kLanes);
      if (!s_.epilogue.in_registers)
        run_blocked_program(s_.epilogue, call_.as<ConvPackedParams>().conv.epilogue, call_.inputs, call_.outputs[0], item_,
                            channel_, r * g.out[2], (end - r) * g.out[2], g.out_count, tile_, scratch_);
    }
  }

 private:
  const float* bias() const {
    const auto* bias = call_.inputs.size() > 2 ? call_.inputs[2].as<const float>() : nullptr;
    if (s_.epilogue.bias >= 0) bias = call_.inputs[static_cast<size_t>(s_.epilogue.bias) + 3].as<const float>();
    return bias ? bias + channel_ : nullptr;
  }
  int64_t lanes() const { return std::min(kLanes, s_.g.c - channel_); }

  const LaunchCall& call_;
  const State& s_;
  int64_t item_, channel_;
  DepthwisePlane<kTable, kLanes> rows_;
  const float* x_;
  float* y_;
  const TileFunction tile_ = tile_function(kLanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  std::byte* scratch_;
};

template <const DepthwiseTable& kTable, int64_t kLanes>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.g.out_count == 0) return {};
  const int64_t rows = s.g.out[0] * s.g.out[1];
  const Split split(rows, ceil_div(rows, s.chunks));
  call.team->parallel_items(s.g.n * s.blocks * split.parts, [&](Team::Items& items, int member) {
    for (int64_t item; items.next(item);) {
      const int64_t of_image = item % (s.blocks * split.parts), first = split.begin(of_image / s.blocks);
      const int64_t plane = item / (s.blocks * split.parts) * s.blocks + of_image % s.blocks;
      Plane<kTable, kLanes>(call, s, plane, member).run(first, first + split.size(of_image / s.blocks));
    }
  });
  return {};
}

}  // namespace

DepthwisePlan plan_depthwise(const ConvGeometry& g) {
  const int64_t taps = g.kernel[2];
  const int64_t right = (g.out[2] - 1) * g.stride[2] - g.pad[2] + taps - g.in[2];
  DepthwisePlan plan;
  plan.fixed = (taps == 3 || taps == 5 || taps == 7) && g.stride[2] <= 2 && g.dilation[2] == 1 && g.pad[2] < taps && right < taps;
  plan.pairs = plan.fixed && taps <= 5 && g.kernel[1] == taps && g.stride[1] == g.stride[2] && g.dilation[1] == 1;
  return plan;
}

extern const Kernel kConvDepthwiseAvx2{
    "conv.depthwise.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0, prepare<8>, launch<avx2::kDepthwise, 8>};
extern const Kernel kConvDepthwiseAvx512{
    "conv.depthwise.f32.avx512",   sizeof(ConvPackedParams), kAvx2 | kAvx512, 0, prepare<16>,
    launch<avx512::kDepthwise, 16>};

}  // namespace tenon
