#include "plan/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tenon::plan {
namespace {

std::vector<Lifetime> random_lifetimes(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Lifetime> out(random() % 60);
  uint32_t steps = 1 + random() % 40;
  for (Lifetime& l : out) {
    l.first = random() % steps;
    l.last = l.first + random() % (steps - l.first);
    l.bytes = random() % 8 == 0 ? 0 : random() % (random() % 3 ? 1000 : 100000);
  }
  return out;
}

uint64_t up(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// The most that is alive in one step: no layout can need less.
uint64_t peak(const std::vector<Lifetime>& lifetimes) {
  uint64_t most = 0;
  for (const Lifetime& at : lifetimes) {
    uint64_t sum = 0;
    for (const Lifetime& l : lifetimes) sum += l.first <= at.first && at.first <= l.last ? up(l.bytes) : 0;
    most = std::max(most, sum);
  }
  return most;
}

TEST(MemoryPlanner, NeverOverlapsWhatLivesTogether) {
  double needed = 0, least = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::vector<Lifetime> lifetimes = random_lifetimes(seed);
    Layout layout = plan_memory(lifetimes);
    ASSERT_EQ(layout.offsets.size(), lifetimes.size());
    for (size_t i = 0; i < lifetimes.size(); ++i) {
      const Lifetime& a = lifetimes[i];
      EXPECT_EQ(layout.offsets[i] % 64, 0u);
      EXPECT_LE(layout.offsets[i] + a.bytes, layout.total);
      for (size_t j = 0; j < i; ++j) {
        const Lifetime& b = lifetimes[j];
        bool together = a.first <= b.last && b.first <= a.last;
        bool apart = layout.offsets[i] + a.bytes <= layout.offsets[j] ||
                     layout.offsets[j] + b.bytes <= layout.offsets[i];
        ASSERT_TRUE(!together || apart || !a.bytes || !b.bytes)
            << "seed " << seed << ": " << i << " and " << j;
      }
    }
    EXPECT_GE(layout.total, peak(lifetimes));
    needed += static_cast<double>(layout.total);
    least += static_cast<double>(peak(lifetimes));
  }
  EXPECT_LT(needed, 1.10 * least);
}

TEST(MemoryPlanner, SameLifetimesSameLayout) {
  std::vector<Lifetime> lifetimes = random_lifetimes(7);
  EXPECT_EQ(plan_memory(lifetimes).offsets, plan_memory(lifetimes).offsets);
  EXPECT_EQ(plan_memory({}).total, 0u);
}

TEST(MemoryPlanner, AChainNeedsTwoOfItsValues) {
  std::vector<Lifetime> chain;
  for (uint32_t i = 0; i < 100; ++i) chain.push_back({640, i, i + 1});
  EXPECT_EQ(plan_memory(chain).total, 1280u);
}

}  // namespace
}  // namespace tenon::plan
