#include "gemm/pack.h"

#include "gemm/transpose.h"
#include "gemm/vector.h"

namespace tenon::TN_ISA {

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
            int64_t block_step) {
  for (int64_t at = 0; at < k; at += kLanes, dst += block_step) {
    const int64_t depth = k - at < kLanes ? k - at : kLanes;
    const float* from = src + at * k_step;
    if (k_step == 1 && depth == kLanes) {
      for (int64_t m = 0; m < rows; ++m) store(dst + m * kLanes, load(from + m * row_step));
      continue;
    }
    int64_t m = 0;
    if (row_step == 1 && depth == kLanes)
      for (; m + kLanes <= rows; m += kLanes) transpose(from + m, k_step, dst + m * kLanes, kLanes);
    for (; m < rows; ++m)
      for (int64_t i = 0; i < depth; ++i) dst[m * kLanes + i] = from[m * row_step + i * k_step];
  }
}

void pack_b(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst,
            int64_t width) {
  for (int64_t n = 0; n < width; n += kLanes, dst += kLanes) {
    const int64_t some = columns - n < 0 ? 0 : columns - n < kLanes ? columns - n : kLanes;
    const float* from = src + n * column_step;
    if (column_step == 1) {
      const Mask mask = first_lanes(some);
      if (some == kLanes)
        for (int64_t i = 0; i < k; ++i) store(dst + i * width, load(from + i * k_step));
      else
        for (int64_t i = 0; i < k; ++i) store(dst + i * width, load_masked(from + i * k_step, mask));
      continue;
    }
    int64_t i = 0;
    if (k_step == 1 && some == kLanes)
      for (; i + kLanes <= k; i += kLanes) transpose(from + i, column_step, dst + i * width, width);
    for (; i < k; ++i) {
      for (int64_t j = 0; j < some; ++j) dst[i * width + j] = from[i * k_step + j * column_step];
      for (int64_t j = some; j < kLanes; ++j) dst[i * width + j] = 0.0f;
    }
  }
}

// The even elements of two vectors that follow each other.
static inline Vec evens(Vec low, Vec high) {
#if defined(__AVX512F__)
  return _mm512_permutex2var_ps(low, _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0), high);
#else
  const __m256 mixed = _mm256_shuffle_ps(low, high, 0x88);  // of each 128 bits: two of low, two of high
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
#endif
}

void every_second(const float* src, int64_t count, float* dst) {
  int64_t i = 0;
  for (; i + kLanes < count; i += kLanes) store(dst + i, evens(load(src + 2 * i), load(src + 2 * i + kLanes)));
  if (i == count) return;
  const int64_t rest = 2 * (count - i) - 1, low = rest < kLanes ? rest : kLanes;
  const Vec first = load_masked(src + 2 * i, first_lanes(low));
  const Vec second = rest > kLanes ? load_masked(src + 2 * i + kLanes, first_lanes(rest - kLanes)) : zero();
  store_masked(dst + i, first_lanes(count - i), evens(first, second));
}

}  // namespace tenon::TN_ISA
