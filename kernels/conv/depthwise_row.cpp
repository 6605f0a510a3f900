#include "conv/depthwise_row.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

// What sums start from, absent channels being zero.
inline Vec start(const DepthwiseRow& row) { return row.bias ? load_masked(row.bias, first_lanes(row.lanes)) : zero(); }

// Bounds or silu, and zeros in the lanes that are no channels, where a bound is not.
template <int kOutputs>
inline __attribute__((always_inline)) void finish(const DepthwiseRow& row, Vec (&sum)[kOutputs]) {
  if (row.silu) {
#pragma GCC unroll 8
    for (int t = 0; t < kOutputs; ++t) sum[t] = silu(sum[t]);
  }
  if (!row.bounded) return;
  const Vec low = splat(row.low), high = splat(row.high);
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) sum[t] = min(high, max(low, sum[t]));
  if (row.lanes == kLanes) return;
  const Mask mask = first_lanes(row.lanes);
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) sum[t] = keep(sum[t], mask);
}

template <int kTaps, int kStride, int kOutputs>
void run_fixed(const DepthwiseRow& row) {
  Vec sum[kOutputs];
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) sum[t] = start(row);
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
    if (r + 1 == row.wrap) x -= row.wrap_step;
    w += kTaps * kLanes;
  }
  finish(row, sum);
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) store(row.y + t * kLanes, sum[t]);
}

// Two rows of outputs, each input loaded once. Input row i of those that they read is inside where begin <= i < end.
template <int kTaps, int kStride, int kOutputs>
void run_pair(const DepthwiseRow& row) {
  Vec sum[2][kOutputs];
#pragma GCC unroll 8
  for (int t = 0; t < kOutputs; ++t) sum[0][t] = sum[1][t] = start(row);
  const float* x = row.x + row.begin * kLanes;
  const int64_t first = -row.begin, last = row.width - row.begin;
#pragma GCC unroll 9
  for (int i = 0; i < kTaps + kStride; ++i, x += row.row_step) {
    if (i == row.wrap) x -= row.wrap_step;
    if (i < row.row_begin || i >= row.row_end) continue;
    Vec weight[2][kTaps];
#pragma GCC unroll 7
    for (int k = 0; k < kTaps; ++k) {
      if (i < kTaps) weight[0][k] = load(row.w + (i * kTaps + k) * kLanes);
      if (i >= kStride) weight[1][k] = load(row.w + ((i - kStride) * kTaps + k) * kLanes);
    }
#pragma GCC unroll 21
    for (int column = 0; column < (kOutputs - 1) * kStride + kTaps; ++column) {
      if (column < kTaps - 1 && column < first) continue;
      if (column > (kOutputs - 1) * kStride && column >= last) continue;
      const Vec value = load(x + column * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < kOutputs; ++t) {
        const int k = column - t * kStride;
        if (k < 0 || k >= kTaps) continue;
        if (i < kTaps) sum[0][t] = fma(weight[0][k], value, sum[0][t]);
        if (i >= kStride) sum[1][t] = fma(weight[1][k], value, sum[1][t]);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    finish(row, sum[r]);
    float* y = row.y + r * row.y_step;
#pragma GCC unroll 8
    for (int t = 0; t < kOutputs; ++t) store(y + t * kLanes, sum[r][t]);
  }
}

constexpr int kPairOutputs = kLanes == 16 ? 8 : 4;  // of a row: as many as registers hold, and weights besides

template <int kTaps, int kStride, int kOutputs = kPairOutputs>
void pair(const DepthwiseRow& row, int64_t outputs) {
  if constexpr (kOutputs > 1)
    if (outputs < kOutputs) return pair<kTaps, kStride, kOutputs - 1>(row, outputs);
  run_pair<kTaps, kStride, kOutputs>(row);
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
  for (int64_t t = 0; t < outputs; ++t) {
    const int64_t begin = row.begin + t * row.stride;
    Vec sum[1] = {start(row)};
    for (int64_t r = 0; r < row.tap_rows; ++r) {
      const float* x = row.x + r * row.row_step - (r >= row.wrap ? row.wrap_step : 0);
      for (int64_t k = 0; k < row.taps; ++k) {
        const int64_t column = begin + k * row.dilation;
        if (column < 0 || column >= row.width) continue;
        sum[0] = fma(load(row.w + (r * row.taps + k) * kLanes), load(x + column * kLanes), sum[0]);
      }
    }
    finish(row, sum);
    store(row.y + t * kLanes, sum[0]);
  }
}

}  // namespace

extern const DepthwiseTable kDepthwise{8,
                                       {{fixed<3, 1>, fixed<3, 2>}, {fixed<5, 1>, fixed<5, 2>}, {fixed<7, 1>, fixed<7, 2>}},
                                       kPairOutputs,
                                       {{pair<3, 1>, pair<3, 2>}, {pair<5, 1>, pair<5, 2>}},
                                       any};

}  // namespace tenon::TN_ISA
