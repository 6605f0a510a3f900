// conv.depthwise.f32.<isa>: one filter per channel on channel-blocked tensors, one or two rows of output pixels at a
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
  bool fixed = false, pairs = false;
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
  if (s.epilogue.add >= 0) s.epilogue.leave_registers();
  s.blocks = ceil_div(g.c, kLanes);
  const int64_t taps = g.kernel[2];
  const int64_t right = (g.out[2] - 1) * g.stride[2] - g.pad[2] + taps - g.in[2];
  s.fixed = (taps == 3 || taps == 5 || taps == 7) && g.stride[2] <= 2 && g.dilation[2] == 1 &&
            g.pad[2] < taps && right < taps;
  s.pairs = s.fixed && taps <= 5 && g.kernel[1] == taps && g.stride[1] == g.stride[2] && g.dilation[1] == 1;
  const int64_t items = g.n * s.blocks;
  if (call.threads > 1 && items > 0 && items < 4 * call.threads)
    s.chunks =
        std::clamp<int64_t>(ceil_div(4 * call.threads, items), 1, std::max<int64_t>(1, g.out[1] * g.out[0]));
  prepared.scratch_bytes = call.threads * kTileScratchBytes;
  prepared.state = std::move(state);
  return {};
}

// The rows of one channel block of one item.
template <const DepthwiseTable& kTable, int64_t kLanes>
class Plane {
 public:
  Plane(const LaunchCall& call, const State& s, int64_t plane, int member)
      : call_(call), s_(s), g_(s.g), item_(plane / s.blocks), block_(plane % s.blocks) {
    scratch_ = static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes;
    x_ = call.inputs[0].as<const float>() + plane * g_.in_count * kLanes;
    y_ = call.outputs[0].as<float>() + plane * g_.out_count * kLanes;
    w_ = call.inputs[1].as<const float>() + block_ * g_.taps * kLanes;
    const auto* bias = call.inputs.size() > 2 ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias = call.inputs[static_cast<size_t>(s.epilogue.bias) + 3].as<const float>();
    row_.row_step = g_.dilation[1] * g_.in[2] * kLanes;
    row_.taps = g_.kernel[2];
    row_.width = g_.in[2];
    row_.stride = g_.stride[2];
    row_.dilation = g_.dilation[2];
    row_.bias = bias ? bias + block_ * kLanes : nullptr;
    row_.low = s.epilogue.add_clamp.low;
    row_.high = s.epilogue.add_clamp.high;
    row_.bounded = s.epilogue.in_registers && s.epilogue.bounded();
    row_.silu = s.epilogue.silu;
    row_.lanes = std::min(kLanes, g_.c - block_ * kLanes);
    row_.y_step = g_.out[2] * kLanes;
  }

  void run(int64_t first, int64_t last) {
    int64_t pending = first;
    for (int64_t r = first; r < last;) {
      const bool two = s_.pairs && r + 1 < last && (r + 1) % g_.out[1] != 0;
      two ? pair(r) : one(r);
      r += two ? 2 : 1;
      if (s_.epilogue.in_registers || ((r - pending) * g_.out[2] < kProgramPixels && r < last)) continue;
      run_blocked_program(s_.epilogue, call_.as<ConvPackedParams>().conv.epilogue, call_.inputs, call_.outputs[0], item_,
                          block_ * kLanes, pending * g_.out[2], (r - pending) * g_.out[2], g_.out_count, tile_, scratch_);
      pending = r;
    }
  }

 private:
  int64_t top(int64_t r) const { return r % g_.out[1] * g_.stride[1] - g_.pad[1]; }
  const float* input_row(int64_t r, int64_t h) const { return x_ + (r / g_.out[1] * g_.in[1] + h) * g_.in[2] * kLanes; }

  void one(int64_t r) {
    const int64_t h = top(r), skip = h < 0 ? std::min(g_.kernel[1], ceil_div(-h, g_.dilation[1])) : 0;
    const int64_t room = g_.in[1] - h;
    const int64_t inside = room > 0 ? std::min(g_.kernel[1], ceil_div(room, g_.dilation[1])) : 0;
    row_.tap_rows = std::max<int64_t>(inside - skip, 0);
    row_.x = input_row(r, h + skip * g_.dilation[1]);
    row_.w = w_ + skip * g_.kernel[2] * kLanes;
    if (s_.fixed) return tiles(r, kTable.max_outputs, kTable.fixed[g_.kernel[2] / 2 - 1][g_.stride[2] - 1]);
    row_.begin = -g_.pad[2];
    row_.y = y_ + r * g_.out[2] * kLanes;
    kTable.any(row_, g_.out[2]);
  }

  void pair(int64_t r) {
    const int64_t h = top(r);
    row_.row_begin = -h;
    row_.row_end = g_.in[1] - h;
    row_.x = input_row(r, h);
    row_.w = w_;
    tiles(r, kTable.max_pair_outputs, kTable.pair[g_.kernel[2] / 2 - 1][g_.stride[2] - 1]);
  }

  void tiles(int64_t r, int64_t most, DepthwiseKernel kernel) {
    const Split tiles(g_.out[2], most);
    for (int64_t t = 0; t < tiles.parts; ++t) {
      const int64_t at = tiles.begin(t);
      row_.begin = at * g_.stride[2] - g_.pad[2];
      row_.y = y_ + (r * g_.out[2] + at) * kLanes;
      kernel(row_, tiles.size(t));
    }
  }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  int64_t item_, block_;
  DepthwiseRow row_{};
  const float *x_, *w_;
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
  call.team->parallel_for(s.g.n * s.blocks * split.parts, [&](int64_t begin, int64_t end, int member) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t chunk = item % split.parts, first = split.begin(chunk);
      Plane<kTable, kLanes>(call, s, item / split.parts, member).run(first, first + split.size(chunk));
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
