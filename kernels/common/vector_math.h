// Arithmetic and elementary functions on vectors of f32, for kernels that are compiled once per instruction set.
//
// Errors are within 2 units in the last place of float32 of the exact value, subnormal results included, unless said
// otherwise. Polynomials are least-maximum fits of relative error made for this file; the reductions are the usual
// ones (Cody and Waite, "Software Manual for the Elementary Functions", 1980).
#pragma once

#include "gemm/vector.h"

namespace tenon::TN_ISA {

#if defined(__AVX512F__)

using Ints = __m512i;
using Test = __mmask16;  // one truth value per lane

static inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
static inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
static inline Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
static inline Vec floor(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline Vec ceil(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
static inline Vec round(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Ints bits(Vec a) { return _mm512_castps_si512(a); }
static inline Vec from_bits(Ints a) { return _mm512_castsi512_ps(a); }
static inline Ints ints(int a) { return _mm512_set1_epi32(a); }
static inline Vec to_float(Ints a) { return _mm512_cvtepi32_ps(a); }
static inline Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
static inline Ints sub_ints(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
static inline Ints shift_left(Ints a, int n) { return _mm512_slli_epi32(a, static_cast<unsigned>(n)); }
static inline Ints shift_right(Ints a, int n) { return _mm512_srai_epi32(a, static_cast<unsigned>(n)); }
static inline Vec bit_and(Vec a, Vec b) { return _mm512_and_ps(a, b); }
static inline Vec bit_or(Vec a, Vec b) { return _mm512_or_ps(a, b); }
static inline Vec bit_xor(Vec a, Vec b) { return _mm512_xor_ps(a, b); }
static inline Vec and_not(Vec a, Vec b) { return _mm512_andnot_ps(a, b); }  // ~a & b
static inline Test lt(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline Test le(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline Test eq(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline Test ne(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
static inline Vec select(Test test, Vec yes, Vec no) { return _mm512_mask_blend_ps(test, no, yes); }
// All bits of a lane set, or none.
static inline Vec lanes_of(Test test) { return from_bits(_mm512_movm_epi32(test)); }
static inline Test test_of(Vec lanes) { return _mm512_movepi32_mask(bits(lanes)); }
static inline bool all(Test test) { return test == 0xffff; }
// a * 2^n for integers n, also where the result is subnormal or overflows.
static inline Vec scale(Vec a, Vec n) { return _mm512_scalef_ps(a, n); }

static inline float sum_lanes(Vec a) { return _mm512_reduce_add_ps(a); }
static inline float max_lanes(Vec a) { return _mm512_reduce_max_ps(a); }
static inline float min_lanes(Vec a) { return _mm512_reduce_min_ps(a); }

static inline Vec load_half(const uint16_t* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
static inline void store_half(uint16_t* p, int64_t n, Vec a) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline Vec round_half(Vec a) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#else

using Ints = __m256i;
using Test = __m256;  // all bits of a lane set, or none

static inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
static inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
static inline Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
static inline Vec floor(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline Vec ceil(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
static inline Vec round(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Ints bits(Vec a) { return _mm256_castps_si256(a); }
static inline Vec from_bits(Ints a) { return _mm256_castsi256_ps(a); }
static inline Ints ints(int a) { return _mm256_set1_epi32(a); }
static inline Vec to_float(Ints a) { return _mm256_cvtepi32_ps(a); }
static inline Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
static inline Ints sub_ints(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
static inline Ints shift_left(Ints a, int n) { return _mm256_slli_epi32(a, n); }
static inline Ints shift_right(Ints a, int n) { return _mm256_srai_epi32(a, n); }
static inline Vec bit_and(Vec a, Vec b) { return _mm256_and_ps(a, b); }
static inline Vec bit_or(Vec a, Vec b) { return _mm256_or_ps(a, b); }
static inline Vec bit_xor(Vec a, Vec b) { return _mm256_xor_ps(a, b); }
static inline Vec and_not(Vec a, Vec b) { return _mm256_andnot_ps(a, b); }
static inline Test lt(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline Test le(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
static inline Test eq(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline Test ne(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
static inline Vec select(Test test, Vec yes, Vec no) { return _mm256_blendv_ps(no, yes, test); }
static inline Vec lanes_of(Test test) { return test; }
static inline Test test_of(Vec lanes) { return lanes; }
static inline bool all(Test test) { return _mm256_movemask_ps(test) == 0xff; }
static inline Vec scale(Vec a, Vec n) {  // in two steps, each a normal power of two
  Ints whole = _mm256_cvtps_epi32(n), half = shift_right(whole, 1);
  Vec first = from_bits(shift_left(add_ints(half, ints(127)), 23));
  Vec second = from_bits(shift_left(add_ints(sub_ints(whole, half), ints(127)), 23));
  return mul(mul(a, first), second);
}

static inline float sum_lanes(Vec a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float max_lanes(Vec a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static inline float min_lanes(Vec a) {
  __m128 s = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_min_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}

static inline Vec load_half(const uint16_t* p, int64_t n) {
  alignas(16) uint16_t part[8] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = p[i];
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(part)));
}
static inline void store_half(uint16_t* p, int64_t n, Vec a) {
  alignas(16) uint16_t part[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(part), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  for (int64_t i = 0; i < n; ++i) p[i] = part[i];
}
static inline Vec round_half(Vec a) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif

static inline Vec sign_bit() { return splat(-0.0f); }
static inline Vec abs(Vec a) { return and_not(sign_bit(), a); }
static inline Vec negate(Vec a) { return bit_xor(a, sign_bit()); }
static inline Vec with_sign(Vec magnitude, Vec sign) { return bit_or(magnitude, bit_and(sign_bit(), sign)); }
static inline Test is_nan(Vec a) { return ne(a, a); }
// NaN if either is: max() yields its second operand then.
static inline Vec max_nan(Vec a, Vec b) { return select(is_nan(a), a, max(a, b)); }
static inline Vec min_nan(Vec a, Vec b) { return select(is_nan(a), a, min(a, b)); }
static inline Vec load_some(const float* p, int64_t n) { return load_masked(p, first_lanes(n)); }
static inline void store_some(float* p, int64_t n, Vec a) { store_masked(p, first_lanes(n), a); }

// bfloat16 is the upper half of a float, rounded to nearest, ties to even; the lanes keep float's form.
static inline Vec round_bfloat(Vec a) {
  Ints odd = bits(bit_and(from_bits(shift_right(bits(a), 16)), from_bits(ints(1))));
  Vec rounded = from_bits(add_ints(bits(a), add_ints(odd, ints(0x7fff))));
  rounded = bit_and(rounded, from_bits(ints(static_cast<int>(0xffff0000))));
  return select(is_nan(a), bit_or(bit_and(a, from_bits(ints(static_cast<int>(0xffff0000)))), from_bits(ints(0x400000))),
                rounded);
}

// exp(a) for -103 < a < 88.7, where neither end needs care.
static inline Vec exp_reduced(Vec a, Vec& power) {
  power = round(mul(a, splat(1.44269504f)));
  Vec r = fnma(power, splat(0.693359375f), a);       // log(2) in two parts: the first product is exact
  r = fnma(power, splat(-2.12194440e-4f), r);
  Vec q = splat(1.381314439e-03f);
  q = fma(q, r, splat(8.369418847e-03f));
  q = fma(q, r, splat(4.166845679e-02f));
  q = fma(q, r, splat(1.666651479e-01f));
  q = fma(q, r, splat(4.999999305e-01f));
  return add(fma(mul(r, r), q, r), splat(1.0f));
}

// 0 below `low`: an underflow there would cost the processor hundreds of cycles.
static inline Vec exp_above(float low, Vec a) {
  const Test none = lt(a, splat(low));
  Vec power, mantissa = exp_reduced(select(none, zero(), min(splat(89.0f), a)), power);
  return select(none, zero(), scale(mantissa, power));
}
static inline Vec exp(Vec a) { return exp_above(-104.0f, a); }
// As exp, but 0 where the result would be subnormal.
static inline Vec exp_normal(Vec a) { return exp_above(-87.0f, a); }

static inline Vec log(Vec a) {
  Test subnormal = lt(a, splat(1.17549435e-38f));
  Vec x = select(subnormal, mul(a, splat(8388608.0f)), a);
  // x = 2^e * m, m in [sqrt(1/2), sqrt(2))
  Ints e = shift_right(sub_ints(bits(x), ints(0x3f3504f3)), 23);
  Vec m = from_bits(sub_ints(bits(x), shift_left(e, 23)));
  Vec power = sub(to_float(e), select(subnormal, splat(23.0f), zero()));
  Vec f = sub(m, splat(1.0f));
  Vec p = splat(-7.634493016e-02f);
  p = fma(p, f, splat(1.276157564e-01f));
  p = fma(p, f, splat(-1.316018306e-01f));
  p = fma(p, f, splat(1.420175823e-01f));
  p = fma(p, f, splat(-1.662335730e-01f));
  p = fma(p, f, splat(2.000122687e-01f));
  p = fma(p, f, splat(-2.500082104e-01f));
  p = fma(p, f, splat(3.333333171e-01f));
  Vec square = mul(f, f);
  Vec tail = fma(power, splat(-2.12194440e-4f), fma(mul(square, f), p, mul(square, splat(-0.5f))));
  Vec y = fma(power, splat(0.693359375f), add(f, tail));
  const Vec infinity = splat(__builtin_inff());
  y = select(eq(a, infinity), infinity, y);
  y = select(eq(a, zero()), negate(infinity), y);
  return select(le(zero(), a), y, splat(__builtin_nanf("")));
}

static inline Vec tanh(Vec a) {
  Vec t = abs(a), s = mul(a, a);
  Vec p = splat(-5.704986326e-03f);
  p = fma(p, s, splat(2.063908657e-02f));
  p = fma(p, s, splat(-5.373971485e-02f));
  p = fma(p, s, splat(1.333144219e-01f));
  p = fma(p, s, splat(-3.333328194e-01f));
  Vec small = fma(mul(a, s), p, a);
  Vec power, e = exp_reduced(min(splat(20.0f), add(t, t)), power);
  Vec large = sub(splat(1.0f), div(splat(2.0f), add(scale(e, power), splat(1.0f))));
  return select(lt(t, splat(0.625f)), small, with_sign(large, a));
}

// Within 2.5 units in the last place.
static inline Vec sigmoid(Vec a) {
  Vec e = exp(negate(abs(a)));
  return div(select(lt(a, zero()), e, splat(1.0f)), add(splat(1.0f), e));
}

// a * sigmoid(b), within 2.5 units in the last place where b is above -88, 0 where it is below -89.
static inline Vec times_sigmoid(Vec a, Vec b) {
  const Vec t = max(splat(-100.0f), min(splat(87.0f), b));  // exp(100) is infinite
  const Vec power = round(mul(t, splat(-1.44269504f)));
  Vec s = fma(power, splat(0.693359375f), t);  // exp(-t) = 2^power * exp(-s)
  s = fma(power, splat(-2.12194440e-4f), s);
  Vec q = splat(1.381314439e-03f);
  q = fma(q, s, splat(-8.369418847e-03f));
  q = fma(q, s, splat(4.166845679e-02f));
  q = fma(q, s, splat(-1.666651479e-01f));
  q = fma(q, s, splat(4.999999305e-01f));
  const Vec mantissa = fnma(s, fnma(s, q, splat(1.0f)), splat(1.0f));
  return div(a, add(splat(1.0f), scale(mantissa, power)));
}
static inline Vec silu(Vec a) { return times_sigmoid(a, a); }

static inline Vec erf(Vec a) {
  Vec t = min(splat(4.0f), abs(a)), s = mul(a, a);
  Vec small = splat(-5.953741614e-04f);  // erf(a) / a - 1
  small = fma(small, s, splat(4.985940584e-03f));
  small = fma(small, s, splat(-2.676171986e-02f));
  small = fma(small, s, splat(1.128168254e-01f));
  small = fma(small, s, splat(-3.761248110e-01f));
  small = fma(small, s, splat(1.283791477e-01f));
  small = fma(small, a, a);
  Vec large = splat(2.136450928e-04f);   // log(1 - erf(t)) / t + 1
  large = fma(large, t, splat(-3.212145384e-03f));
  large = fma(large, t, splat(2.288092044e-02f));
  large = fma(large, t, splat(-1.052476793e-01f));
  large = fma(large, t, splat(-6.357291166e-01f));
  large = fma(large, t, splat(-1.285111498e-01f));
  Vec power, e = exp_reduced(fma(large, t, negate(t)), power);
  large = sub(splat(1.0f), scale(e, power));
  return select(lt(abs(a), splat(0.93f)), small, with_sign(large, a));
}

static inline Vec softplus(Vec a) {
  Vec e = exp(negate(abs(a))), u = add(splat(1.0f), e);
  // log(1 + e): what the rounding of u lost comes back as its quotient.
  Vec logarithm = add(log(u), div(sub(e, sub(u, splat(1.0f))), u));
  return select(is_nan(a), a, add(max(a, zero()), logarithm));
}

}  // namespace tenon::TN_ISA
