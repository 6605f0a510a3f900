// A depthwise convolution of one channel block, one or two rows of output pixels at a time; taps outside the input are left
// out, so nothing is padded.
#pragma once

#include <algorithm>

#include "conv/depthwise_row.h"
#include "conv/packed.h"
#include "gemm/split.h"

namespace tenon {

// Which of a table's kernels fit.
struct DepthwisePlan {
  bool fixed = false, pairs = false;
};
DepthwisePlan plan_depthwise(const ConvGeometry& g);

// `ring`: rows of the input that are in memory, row h being the one at h % ring; all of them where ring is their number.
template <const DepthwiseTable& kTable, int64_t kLanes>
class DepthwisePlane {
 public:
  // `lanes`: channels of the block. `w`, `bias` (or nullptr): the block's own.
  DepthwisePlane(const ConvGeometry& g, const BlockedEpilogue& epilogue, DepthwisePlan plan, int64_t ring, const float* w,
                 const float* bias, int64_t lanes)
      : g_(g), plan_(plan), ring_(std::max<int64_t>(ring, 1)), w_(w) {
    row_.row_step = g.dilation[1] * g.in[2] * kLanes;
    row_.wrap_step = ring_ * g.in[2] * kLanes;
    row_.taps = g.kernel[2];
    row_.width = g.in[2];
    row_.stride = g.stride[2];
    row_.dilation = g.dilation[2];
    row_.bias = bias;
    row_.low = epilogue.add_clamp.low;
    row_.high = epilogue.add_clamp.high;
    row_.bounded = epilogue.in_registers && epilogue.bounded();
    row_.silu = epilogue.silu;
    row_.lanes = lanes;
    row_.y_step = g.out[2] * kLanes;
  }

  // Rows first … last-1 of the output, which follow each other from y on; x: the input's rows.
  void run(const float* x, int64_t first, int64_t last, float* y) {
    for (int64_t r = first; r < last; y += row_.y_step) {
      const bool two = plan_.pairs && r + 1 < last;
      two ? pair(x, r, y) : one(x, r, y);
      if (two) y += row_.y_step;
      r += two ? 2 : 1;
    }
  }

 private:
  // For tap rows of which the first reads input row h. Those that read rows before the input are not read.
  void begin_rows(const float* x, int64_t h) {
    const int64_t outside = h < 0 ? ceil_div(-h, g_.dilation[1]) : 0;
    const int64_t slot = (h + outside * g_.dilation[1]) % ring_;
    row_.x = x + slot * g_.in[2] * kLanes - outside * row_.row_step;
    row_.wrap = outside + ceil_div(ring_ - slot, g_.dilation[1]);
  }

  void one(const float* x, int64_t r, float* y) {
    const int64_t h = r * g_.stride[1] - g_.pad[1];
    const int64_t skip = h < 0 ? std::min(g_.kernel[1], ceil_div(-h, g_.dilation[1])) : 0;
    const int64_t room = g_.in[1] - h;
    const int64_t inside = room > 0 ? std::min(g_.kernel[1], ceil_div(room, g_.dilation[1])) : 0;
    row_.tap_rows = std::max<int64_t>(inside - skip, 0);
    begin_rows(x, h + skip * g_.dilation[1]);
    row_.w = w_ + skip * g_.kernel[2] * kLanes;
    if (plan_.fixed) return tiles(y, kTable.max_outputs, kTable.fixed[g_.kernel[2] / 2 - 1][g_.stride[2] - 1]);
    row_.begin = -g_.pad[2];
    row_.y = y;
    kTable.any(row_, g_.out[2]);
  }

  void pair(const float* x, int64_t r, float* y) {
    const int64_t h = r * g_.stride[1] - g_.pad[1];
    row_.row_begin = -h;
    row_.row_end = g_.in[1] - h;
    begin_rows(x, h);
    row_.w = w_;
    tiles(y, kTable.max_pair_outputs, kTable.pair[g_.kernel[2] / 2 - 1][g_.stride[2] - 1]);
  }

  void tiles(float* y, int64_t most, DepthwiseKernel kernel) {
    const Split tiles(g_.out[2], most);
    for (int64_t t = 0; t < tiles.parts; ++t) {
      const int64_t at = tiles.begin(t);
      row_.begin = at * g_.stride[2] - g_.pad[2];
      row_.y = y + at * kLanes;
      kernel(row_, tiles.size(t));
    }
  }

  const ConvGeometry& g_;
  const DepthwisePlan plan_;
  const int64_t ring_;
  const float* w_;
  DepthwiseRow row_{};
};

}  // namespace tenon
