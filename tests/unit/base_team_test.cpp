#include "base/team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
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

TEST(Team, DealsEveryItemOnce) {
  for (int threads : {1, 2, 3, 7}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team);
    for (int64_t count : {0, 1, 2, 3, 5, 64, 1001}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
      for (int round = 0; round < 50; ++round)
        (*team)->parallel_items(count, [&](Team::Items& items, int member) {
          EXPECT_LT(member, threads);
          for (int64_t i; items.next(i);) ++hits[static_cast<size_t>(i)];
        });
      for (const std::atomic<int>& hit : hits) EXPECT_EQ(hit, 50);
    }
  }
}

// The items behind one that takes long are run by the others, whoever runs that one.
TEST(Team, ItemsOfASlowMemberGoToOthers) {
  auto team = Team::create(2);
  ASSERT_TRUE(team);
  constexpr int64_t kCount = 40;
  std::atomic<int> done{0};
  bool others_were_run = false;
  (*team)->parallel_items(kCount, [&](Team::Items& items, int) {
    for (int64_t i; items.next(i);) {
      ++done;
      // The first one waits for all others.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (i == 0 && done < kCount && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      if (i == 0) others_were_run = done == kCount;
    }
  });
  EXPECT_TRUE(others_were_run);
  EXPECT_EQ(done, kCount);
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

// Runs loops of changing counts, each of which must cover its range once.
void run_loops(Team& team, int rounds) {
  std::vector<int> hits(64);
  for (int round = 0; round < rounds; ++round) {
    const int64_t count = round % 7 == 0 ? 64 : round % 5;
    std::fill(hits.begin(), hits.end(), 0);
    team.parallel_for(count, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    for (size_t i = 0; i < hits.size(); ++i) ASSERT_EQ(hits[i], static_cast<int64_t>(i) < count) << round;
  }
}

TEST(Team, LoopsFollowOneAnotherInAndOutOfSessions) {
  for (int threads : {1, 2, 3, 7}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team);
    for (int i = 0; i < 4; ++i) {
      run_loops(**team, 500);
      Team::Session session(**team);
      run_loops(**team, 500);
      std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the workers park within the session
      run_loops(**team, 20);
    }
  }
}

TEST(Team, EndsRightAfterALoop) {
  for (int i = 0; i < 100; ++i) {
    auto team = Team::create(3);
    ASSERT_TRUE(team);
    run_loops(**team, i % 3);
  }
}

TEST(Team, PartsMayWaitForOneAnother) {
  for (int threads : {2, 3, 7}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team);
    for (int round = 0; round < 50; ++round) {
      if (round % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      std::atomic<int> begun{0};
      (*team)->parallel_for(threads, [&](int64_t, int64_t, int) {
        ++begun;
        while (begun < threads) std::this_thread::yield();
      });
      EXPECT_EQ(begun, threads);
    }
  }
}

// A loop does not wait for a worker to wake up: some of many short ones end before that.
TEST(Team, TheCallerRunsPartsThatNobodyHasBegun) {
  auto team = Team::create(2);
  ASSERT_TRUE(team);
  int own = 0;
  for (int round = 0; round < 200 && own == 0; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    (*team)->parallel_for(2, [&, caller = std::this_thread::get_id()](int64_t, int64_t, int member) {
      if (member == 1) own += std::this_thread::get_id() == caller;
    });
  }
  EXPECT_GT(own, 0);
}

TEST(Team, RefusesAbsurdSizes) {
  EXPECT_FALSE(Team::create(0));
  EXPECT_FALSE(Team::create(1 << 20));
}

}  // namespace
}  // namespace tenon
