// What the packed f32 product shares with those who plan for it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/checked.h"

namespace tenon {

// Bytes of a packed [k, n] matrix: panels of `width` columns one after the other, each [k][width] f32; the
// last panel is as wide as the vectors of `lanes` that its columns fill, absent columns zero.
inline std::optional<int64_t> packed_b_bytes(int64_t k, int64_t n, int64_t lanes) {
  if (k < 0 || n < 0) return std::nullopt;
  auto columns = checked_mul(ceil_div(n, lanes), lanes);
  auto count = columns ? checked_mul(*columns, k) : std::nullopt;
  return count ? checked_mul(*count, 4) : std::nullopt;
}

}  // namespace tenon
