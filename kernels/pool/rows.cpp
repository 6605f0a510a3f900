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

// Whether values that were seen, by lanes, are all numbers.
#if defined(__AVX512F__)
class Numbers {
 public:
  void see(Vec a, Vec b) { numbers_ = _mm512_mask_cmp_ps_mask(numbers_, a, b, _CMP_ORD_Q); }
  bool all() const { return numbers_ == 0xffff; }

 private:
  __mmask16 numbers_ = 0xffff;
};
#else
class Numbers {
 public:
  void see(Vec a, Vec b) { others_ = _mm256_or_ps(others_, _mm256_cmp_ps(a, b, _CMP_UNORD_Q)); }
  bool all() const { return _mm256_movemask_ps(others_) == 0; }

 private:
  Vec others_ = zero();
};
#endif

// As blocked_outputs, of maxima over kTaps x kTaps: the rows of a column are reduced once for all outputs that read it. False,
// with nothing stored, if a value is no number: max() may lose those.
template <int kTaps, int kStride>
inline __attribute__((always_inline)) bool column_maxima(const float* x, int64_t row_step, float* y) {
  constexpr int kColumns = (kAtOnce - 1) * kStride + kTaps;
  Vec column[kColumns];
  Numbers numbers[kTaps];
#pragma GCC unroll 3
  for (int h = 0; h < kTaps; ++h, x += row_step) {
    Vec value[kColumns];
#pragma GCC unroll 9
    for (int c = 0; c < kColumns; ++c) value[c] = load(x + c * kLanes);
#pragma GCC unroll 9
    for (int c = 0; c < kColumns; c += 2) numbers[h].see(value[c], value[c + 1 < kColumns ? c + 1 : c]);
#pragma GCC unroll 9
    for (int c = 0; c < kColumns; ++c) column[c] = h == 0 ? value[c] : max(column[c], value[c]);
  }
  bool all = true;
#pragma GCC unroll 3
  for (int h = 0; h < kTaps; ++h) all &= numbers[h].all();
  if (!all) return false;
#pragma GCC unroll 4
  for (int i = 0; i < kAtOnce; ++i) {
    Vec most = column[i * kStride];
#pragma GCC unroll 3
    for (int k = 1; k < kTaps; ++k) most = max(most, column[i * kStride + k]);
    store(y + i * kLanes, most);
  }
  return true;
}

// Outputs first … last - 1, at least kAtOnce of them, whose windows lie inside the row; the last ones may be computed twice.
template <bool kAverage>
void inside_row(const PoolRow& row, int64_t first, int64_t last) {
  for (int64_t t = first; t < last; t += kAtOnce) blocked_outputs<kAverage>(row, t + kAtOnce <= last ? t : last - kAtOnce);
}

// Fetches what the next row of outputs reads first; it need not be there.
template <int kTaps, int kStride>
inline void fetch_next_rows(const float* x, int64_t row_step) {
#pragma GCC unroll 2
  for (int h = kTaps; h < kTaps + kStride; ++h)
#pragma GCC unroll 8
    for (int c = 0; c < kAtOnce * kStride * kLanes; c += 16)  // by cache lines
      _mm_prefetch(reinterpret_cast<const char*>(x + h * row_step + c), _MM_HINT_T0);
}

template <int kTaps, int kStride>
void inside_maxima(const PoolRow& row, int64_t first, int64_t last) {
  const float* const x = row.x - row.pad * kLanes;
  float* const y = row.y;
  const int64_t row_step = row.row_steps[1];
  for (int64_t t = first; t < last; t += kAtOnce) {
    const int64_t at = t + kAtOnce <= last ? t : last - kAtOnce;
    const float* const from = x + at * kStride * kLanes;
    fetch_next_rows<kTaps, kStride>(from, row_step);
    if (!column_maxima<kTaps, kStride>(from, row_step, y + at * kLanes)) blocked_outputs<false>(row, at);
  }
}

using InsideRow = void (*)(const PoolRow& row, int64_t first, int64_t last);

InsideRow inside_row_of(const PoolRow& row) {
  if (row.scale) return inside_row<true>;
  if (row.dilation != 1 || row.rows[0] != 1 || row.rows[1] != row.taps) return inside_row<false>;
  if (row.taps == 3 && row.stride == 2) return inside_maxima<3, 2>;
  if (row.taps == 3 && row.stride == 1) return inside_maxima<3, 1>;
  if (row.taps == 2 && row.stride == 2) return inside_maxima<2, 2>;
  return inside_row<false>;
}

template <bool kAverage>
void blocked_output(const PoolRow& row, int64_t t) {
  const int64_t begin = t * row.stride - row.pad;
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

template <bool kAverage>
void blocked_row(const PoolRow& row) {
  int64_t first = 0, last = row.outputs;  // those inside
  while (first < last && first * row.stride < row.pad) ++first;
  while (last > first && (last - 1) * row.stride - row.pad + (row.taps - 1) * row.dilation >= row.width) --last;
  if (last - first < kAtOnce) last = first;
  for (int64_t t = 0; t < first; ++t) blocked_output<kAverage>(row, t);
  if (first < last) inside_row_of(row)(row, first, last);
  for (int64_t t = last; t < row.outputs; ++t) blocked_output<kAverage>(row, t);
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
