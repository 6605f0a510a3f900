// Sigmoid and tanh of f32 vectors, within 2 units in the last place. The polynomials of exp and of tanh near
// 0 are those of S. Moshier's Cephes library (expf.c, tanhf.c).
#pragma once

#include "gemm/vector.h"

namespace tenon::TN_ISA {

static inline Vec divide(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_div_ps(a, b);
#else
  return _mm256_div_ps(a, b);
#endif
}

static inline Vec round_nearest(Vec x) {
#if defined(__AVX512F__)
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#endif
}

// x * 2^n for whole n; |n| <= 126.
static inline Vec scale(Vec x, Vec n) {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(x, n);
#else
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
#endif
}

static inline Vec magnitude(Vec x) {
#if defined(__AVX512F__)
  return _mm512_abs_ps(x);
#else
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
#endif
}

// `value` (not negative) with the sign of `x`.
static inline Vec with_sign_of(Vec x, Vec value) {
#if defined(__AVX512F__)
  return _mm512_or_ps(value, _mm512_and_ps(x, _mm512_set1_ps(-0.0f)));
#else
  return _mm256_or_ps(value, _mm256_and_ps(x, _mm256_set1_ps(-0.0f)));
#endif
}

// a < b ? yes : no, lane by lane; `no` where a or b is NaN.
static inline Vec choose_less(Vec a, Vec b, Vec yes, Vec no) {
#if defined(__AVX512F__)
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
#else
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
#endif
}

// Bounded at exp(±87.3); NaN stays NaN.
static inline Vec exponential(Vec x) {
  x = min(splat(87.3f), max(splat(-87.3f), x));
  const Vec n = round_nearest(mul(x, splat(1.44269504088896341f)));
  Vec r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  Vec p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  return scale(add(fma(p, mul(r, r), r), splat(1.0f)), n);
}

static inline Vec sigmoid(Vec x) {
  return divide(splat(1.0f), add(splat(1.0f), exponential(mul(x, splat(-1.0f)))));
}

static inline Vec tangent(Vec x) {
  const Vec a = magnitude(x), s = mul(x, x);
  Vec p = splat(-5.70498872745e-3f);
  p = fma(p, s, splat(2.06390887954e-2f));
  p = fma(p, s, splat(-5.37397155531e-2f));
  p = fma(p, s, splat(1.33314422036e-1f));
  p = fma(p, s, splat(-3.33332819422e-1f));
  const Vec near = fma(mul(p, s), x, x);
  const Vec far =
      fma(splat(-2.0f), divide(splat(1.0f), add(exponential(add(a, a)), splat(1.0f))), splat(1.0f));
  return choose_less(a, splat(0.625f), near, with_sign_of(x, far));
}

}  // namespace tenon::TN_ISA
