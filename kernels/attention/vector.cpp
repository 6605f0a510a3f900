#include "attention/vector.h"

#include "common/vector_math.h"

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

}  // namespace

extern const AttentionVector kAttentionVector;
const AttentionVector kAttentionVector{needed, weigh, store_rows};

}  // namespace tenon::TN_ISA
