#include "conv/depthwise_row.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

// Bias, bounds and the lanes that are channels, in registers; absent ones change nothing.
struct Finish {
  Vec bias, low, high;
  Mask mask;

  explicit inline Finish(const DepthwiseRow& row) {
    mask = first_lanes(row.lanes);
    bias = row.bias ? load_masked(row.bias, mask) : zero();
    low = splat(row.bounded ? row.low : -__builtin_inff());
    high = splat(row.bounded ? row.high : __builtin_inff());
  }
  inline Vec operator()(Vec sum) const { return keep(min(high, max(low, add(sum, bias))), mask); }
};

template <int kTaps, int kStride, int kOutputs>
void run_fixed(const DepthwiseRow& row) {
  Vec sum[kOutputs];
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) sum[t] = zero();
  const float* x = row.x + row.begin * kLanes;
  const float* w = row.w;
  // Columns first … last-1, counted from the first output's first tap, are inside the input.
  const int64_t first = -row.begin, last = row.width - row.begin;
  for (int64_t r = 0; r < row.tap_rows; ++r) {
#pragma GCC unroll 7
    for (int k = 0; k < kTaps; ++k) {
      const Vec weight = load(w + k * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < kOutputs; ++t) {
        const int column = t * kStride + k;
        if (column < kTaps - 1 && column < first) continue;
        if (column > (kOutputs - 1) * kStride && column >= last) continue;
        sum[t] = fma(weight, load(x + column * kLanes), sum[t]);
      }
    }
    x += row.row_step;
    w += kTaps * kLanes;
  }
  const Finish finish(row);
  float* y = row.y;
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) store(y + t * kLanes, finish(sum[t]));
}

template <int kTaps, int kStride>
void fixed(const DepthwiseRow& row, int64_t outputs) {
  switch (outputs) {
    case 1: return run_fixed<kTaps, kStride, 1>(row);
    case 2: return run_fixed<kTaps, kStride, 2>(row);
    case 3: return run_fixed<kTaps, kStride, 3>(row);
    case 4: return run_fixed<kTaps, kStride, 4>(row);
    case 5: return run_fixed<kTaps, kStride, 5>(row);
    case 6: return run_fixed<kTaps, kStride, 6>(row);
    case 7: return run_fixed<kTaps, kStride, 7>(row);
    case 8: return run_fixed<kTaps, kStride, 8>(row);
  }
}

void any(const DepthwiseRow& row, int64_t outputs) {
  const Finish finish(row);
  for (int64_t t = 0; t < outputs; ++t) {
    const int64_t begin = row.begin + t * row.stride;
    Vec sum = zero();
    for (int64_t r = 0; r < row.tap_rows; ++r)
      for (int64_t k = 0; k < row.taps; ++k) {
        const int64_t column = begin + k * row.dilation;
        if (column < 0 || column >= row.width) continue;
        sum = fma(load(row.w + (r * row.taps + k) * kLanes), load(row.x + r * row.row_step + column * kLanes),
                  sum);
      }
    store(row.y + t * kLanes, finish(sum));
  }
}

}  // namespace

extern const DepthwiseTable kDepthwise{
    8, {{fixed<3, 1>, fixed<3, 2>}, {fixed<5, 1>, fixed<5, 2>}, {fixed<7, 1>, fixed<7, 2>}}, any};

}  // namespace tenon::TN_ISA
