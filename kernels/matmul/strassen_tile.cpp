#include "matmul/strassen_tile.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

#if defined(__AVX512F__)
using Bits = __m512i;
inline Bits magnitude(Vec x) { return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)); }
inline Bits larger(Bits a, Bits b) { return _mm512_max_epi32(a, b); }
inline Bits load_bits(const float* p) { return _mm512_loadu_si512(p); }
inline void store_bits(float* p, Bits x) { _mm512_storeu_si512(p, x); }
#else
using Bits = __m256i;
inline Bits magnitude(Vec x) { return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff)); }
inline Bits larger(Bits a, Bits b) { return _mm256_max_epi32(a, b); }
inline Bits load_bits(const float* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_bits(float* p, Bits x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
#endif

// Magnitudes are compared as integers: they are ordered as floats are, and NaN lie above infinity.
void combine_some(const StrassenRows& s) {
  for (int64_t r = s.first; r < s.last; ++r) {
    store(s.largest + r * kLanes, zero());
    store(s.largest + (s.rows + r) * kLanes, zero());
  }
  for (int64_t k = 0; k < s.depth / kLanes; ++k) {
    const float *p11 = s.from[0] + k * s.vector, *p12 = s.from[1] + k * s.vector, *p21 = s.from[2] + k * s.vector,
                *p22 = s.from[3] + k * s.vector;
    float *to = s.to + (k * s.rows + s.first) * kLanes, *upper = s.largest + s.first * kLanes, *lower = upper + s.rows * kLanes;
    for (int64_t r = s.first; r < s.last; ++r, to += kLanes, upper += kLanes, lower += kLanes) {
      const bool two = r < s.lower_rows;
      _mm_prefetch(reinterpret_cast<const char*>(p11 + r * s.row + s.vector), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(p12 + r * s.row + s.vector), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(p21 + r * s.row + s.vector), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(p22 + r * s.row + s.vector), _MM_HINT_T0);
      const Vec a11 = load(p11 + r * s.row), a12 = load(p12 + r * s.row), a21 = two ? load(p21 + r * s.row) : zero(),
                a22 = two ? load(p22 + r * s.row) : zero();
      store_bits(upper, larger(load_bits(upper), larger(magnitude(a11), magnitude(a12))));
      store_bits(lower, larger(load_bits(lower), larger(magnitude(a21), magnitude(a22))));
      store(to, add(a11, a22));
      store(to + s.step, add(a21, a22));
      store(to + 2 * s.step, a11);
      store(to + 3 * s.step, a22);
      store(to + 4 * s.step, add(a11, a12));
      store(to + 5 * s.step, sub(a21, a11));
      store(to + 6 * s.step, sub(a12, a22));
    }
  }
}

// A few rows at a time, along k: rows of most tensors lie a multiple of some KiB apart, in few sets of the first-level cache.
void combine_a(const StrassenRows& s) {
  constexpr int64_t kRows = 8;
  StrassenRows some = s;
  for (some.first = s.first; some.first < s.last; some.first = some.last) {
    some.last = some.first + kRows < s.last ? some.first + kRows : s.last;
    combine_some(some);
  }
}

void combine_rows(const StrassenRows& s) {
  for (int64_t k = 0; k < s.depth / kLanes; ++k)
    for (int64_t r = s.first; r < s.last; ++r) {
      const bool two = r < s.lower_rows;
      const int64_t at = k * s.vector + r * s.row;
      const Vec a11 = load(s.from[0] + at), a12 = load(s.from[1] + at), a21 = two ? load(s.from[2] + at) : zero(),
                a22 = two ? load(s.from[3] + at) : zero();
      float* to = s.to + (k * s.rows + r) * kLanes;
      store(to, add(a11, a12));
      store(to + s.step, add(a21, a22));
      store(to + 2 * s.step, a11);
      store(to + 3 * s.step, a22);
      store(to + 5 * s.step, a12);
      store(to + 6 * s.step, a21);
    }
}

void combine_b(const float* const quadrants[4], float* to, int64_t step, int64_t width) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const Vec b11 = load(quadrants[0] + i), b12 = load(quadrants[1] + i), b21 = load(quadrants[2] + i), b22 = load(quadrants[3] + i);
    float* at = to + i;
    store(at, add(b11, b22));
    store(at + step, b11);
    store(at + 2 * step, sub(b12, b22));
    store(at + 3 * step, sub(b21, b11));
    store(at + 4 * step, b22);
    store(at + 5 * step, add(b11, b12));
    store(at + 6 * step, add(b21, b22));
  }
}

// Finishes and stores a vector of a quadrant, its columns from i on, `some` of its lanes.
inline void finish(const StrassenSums& s, int quadrant, int64_t r, int64_t i, int64_t some, Vec c) {
  const Mask mask = first_lanes(some < kLanes ? some : kLanes);
  const int64_t v = i / kLanes;
  auto get = [&](const float* p) { return some >= kLanes ? load(p) : load_masked(p, mask); };
  if (s.from[quadrant]) c = add(c, get(s.from[quadrant] + r * s.from_row + v * s.from_vector));
  if (s.bias[quadrant % 2]) c = add(c, get(s.bias[quadrant % 2] + i));
  if (s.add[quadrant]) c = add(c, get(s.add[quadrant] + r * s.add_row + v * s.add_vector));
  if (s.bounded) c = min(splat(s.high), max(splat(s.low), c));
  float* to = s.to[quadrant] + r * s.row + v * s.vector;
  if (some < kLanes && s.fill) store(to, zero());
  if (some >= kLanes)
    store(to, c);
  else
    store_masked(to, mask, c);
}

template <bool kApart>
void sum_rows(const StrassenSums& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    const bool lower = r < s.lower_rows;
    for (int64_t i = 0; i < s.columns; i += kLanes) {
      const float* at = s.products + r * s.columns + i;
      Vec c11, c12, c21, c22;
      if (kApart) {
        c11 = load(at), c12 = load(at + 2 * s.step), c21 = load(at + s.step), c22 = load(at + 3 * s.step);
      } else {
        const Vec m1 = load(at), m2 = load(at + s.step), m3 = load(at + 2 * s.step), m4 = load(at + 3 * s.step),
                  m5 = load(at + 4 * s.step), m6 = load(at + 5 * s.step), m7 = load(at + 6 * s.step);
        c11 = add(add(m1, m4), sub(m7, m5)), c12 = add(m3, m5), c21 = add(m2, m4), c22 = add(sub(m1, m2), add(m3, m6));
      }
      const int64_t some = s.right_columns - i;
      finish(s, 0, r, i, kLanes, c11);
      if (some > 0) finish(s, 1, r, i, some, c12);
      if (lower) finish(s, 2, r, i, kLanes, c21);
      if (lower && some > 0) finish(s, 3, r, i, some, c22);
    }
  }
}

void sum(const StrassenSums& s, bool apart) { apart ? sum_rows<true>(s) : sum_rows<false>(s); }

}  // namespace

extern const StrassenTable kStrassen;
const StrassenTable kStrassen{combine_a, combine_rows, combine_b, sum};

}  // namespace tenon::TN_ISA
