// The memory planner: a pure function from lifetimes to offsets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tenon::plan {

struct Lifetime {
  uint64_t bytes = 0;
  uint32_t first = 0, last = 0;  // steps, inclusive
};

struct Layout {
  std::vector<uint64_t> offsets;  // multiples of 64
  uint64_t total = 0;
};

// No two intervals that overlap in time overlap in memory. Greedy by size, best fit.
Layout plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace tenon::plan
