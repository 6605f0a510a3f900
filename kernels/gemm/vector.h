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

}  // namespace tenon::TN_ISA
