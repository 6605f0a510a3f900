// What the packed f32 product shares with those who plan for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/checked.h"
#include "gemm/split.h"

namespace tenon {

// Rows of a, `depth` elements of 32 bits each, that are packed at a time: three quarters of a second-level cache of `cache` bytes, the
// rest is for a panel of b. At least 1.
inline int64_t packed_rows_at_once(int64_t depth, int64_t cache) {
  return std::max<int64_t>(cache * 3 / 4 / (std::max<int64_t>(depth, 1) * 4), 1);
}
inline constexpr int64_t kPackedDepth = 1024;  // elements of k that are summed at a time, where sums can wait in the output

inline constexpr int64_t kStrassenDepth = 768;
inline constexpr int64_t kLeastStrassen = 96;  // k and n: where a product is smaller, seven halves take as long as eight
inline constexpr int64_t kFewStrassenRows = 24;  // of a block that is multiplied directly, by four of b's seven parts

// Bytes of a packed [k, n] matrix: panels of `width` columns one after the other, each [k / group][width] elements of 32
// bits: f32, or of a group of 2 pairs of bf16; the last panel is as wide as the vectors of `lanes` that its columns fill,
// absent columns zero.
inline std::optional<int64_t> packed_b_bytes(int64_t k, int64_t n, int64_t lanes, int64_t group = 1) {
  if (k < 0 || n < 0) return std::nullopt;
  auto columns = checked_mul(ceil_div(n, lanes), lanes);
  auto count = columns ? checked_mul(*columns, ceil_div(k, group)) : std::nullopt;
  return count ? checked_mul(*count, 4) : std::nullopt;
}

// Strassen's product halves n between vectors: columns of the left half, the right one has the rest.
inline int64_t strassen_half(int64_t n, int64_t lanes) { return round_up(ceil_div(n, 2), lanes); }

// Strassen's products of a [k, n] matrix whose halves of k are whole vectors: for each slab of strassen_slabs(k) and each panel
// of half of n's columns seven matrices [slab / 2][width] one after the other, each as above. Nothing for other matrices.
inline std::optional<int64_t> strassen_b_bytes(int64_t k, int64_t n, int64_t lanes) {
  if (k < 1 || k % (2 * lanes) != 0 || n < 2 * lanes || n > INT64_MAX / 2) return std::nullopt;
  auto count = packed_b_bytes(k / 2, strassen_half(n, lanes), lanes);
  return count ? checked_mul(*count, 7) : std::nullopt;
}

// Parts of k, in units of 2 * lanes, that are multiplied one after the other: so many rows of a that b is not read too often have
// sums of about the second-level cache's size.
inline Split strassen_slabs(int64_t k, int64_t lanes) { return {k / (2 * lanes), kStrassenDepth / (2 * lanes)}; }
// Rows of a whose seven sums are made at a time.
inline int64_t strassen_rows_at_once(int64_t k, int64_t lanes, int64_t cache) {
  constexpr int64_t kMost = 256;
  return std::min(2 * (cache * 9 / 8 / (7 * strassen_slabs(k, lanes).size(0) * lanes * 4)), kMost);
}

}  // namespace tenon
