// Vectors of f32 for kernels that are compiled once per instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tenon::TN_ISA {

#if defined(__AVX512F__)

inline constexpr int kLanes = 16;
using Vec = __m512;
using Mask = __mmask16;

static inline Vec zero() { return _mm512_setzero_ps(); }
static inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
static inline Vec broadcast(const float* p) { return _mm512_set1_ps(*p); }
static inline Vec splat(float x) { return _mm512_set1_ps(x); }
static inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
static inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
static inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
static inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
// The second operand if either is NaN.
static inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
static inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
// The first `n` lanes, 0 <= n <= kLanes.
static inline Mask first_lanes(int64_t n) { return static_cast<Mask>((1u << n) - 1); }
// Lanes outside the mask are zero and not read.
static inline Vec load_masked(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
static inline void store_masked(float* p, Mask m, Vec x) { _mm512_mask_storeu_ps(p, m, x); }
static inline Vec keep(Vec x, Mask m) { return _mm512_maskz_mov_ps(m, x); }

#if defined(__AVX512BF16__)

// Pairs of bf16 in the 32 bits of a lane: (low[i], high[i]), rounded to the nearest; subnormal numbers become zero.
static inline Vec pairs(Vec low, Vec high) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
                                         19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, both));
}
// The same of neighbours: lanes 2i and 2i + 1 of `first`, then of `second`.
static inline Vec neighbours(Vec first, Vec second) {
  return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(second, first));
}

#endif

#else

inline constexpr int kLanes = 8;
using Vec = __m256;
using Mask = __m256i;

static inline Vec zero() { return _mm256_setzero_ps(); }
static inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
static inline Vec broadcast(const float* p) { return _mm256_broadcast_ss(p); }
static inline Vec splat(float x) { return _mm256_set1_ps(x); }
static inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
static inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
static inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
static inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
static inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
static inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
static inline Mask first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline Vec load_masked(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
static inline void store_masked(float* p, Mask m, Vec x) { _mm256_maskstore_ps(p, m, x); }
static inline Vec keep(Vec x, Mask m) { return _mm256_and_ps(x, _mm256_castsi256_ps(m)); }

#endif

// A product of one 32-bit element of each operand, added to the sum: f32, or both products of two pairs of bf16.
#if defined(__AVX512BF16__)
static inline Vec accumulate(Vec a, Vec b, Vec sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
#else
static inline Vec accumulate(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }
#endif

}  // namespace tenon::TN_ISA
