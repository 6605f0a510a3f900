// What blocks are cut for.
#pragma once

#include <algorithm>

#include "base/status.h"

namespace tenon {

// Bytes of a processor's second-level cache, where a plan does not say otherwise, and between which kernels cut blocks for it.
inline constexpr int64_t kUsualCache = 1 << 20, kLeastCache = 128 << 10, kMostCache = 4 << 20;

// What is cut for where a processor says that it has `l2` bytes: virtual machines may tell less or more than there is.
inline int64_t cache_to_cut_for(int64_t l2) { return std::clamp<int64_t>(l2, 256 << 10, 2 << 20); }

inline Status expect_cache(int64_t bytes) {
  if (kLeastCache <= bytes && bytes <= kMostCache) return {};
  return fail(Code::invalid_plan, "blocks are cut for a cache of {} to {} bytes, not {}", kLeastCache, kMostCache, bytes);
}

}  // namespace tenon
