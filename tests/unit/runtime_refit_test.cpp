#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "support/plans.h"

namespace tenon {
namespace {

using test::PlanBuilder;
using test::small_expected;
using test::small_plan;

Engine::NewWeight weight(std::string name, const std::vector<float>& values, std::vector<int64_t> dims) {
  return {std::move(name), DType::f32, std::move(dims), std::as_bytes(std::span(values))};
}

std::vector<float> run(Context& context, const std::vector<float>& x) {
  std::vector<float> difference(x.size(), NAN), negated(x.size(), NAN);
  std::vector<float> in = x;
  EXPECT_TRUE(context.set_input_shape("x", std::vector<int64_t>{static_cast<int64_t>(x.size() / 3), 3}));
  EXPECT_TRUE(context.set_buffer("x", in.data(), x.size() * 4));
  EXPECT_TRUE(context.set_buffer("difference", difference.data(), x.size() * 4));
  EXPECT_TRUE(context.set_buffer("negated", negated.data(), x.size() * 4));
  Status status = context.run();
  EXPECT_TRUE(status) << status.error().text();
  return difference;
}

class Refit : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Engine::load(small_plan().bytes(), {}, Log{});
    ASSERT_TRUE(loaded) << loaded.error().text();
    engine = std::move(*loaded);
    context = std::move(*engine->create_context(0));
  }
  std::string error(std::vector<Engine::NewWeight> weights) {
    Status status = engine->refit(weights);
    return status ? "" : status.error().text();
  }
  std::shared_ptr<Engine> engine;
  std::unique_ptr<Context> context;
  const std::vector<float> x = {0.1f, -0.2f, 0.3f, 1, -2, 3}, scale = {0.5f, 1.5f, -0.5f},
                           shift = {3, 0.25f, -1};
  const std::vector<float> one = {1};
};

TEST_F(Refit, GivesThePlanThatTheNewWeightsWouldHaveGiven) {
  std::vector<float> before = run(*context, x);
  ASSERT_EQ(error({weight("scale", scale, {3}), weight("shift", shift, {3}), weight("fixed", one, {})}), "");
  std::vector<std::byte> expected_bytes = small_plan(scale, shift).bytes();
  EXPECT_EQ(*engine->serialize(), expected_bytes);
  auto other = *Engine::load(expected_bytes, {}, Log{});
  std::vector<float> want = run(**other->create_context(0), x), got = run(*context, x);
  EXPECT_EQ(got, want);
  EXPECT_NE(got, before);
  test::SmallResult exact = small_expected(x, scale, shift);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], exact.difference[i], 1e-5f);
}

TEST_F(Refit, SomeWeightsOnly) {
  ASSERT_EQ(error({weight("shift", shift, {3})}), "");
  EXPECT_EQ(*engine->serialize(), small_plan({1, 2, 3}, shift).bytes());
}

TEST_F(Refit, UnalignedValues) {
  std::vector<std::byte> memory(13);
  std::memcpy(memory.data() + 1, shift.data(), 12);
  ASSERT_EQ(error({{"shift", DType::f32, {3}, std::span(memory).subspan(1)}}), "");
  EXPECT_EQ(*engine->serialize(), small_plan({1, 2, 3}, shift).bytes());
}

TEST_F(Refit, AllProblemsAtOnceAndNothingChanges) {
  std::vector<std::byte> before = *engine->serialize();
  const std::vector<float> two = {2};
  std::string problems =
      error({weight("scale", scale, {1, 3}), weight("shift", shift, {3}), weight("shift", shift, {3}),
             weight("fixed", two, {}), weight("nobody", two, {})});
  for (const char* part :
       {"4 problems", "'scale' is given as f32[1,3], expected f32[3]", "'shift' is given twice",
        "'fixed' must keep its value: it was folded into a step", "'nobody' is no weight"})
    EXPECT_NE(problems.find(part), problems.npos) << problems;
  EXPECT_EQ(*engine->serialize(), before);
  Engine::NewWeight cut = weight("shift", shift, {3});
  cut.bytes = cut.bytes.first(8);
  EXPECT_NE(error({cut}).find("with 8 bytes, expected 12"), std::string::npos);
  EXPECT_EQ(*engine->serialize(), before);
}

TEST(RefitPrograms, NeedAllTheirSources) {
  PlanBuilder b = small_plan();
  b.plan.sources.push_back({"factor", DType::f32, {3}});
  b.plan.sources.push_back({"alone", DType::f32, {3}});
  plan::RefitProgram& p = b.plan.programs[1];
  p.sources = {1, 3};
  p.region.values.push_back({plan::ValueKind::input, DType::f32, kLinear, {1}, 1});
  p.region.steps = {PlanBuilder::pointwise("mul(x0, x1)", {0, 2}, 1)};
  auto engine = *Engine::load(b.bytes(), {}, Log{});
  std::vector<std::string> set = {"shift"};
  EXPECT_EQ(engine->missing(set), (std::vector<std::string>{"factor"}));
  set = {"scale", "alone"};
  EXPECT_TRUE(engine->missing(set).empty());
  std::vector<float> shift = {1, 2, 3}, factor = {2, 2, 2};
  std::vector<Engine::NewWeight> one = {weight("shift", shift, {3})};
  Status status = engine->refit(one);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text().find("'factor' must be set too"), std::string::npos);
  std::vector<Engine::NewWeight> both = {weight("shift", shift, {3}), weight("factor", factor, {3})};
  ASSERT_TRUE(engine->refit(both));
}

}  // namespace
}  // namespace tenon
