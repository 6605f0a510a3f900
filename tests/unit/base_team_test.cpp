#include "base/team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace tenon {
namespace {

TEST(Team, CoversEveryIndexOnceInStaticParts) {
  for (int threads : {1, 2, 3, 7}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team);
    for (int64_t count : {0, 1, 2, 3, 5, 64, 1001}) {
      std::vector<int> hits(static_cast<size_t>(count)), members(static_cast<size_t>(count), -1);
      for (int round = 0; round < 20; ++round) {
        std::vector<int> before = members;
        (*team)->parallel_for(count, [&](int64_t begin, int64_t end, int member) {
          for (int64_t i = begin; i < end; ++i) {
            ++hits[static_cast<size_t>(i)];
            members[static_cast<size_t>(i)] = member;
          }
        });
        if (round > 0) {
          EXPECT_EQ(before, members);
        }
      }
      for (size_t i = 0; i < hits.size(); ++i) {
        EXPECT_EQ(hits[i], 20);
        EXPECT_LT(members[i], threads);
      }
    }
  }
}

TEST(Team, WakesParkedWorkers) {
  auto team = Team::create(3);
  ASSERT_TRUE(team);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::vector<int> seen(3);
    (*team)->parallel_for(3, [&](int64_t begin, int64_t end, int member) {
      for (int64_t i = begin; i < end; ++i) seen[static_cast<size_t>(member)] += 1;
    });
    EXPECT_EQ(seen, (std::vector<int>{1, 1, 1}));
  }
}

TEST(Team, RefusesAbsurdSizes) {
  EXPECT_FALSE(Team::create(0));
  EXPECT_FALSE(Team::create(1 << 20));
}

}  // namespace
}  // namespace tenon
