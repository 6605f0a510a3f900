// Every byte of a small plan, changed in three ways, under three kinds of hashes.
#include <gtest/gtest.h>

#include "support/forge.h"
#include "support/plans.h"
#include "support/small_runs.h"

namespace tenon {
namespace {

using test::PlanBuilder;
using test::looping_plan;
using test::run_anything;
using test::small_plan;

std::vector<std::byte> load_and_run(std::span<const std::byte> bytes) {
  EngineOptions options;
  options.limits.arena_bytes = options.limits.tensor_bytes = 16 << 20;
  // As an exact heap block: a reader that goes beyond it is found by AddressSanitizer.
  std::vector<std::byte> exact(bytes.begin(), bytes.end());
  auto engine = Engine::load(exact, options, Log{});
  if (!engine) {
    EXPECT_FALSE(engine.error().message.empty());
    return {};
  }
  exact.clear();
  exact.shrink_to_fit();
  return run_anything(**engine);
}

enum class Hashes { as_they_are, of_sections, all };

struct Outcome {
  int refused = 0, unchanged = 0, changed = 0;
};

Outcome sweep(const std::vector<std::byte>& plan, Hashes hashes) {
  std::vector<std::byte> want = load_and_run(plan);
  EXPECT_FALSE(want.empty());
  Outcome outcome;
  for (size_t at = 0; at < plan.size(); ++at)
    for (int way = 0; way < 3; ++way) {
      std::vector<std::byte> forged = plan;
      forged[at] = way == 0 ? ~plan[at] : way == 1 ? std::byte{0} : std::byte{0xff};
      if (forged[at] == plan[at]) continue;
      if (hashes == Hashes::of_sections) plan::rehash(forged);
      if (hashes == Hashes::all) test::rehash_everything(forged);
      std::vector<std::byte> got = load_and_run(forged);
      if (got.empty())
        ++outcome.refused;
      else if (got == want)
        ++outcome.unchanged;
      else
        ++outcome.changed;
      if (got != want && !got.empty() && hashes != Hashes::all)
        ADD_FAILURE() << "byte " << at << " of " << plan.size();
    }
  return outcome;
}

TEST(ForgedPlan, AnyByteWithItsHashesIsRefused) {
  Outcome outcome = sweep(small_plan().bytes(), Hashes::as_they_are);
  EXPECT_EQ(outcome.unchanged + outcome.changed, 0);
  EXPECT_GT(outcome.refused, 5000);
}

TEST(ForgedPlan, AnyByteWithSectionHashesRecomputedIsRefusedOrHarmless) {
  Outcome outcome = sweep(small_plan().bytes(), Hashes::of_sections);
  EXPECT_EQ(outcome.changed, 0);
  EXPECT_GT(outcome.refused, 5000);
}

// With every hash recomputed the bytes are another plan, which may compute something else; it may do no harm.
TEST(ForgedPlan, AnyByteWithAllHashesRecomputedDoesNoHarm) {
  Outcome outcome = sweep(small_plan().bytes(), Hashes::all);
  EXPECT_GT(outcome.refused, 2000);
  EXPECT_GT(outcome.unchanged, 100);
  EXPECT_GT(outcome.changed, 10);  // the hashes were right: weights and constants took effect
}

// A first value larger than what the loop carries on would be read beyond its end.
TEST(ForgedPlan, WhatALoopCarriesKeepsItsSize) {
  PlanBuilder b = looping_plan();
  const uint32_t six = b.constant(6);
  b.plan.inputs[0].dims[1] = b.region().values[0].dims[1] = b.region().steps[0].bodies[0].values[0].dims[1] = six;
  auto engine = Engine::load(b.bytes(), {}, Log{});
  ASSERT_FALSE(engine);
  EXPECT_NE(engine.error().text().find("must not change its shape"), std::string::npos) << engine.error().text();
}

TEST(ForgedPlan, NoByteOfAPlanWithLoopsDoesHarm) {
  Outcome sections = sweep(looping_plan().bytes(), Hashes::of_sections);
  EXPECT_EQ(sections.changed, 0);
  EXPECT_GT(sections.refused, 5000);
  Outcome all = sweep(looping_plan().bytes(), Hashes::all);
  EXPECT_GT(all.refused, 2000);
  EXPECT_GT(all.unchanged, 100);
  EXPECT_GT(all.changed, 10);
}

}  // namespace
}  // namespace tenon
