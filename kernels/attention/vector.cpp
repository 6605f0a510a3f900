#include "attention/vector.h"

#include "common/vector_math.h"
#include "gemm/transpose.h"

namespace tenon::TN_ISA {
namespace {

inline Vec lowest() { return splat(-__builtin_inff()); }
// Lanes from n on are -inf.
inline Vec low_from(Vec x, int64_t n) {
  const Mask some = first_lanes(n > 0 ? n : 0);
  return bit_or(keep(x, some), and_not(keep(from_bits(ints(-1)), some), lowest()));
}

// One past the last vector of the row's mask that leaves any weight; 0: none does.
int64_t needed_of_row(const AttentionScores& s, int64_t r) {
  const float* mask = s.mask + r * s.mask_row;
  for (int64_t end = (s.keys + kLanes - 1) / kLanes * kLanes; end > 0; end -= kLanes) {
    const int64_t at = end - kLanes, some = s.keys - at;
    const Vec x = some >= kLanes ? load(mask + at) : low_from(load_some(mask + at, some), some);
    if (!all(le(x, splat(kAttentionNone)))) return end < s.keys ? end : s.keys;  // NaN counts as a weight
  }
  return 0;
}

int64_t needed(const AttentionScores& s) {
  int64_t most = 0;
  for (int64_t r = 0; r < s.rows && most < s.keys; ++r) {
    const int64_t own = needed_of_row(s, r);
    if (own == 0) return s.keys;
    most = own > most ? own : most;
  }
  return most;
}

template <bool kMasked>
void weigh_row(const AttentionScores& s, int64_t r) {
  const int64_t seen = s.visible + r < s.keys ? s.visible + r : s.keys, step = s.rows * kLanes;
  const Vec scale = splat(s.scale);
  const float* mask = s.mask + r * s.mask_row;
  float* at = s.scores + r * kLanes;
  Vec high = lowest();
  for (int64_t j = 0; j < s.keys; j += kLanes, at += step) {
    Vec x = load(at);
    if (!kMasked)
      x = mul(x, scale);
    else if (s.mask_col == 0)
      x = fma(x, scale, splat(mask[0]));
    else
      x = fma(x, scale, s.keys - j >= kLanes ? load(mask + j) : load_some(mask + j, s.keys - j));
    if (j + kLanes > seen) x = low_from(x, seen - j);
    high = max(high, x);
    store(at, x);
  }
  const Vec shift = splat(max_lanes(high));
  Vec sum = zero();
  at = s.scores + r * kLanes;
  for (int64_t j = 0; j < s.keys; j += kLanes, at += step) {
    const Vec e = exp_normal(sub(load(at), shift));
    sum = add(sum, e);
    store(at, e);
  }
  s.sums[r] = sum_lanes(sum);
}

void weigh(const AttentionScores& s) {
  for (int64_t r = 0; r < s.rows; ++r) s.mask ? weigh_row<true>(s, r) : weigh_row<false>(s, r);
}

void store_rows(const AttentionOutput& o) {
  for (int64_t r = 0; r < o.rows; ++r) {
    const bool none = o.zero_masked && !(o.sums[r] > 0);
    const float by = 1.0f / o.sums[r];
    const float* from = o.values + r * o.width;
    float* to = o.out + r * o.row;
    if (o.col != 1) {
      for (int64_t d = 0; d < o.size; ++d) to[d * o.col] = none ? 0.0f : from[d] * by;
      continue;
    }
    const Vec factor = splat(by);
    for (int64_t d = 0; d < o.size; d += kLanes) {
      const Vec x = none ? zero() : mul(load(from + d), factor);
      if (o.size - d >= kLanes)
        tenon::TN_ISA::store(to + d, x);
      else
        store_some(to + d, o.size - d, x);
    }
  }
}

constexpr int64_t kAhead = 16;  // rows of a matrix that are fetched before they are read

// kVectors of the result, those columns from j on; even and odd elements of the row are summed apart.
template <int kVectors>
inline void some_by_rows(const AttentionLine& l, int64_t j) {
  Vec even[kVectors], odd[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) even[v] = odd[v] = zero();
  const int64_t last = l.columns - j - (kVectors - 1) * kLanes;
  const Mask mask = first_lanes(last < kLanes ? last : kLanes);
  auto add_row = [&](int64_t i, Vec (&sum)[kVectors]) __attribute__((always_inline)) {
    const Vec left = broadcast(l.a + i / kLanes * l.a_step + i % kLanes);
    const float* row = l.b + i * l.b_step + j;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm_prefetch(reinterpret_cast<const char*>(row + kAhead * l.b_step + v * kLanes), _MM_HINT_T0);
      sum[v] = fma(left, v + 1 < kVectors ? load(row + v * kLanes) : load_masked(row + v * kLanes, mask), sum[v]);
    }
  };
  int64_t i = 0;
  for (; i + 2 <= l.depth; i += 2) {
    add_row(i, even);
    add_row(i + 1, odd);
  }
  if (i < l.depth) add_row(i, even);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) tenon::TN_ISA::store(l.c + (j / kLanes + v) * l.c_step, add(even[v], odd[v]));
}

void by_rows(const AttentionLine& l) {
  int64_t j = 0;
  for (; j + 3 * kLanes < l.columns; j += 4 * kLanes) some_by_rows<4>(l, j);
  for (; j < l.columns; j += kLanes) some_by_rows<1>(l, j);
}

// Lane i: the sum of x[i]'s lanes.
#if defined(__AVX512F__)
inline Vec sum_each(const Vec (&x)[kLanes]) {
  Vec two[8], four[4], eight[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) two[i] = add(_mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]), _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) four[i] = add(low_pairs(two[2 * i], two[2 * i + 1]), high_pairs(two[2 * i], two[2 * i + 1]));
  auto lanes = [](Vec a, Vec b) { return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd)); };
  eight[0] = lanes(four[0], four[1]);
  eight[1] = lanes(four[2], four[3]);
  return lanes(eight[0], eight[1]);
}
#else
inline Vec sum_each(const Vec (&x)[kLanes]) {
  const Vec low = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3])),
            high = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
  return add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
#endif

void by_columns(const AttentionLine& l) {
  for (int64_t j = 0; j < l.columns; j += kLanes) {
    Vec sum[kLanes];
#pragma GCC unroll 16
    for (int n = 0; n < kLanes; ++n) sum[n] = zero();
    const float* columns[kLanes];
    for (int n = 0; n < kLanes; ++n) columns[n] = l.b + (j + n < l.columns ? j + n : j) * l.b_step;
    int64_t i = 0;
    for (; i + kLanes <= l.depth; i += kLanes) {
      const Vec left = load(l.a + i / kLanes * l.a_step);
#pragma GCC unroll 16
      for (int n = 0; n < kLanes; ++n) {
        _mm_prefetch(reinterpret_cast<const char*>(columns[n] + i + kAhead * l.b_step), _MM_HINT_T0);
        sum[n] = fma(left, load(columns[n] + i), sum[n]);
      }
    }
    if (i < l.depth) {
      const Mask mask = first_lanes(l.depth - i);
      const Vec left = load_masked(l.a + i / kLanes * l.a_step, mask);
#pragma GCC unroll 16
      for (int n = 0; n < kLanes; ++n) sum[n] = fma(left, load_masked(columns[n] + i, mask), sum[n]);
    }
    tenon::TN_ISA::store(l.c + j / kLanes * l.c_step, sum_each(sum));
  }
}

}  // namespace

extern const AttentionVector kAttentionVector;
const AttentionVector kAttentionVector{needed, weigh, store_rows, by_rows, by_columns};

}  // namespace tenon::TN_ISA
