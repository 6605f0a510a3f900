// Greedy by size with best fit: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
// Inference" (2020).
#include "plan/memory.h"

#include <algorithm>
#include <numeric>

namespace tenon::plan {
namespace {

constexpr uint64_t kAlignment = 64;

uint64_t round_up(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool meet(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

// The start of the smallest gap between `placed` (indices by offset) that takes `bytes`, else their end.
uint64_t best_gap(std::span<const Lifetime> lifetimes, const std::vector<uint64_t>& offsets,
                  const std::vector<uint32_t>& placed, const Lifetime& value) {
  uint64_t need = round_up(value.bytes), best = UINT64_MAX, best_size = UINT64_MAX, end = 0;
  for (uint32_t other : placed) {
    if (!meet(lifetimes[other], value)) continue;
    if (offsets[other] > end && offsets[other] - end >= need && offsets[other] - end < best_size) {
      best = end;
      best_size = offsets[other] - end;
    }
    end = std::max(end, offsets[other] + round_up(lifetimes[other].bytes));
  }
  return best != UINT64_MAX ? best : end;
}

}  // namespace

Layout plan_memory(std::span<const Lifetime> lifetimes) {
  std::vector<uint32_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  Layout layout;
  layout.offsets.resize(lifetimes.size());
  std::vector<uint32_t> placed;  // by offset
  for (uint32_t i : order) {
    if (lifetimes[i].bytes == 0) continue;
    uint64_t offset = best_gap(lifetimes, layout.offsets, placed, lifetimes[i]);
    layout.offsets[i] = offset;
    layout.total = std::max(layout.total, offset + round_up(lifetimes[i].bytes));
    auto by_offset = [&](uint32_t a, uint64_t at) { return layout.offsets[a] < at; };
    placed.insert(std::lower_bound(placed.begin(), placed.end(), offset, by_offset), i);
  }
  return layout;
}

}  // namespace tenon::plan
