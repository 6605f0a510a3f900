#include "pool/rows.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

// The greater; NaN if either is.
#if defined(__AVX512F__)
inline Vec greater(Vec a, Vec b) {
  return _mm512_mask_mov_ps(max(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
#else
inline Vec greater(Vec a, Vec b) { return _mm256_blendv_ps(max(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
#endif

constexpr int kAtOnce = 4;  // outputs, whose chains of operations do not wait for each other

// kAtOnce outputs from t on, whose windows lie inside the row.
template <bool kAverage>
void blocked_outputs(const PoolRow& row, int64_t t) {
  Vec sum[kAtOnce];
#pragma GCC unroll 4
  for (int i = 0; i < kAtOnce; ++i) sum[i] = kAverage ? zero() : splat(-__builtin_inff());
  const int64_t step = row.stride * kLanes;
  for (int64_t d = 0; d < row.rows[0]; ++d)
    for (int64_t h = 0; h < row.rows[1]; ++h) {
      const float* x = row.x + d * row.row_steps[0] + h * row.row_steps[1] + (t * row.stride - row.pad) * kLanes;
      for (int64_t k = 0; k < row.taps; ++k, x += row.dilation * kLanes) {
#pragma GCC unroll 4
        for (int i = 0; i < kAtOnce; ++i) {
          const Vec value = load(x + i * step);
          sum[i] = kAverage ? add(sum[i], value) : greater(sum[i], value);
        }
      }
    }
#pragma GCC unroll 4
  for (int i = 0; i < kAtOnce; ++i) store(row.y + (t + i) * kLanes, kAverage ? mul(sum[i], splat(row.scale[t + i])) : sum[i]);
}

template <bool kAverage>
void blocked_row(const PoolRow& row) {
  const bool several = row.outputs >= kAtOnce;
  const int64_t reach = several ? (kAtOnce - 1) * row.stride + (row.taps - 1) * row.dilation : 0;
  for (int64_t t = 0; t < row.outputs; ++t) {
    const int64_t begin = t * row.stride - row.pad;
    if (several && t + kAtOnce <= row.outputs && begin >= 0 && begin + reach < row.width) {
      blocked_outputs<kAverage>(row, t);
      t += kAtOnce - 1;
      continue;
    }
    int64_t first = 0, last = row.taps;
    while (first < last && begin + first * row.dilation < 0) ++first;
    while (last > first && begin + (last - 1) * row.dilation >= row.width) --last;
    Vec sum = kAverage ? zero() : splat(-__builtin_inff());
    for (int64_t d = 0; d < row.rows[0]; ++d)
      for (int64_t h = 0; h < row.rows[1]; ++h) {
        const float* x = row.x + d * row.row_steps[0] + h * row.row_steps[1] + begin * kLanes;
        for (int64_t k = first; k < last; ++k) {
          const Vec value = load(x + k * row.dilation * kLanes);
          sum = kAverage ? add(sum, value) : greater(sum, value);
        }
      }
    store(row.y + t * kLanes, kAverage ? mul(sum, splat(row.scale[t])) : sum);
  }
}

template <bool kAverage>
void linear_row(const PoolRow& row) {
  float* y = row.y;
  for (int64_t t = 0; t < row.outputs; ++t) y[t] = kAverage ? 0.0f : -__builtin_inff();
  for (int64_t k = 0; k < row.taps; ++k) {
    const int64_t offset = k * row.dilation - row.pad;
    int64_t first = 0, last = row.outputs;
    while (first < last && first * row.stride + offset < 0) ++first;
    while (last > first && (last - 1) * row.stride + offset >= row.width) --last;
    for (int64_t d = 0; d < row.rows[0]; ++d)
      for (int64_t h = 0; h < row.rows[1]; ++h) {
        const float* x = row.x + d * row.row_steps[0] + h * row.row_steps[1] + offset;
        for (int64_t t = first; t < last; ++t) {
          const float value = x[t * row.stride];
          y[t] = kAverage ? y[t] + value : (y[t] >= value || y[t] != y[t]) ? y[t] : value;
        }
      }
  }
  if (kAverage)
    for (int64_t t = 0; t < row.outputs; ++t) y[t] *= row.scale[t];
}

void blocked(const PoolRow& row) { row.scale ? blocked_row<true>(row) : blocked_row<false>(row); }
void linear(const PoolRow& row) { row.scale ? linear_row<true>(row) : linear_row<false>(row); }

}  // namespace

extern const PoolTable kPool{kLanes, blocked, linear};

}  // namespace tenon::TN_ISA
