#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/live_count.h"
#include "runtime/engine.h"
#include "support/plans.h"

namespace tenon {
namespace {

using test::PlanBuilder;
using test::small_expected;
using test::looping_plan;
using test::small_plan;

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> range(-2, 2);
  std::vector<float> out(count);
  for (float& f : out) f = range(random);
  return out;
}

Result<std::shared_ptr<Engine>> load(const std::vector<std::byte>& bytes, EngineOptions options = {}) {
  return Engine::load(bytes, options, Log{});
}

std::string text(const Status& status) { return status ? "" : status.error().text(); }

void near(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5f) << i;
}

// A context with buffers for small_plan.
struct Runner {
  std::unique_ptr<Context> context;
  std::vector<float> x, difference, negated;

  explicit Runner(Engine& engine) : context(std::move(*engine.create_context(0))) {}

  Status operator()(int64_t n, uint32_t seed) {
    x = random_floats(static_cast<size_t>(3 * n), seed);
    difference.assign(x.size(), NAN);
    negated.assign(x.size(), NAN);
    TN_TRY(context->set_input_shape("x", std::vector<int64_t>{n, 3}));
    TN_TRY(context->set_buffer("x", x.data(), x.size() * 4));
    TN_TRY(context->set_buffer("difference", difference.data(), x.size() * 4));
    TN_TRY(context->set_buffer("negated", negated.data(), x.size() * 4));
    return context->run();
  }
  void check() {
    test::SmallResult want = small_expected(x);
    near(difference, want.difference);
    near(negated, want.negated);
  }
};

TEST(Context, RunsEveryShapeOfTheProfile) {
  auto engine = load(small_plan().bytes());
  ASSERT_TRUE(engine) << engine.error().text();
  Runner run(**engine);
  for (int round = 0; round < 3; ++round)
    for (int64_t n : {2, 1, 4, 3, 3}) {
      Status status = run(n, static_cast<uint32_t>(n));
      ASSERT_TRUE(status) << text(status);
      run.check();
    }
}

TEST(Context, FewerKeptShapesThanUsedOnes) {
  EngineOptions options;
  options.shapes_kept = 2;
  auto engine = load(small_plan().bytes(), options);
  Runner run(**engine);
  int64_t before = live_count(LiveType::prepared_shape);
  for (int64_t n : {1, 2, 3, 4, 1, 2, 3, 4, 4, 3}) {
    ASSERT_TRUE(run(n, 9));
    run.check();
    EXPECT_LE(live_count(LiveType::prepared_shape), before + 2);
  }
}

TEST(Context, TellsShapes) {
  auto engine = load(small_plan().bytes());
  auto context = std::move(*(*engine)->create_context(0));
  auto unset = context->shape("negated");
  ASSERT_FALSE(unset);
  EXPECT_NE(unset.error().text().find("input 'x' dim 0"), std::string::npos) << unset.error().text();
  ASSERT_TRUE(context->set_input_shape("x", std::vector<int64_t>{4, 3}));
  EXPECT_EQ(*context->shape("negated"), (std::vector<int64_t>{12}));
  EXPECT_EQ(*context->shape("x"), (std::vector<int64_t>{4, 3}));
  EXPECT_FALSE(context->shape("nothing"));
  EXPECT_EQ((*engine)->io()[0].shape, (std::vector<int64_t>{-1, 3}));
  auto range = (*engine)->profile_shape(0, "x");
  ASSERT_TRUE(range);
  EXPECT_EQ((*range)[0].max, 4);
  EXPECT_EQ((*range)[1].min, 3);
}

TEST(Context, MessagesNameWhatIsWrong) {
  auto engine = load(small_plan().bytes());
  auto context = std::move(*(*engine)->create_context(0));
  auto shape = [&](std::vector<int64_t> dims) { return text(context->set_input_shape("x", dims)); };
  EXPECT_NE(shape({0, 3}).find("dim 0 (N) of input 'x' is 0, profile 0 of the plan allows 1 to 4"), std::string::npos);
  EXPECT_NE(shape({5, 3}).find("dim 0 (N) of input 'x' is 5, profile 0 of the plan allows 1 to 4"),
            std::string::npos);
  EXPECT_NE(shape({2, 4}).find("the network fixes it to 3"), std::string::npos);
  EXPECT_NE(shape({2}).find("has 2 dims, 1 were given"), std::string::npos);
  EXPECT_NE(shape({-2, 3}).find("not negative"), std::string::npos);
  EXPECT_NE(text(context->set_input_shape("negated", {})).find("is an output"), std::string::npos);
  EXPECT_NE(text(context->set_input_shape("y", {})).find("it has 'x', 'difference', 'negated'"),
            std::string::npos);
  EXPECT_NE(text(context->run()).find("set the shapes of all inputs first"), std::string::npos);

  ASSERT_TRUE(context->set_input_shape("x", std::vector<int64_t>{2, 3}));
  EXPECT_NE(text(context->run()).find("input 'x' has no buffer"), std::string::npos);
  alignas(64) float memory[64];
  ASSERT_TRUE(context->set_buffer("x", memory, 24));
  ASSERT_TRUE(context->set_buffer("difference", memory + 16, 20));
  ASSERT_TRUE(context->set_buffer("negated", memory + 32, 24));
  EXPECT_NE(text(context->run()).find("has 20 bytes, its shape needs 24"), std::string::npos);
  ASSERT_TRUE(context->set_buffer("difference", memory + 5, 24));
  EXPECT_NE(text(context->run()).find("'x' and 'difference' overlap"), std::string::npos);
  EXPECT_NE(text(context->set_buffer("x", reinterpret_cast<char*>(memory) + 1, 24)).find("not aligned"),
            std::string::npos);
  EXPECT_NE(text(context->set_buffer("x", nullptr, 24)).find("NULL"), std::string::npos);
  ASSERT_TRUE(context->set_buffer("difference", memory + 16, 24));
  EXPECT_EQ(text(context->run()), "");
  EXPECT_FALSE((*engine)->create_context(1));
}

// Two inputs [N] and [M] whose sum broadcasts.
TEST(Context, BroadcastIsCheckedAtRunTime) {
  PlanBuilder b;
  uint32_t n = b.symbol("N", {0, 2, 8}), m = b.symbol("M", {0, 2, 8}),
           both = b.op(plan::DimOp::broadcast, n, m);
  uint32_t a = b.input("a", {n}), c = b.input("c", {m}), out = b.output("out", {both});
  b.add(PlanBuilder::pointwise("add(x0, x1)", {a, c}, out));
  auto engine = load(b.bytes());
  ASSERT_TRUE(engine) << engine.error().text();
  auto context = std::move(*(*engine)->create_context(0));
  std::vector<float> in = {1, 2, 3, 4, 5}, result(8, NAN);
  auto run = [&](int64_t an, int64_t cn) -> Status {
    TN_TRY(context->set_input_shape("a", std::vector<int64_t>{an}));
    TN_TRY(context->set_input_shape("c", std::vector<int64_t>{cn}));
    TN_TRY(context->set_buffer("a", in.data(), 20));
    TN_TRY(context->set_buffer("c", in.data(), 20));
    TN_TRY(context->set_buffer("out", result.data(), 32));
    return context->run();
  };
  ASSERT_TRUE(run(3, 1));
  EXPECT_EQ(result[2], 4);
  ASSERT_TRUE(run(1, 5));
  EXPECT_EQ(result[4], 6);
  ASSERT_TRUE(run(0, 1));
  std::string error = text(run(3, 2));
  for (const char* part : {"3", "2", "input 'a' dim 0", "input 'c' dim 0", "do not broadcast"})
    EXPECT_NE(error.find(part), error.npos) << error;
  ASSERT_TRUE(run(3, 1));
}

TEST(Context, InputsThatShareASymbolMustAgree) {
  PlanBuilder b;
  uint32_t n = b.symbol("N", {1, 2, 8});
  uint32_t a = b.input("a", {n}), c = b.input("c", {n}), out = b.output("out", {n});
  b.add(PlanBuilder::pointwise("add(x0, x1)", {a, c}, out));
  auto engine = load(b.bytes());
  auto context = std::move(*(*engine)->create_context(0));
  ASSERT_TRUE(context->set_input_shape("a", std::vector<int64_t>{3}));
  ASSERT_TRUE(context->set_input_shape("c", std::vector<int64_t>{4}));
  EXPECT_NE(text(context->prepare()).find("dim 0 of input 'c' is 4, but dim 0 of input 'a' is 3: both are N"),
            std::string::npos);
}

TEST(Context, ProfilerSeesEveryStep) {
  auto engine = load(small_plan().bytes());
  Runner run(**engine);
  std::vector<std::string> steps;
  ASSERT_TRUE(run.context->set_profiler([&](const plan::Step& step, double microseconds) {
    EXPECT_GE(microseconds, 0);
    steps.push_back(step.name);
  }));
  ASSERT_TRUE(run(2, 1));
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[2], "tanh(x0)");
  ASSERT_TRUE(run.context->set_profiler(nullptr));
  ASSERT_TRUE(run(2, 1));
  EXPECT_EQ(steps.size(), 5u);
}

TEST(Context, OutlivesItsEngine) {
  int64_t engines = live_count(LiveType::engine), contexts = live_count(LiveType::context);
  {
    auto engine = load(small_plan().bytes());
    Runner run(**engine);
    engine->reset();
    ASSERT_TRUE(run(3, 4));
    run.check();
    EXPECT_EQ(live_count(LiveType::engine), engines + 1);
  }
  EXPECT_EQ(live_count(LiveType::engine), engines);
  EXPECT_EQ(live_count(LiveType::context), contexts);
}

// Counts what passes through it.
struct CountingAllocator final : Allocator {
  std::atomic<int64_t> bytes{0}, calls{0};
  void* allocate(size_t n, size_t alignment) override {
    bytes += static_cast<int64_t>(n);
    ++calls;
    return default_allocator().allocate(n, alignment);
  }
  void free(void* data, size_t n, size_t alignment) override {
    bytes -= static_cast<int64_t>(n);
    default_allocator().free(data, n, alignment);
  }
};

TEST(Context, TakesMemoryFromItsAllocatorAndNoneWhenItRuns) {
  auto allocator = std::make_shared<CountingAllocator>();
  {
    EngineOptions options;
    options.allocator = allocator;
    auto engine = load(small_plan().bytes(), options);
    Runner run(**engine);
    ASSERT_TRUE(run(2, 1));
    EXPECT_GE(allocator->bytes, 76 + 128);
    int64_t calls = allocator->calls;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(run.context->run());
    EXPECT_EQ(allocator->calls, calls);
  }
  EXPECT_EQ(allocator->bytes, 0);
}

struct FailingAllocator final : Allocator {
  void* allocate(size_t, size_t) override { return nullptr; }
  void free(void*, size_t, size_t) override {}
};

TEST(Context, AnAllocatorThatFailsIsAnError) {
  EngineOptions options;
  options.allocator = std::make_shared<FailingAllocator>();
  auto engine = load(small_plan().bytes(), options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::out_of_memory);
}

// A chain of steps on one element: what a step costs when there is nothing to compute.
TEST(Context, AStepCostsLessThanAMicrosecond) {
  constexpr int kSteps = 200;
  static const Kernel kNothing = {"test.nothing",
                                  0,
                                  0,
                                  1,
                                  [](const PrepareCall&, Prepared&) -> Status { return {}; },
                                  [](const LaunchCall& call) -> Status {
                                    *call.outputs[0].as<float>() = *call.inputs[0].as<float>() + 1;
                                    return {};
                                  }};
  const Kernel* const kernels[] = {&kNothing};
  KernelTable table(kernels);
  PlanBuilder b;
  uint32_t one = b.constant(1), last = b.input("x", {one});
  for (int i = 0; i < kSteps; ++i) {
    uint32_t next = i + 1 == kSteps ? b.output("y", {one}) : b.arena({one}, 0, 4);
    plan::Step step;
    step.kernel = "test.nothing";
    step.inputs = {last};
    step.outputs = {next};
    b.add(step);
    last = next;
  }
  EngineOptions options;
  options.kernels = &table;
  auto engine = load(b.bytes(), options);
  ASSERT_TRUE(engine) << engine.error().text();
  auto context = std::move(*(*engine)->create_context(0));
  float x = 0, y = 0;
  ASSERT_TRUE(context->set_buffer("x", &x, 4));
  ASSERT_TRUE(context->set_buffer("y", &y, 4));
  ASSERT_TRUE(context->run());
  EXPECT_EQ(y, kSteps);
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(context->run());
    best = std::min(
        best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  RecordProperty("nanoseconds_per_step", static_cast<int>(best / 10 / kSteps * 1000));
  EXPECT_LT(best / 10 / kSteps, 1.0);
}

TEST(Engine, RefusesOtherTargets) {
  auto error = [](void (*change)(plan::Plan&), EngineOptions options = {}) {
    PlanBuilder b = small_plan();
    change(b.plan);
    auto engine = load(b.bytes(), options);
    return engine ? std::string() : engine.error().text();
  };
  EXPECT_NE(error([](plan::Plan& p) { p.target.device = "warp"; }).find("'warp'"), std::string::npos);
  EXPECT_NE(error([](plan::Plan& p) { p.target.libraries = "onednn 9.9"; }).find("needs library onednn 9.9"),
            std::string::npos);
  EXPECT_NE(error([](plan::Plan& p) { p.target.cpu_features = 1u << 31; }).find("build the plan again"),
            std::string::npos);
  EXPECT_NE(error([](plan::Plan& p) { p.profiles[0].region.steps[0].kernel = "no.such"; }).find("no.such"),
            std::string::npos);
  EXPECT_NE(error([](plan::Plan& p) {
              p.profiles[0].region.steps[0].params.pop_back();
            }).find("bytes of parameters"),
            std::string::npos);
  EXPECT_NE(error([](plan::Plan& p) { p.programs[1].region.steps[0].kernel = "no.such"; }).find("no.such"),
            std::string::npos);
}

// The mask is read once in a process, so this test starts itself again under one.
TEST(Engine, RefusesAPlanForAnotherProcessorByName) {
  constexpr const char* kName = "Engine.RefusesAPlanForAnotherProcessorByName";
  if (!std::getenv("TENON_CPU")) {
    std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    EXPECT_EQ(std::system(
                  fmt::format("TENON_CPU=avx2 '{}' --gtest_filter={} --gtest_brief=1 >/dev/null", self, kName)
                      .c_str()),
              0);
    return;
  }
  PlanBuilder b = small_plan();
  b.plan.target.cpu_features = kAvx2 | kAvx512;
  auto engine = load(b.bytes());
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::incompatible_plan);
  EXPECT_NE(engine.error().text().find("avx512 is missing"), std::string::npos) << engine.error().text();
}

// Sums its two inputs; must not write over them.
TEST(Engine, RefusesToRunInPlaceWhatMayNot) {
  static const Kernel kStrict = {"pointwise.reference",
                                 sizeof(Program),
                                 0,
                                 0,
                                 [](const PrepareCall&, Prepared&) -> Status { return {}; },
                                 [](const LaunchCall&) -> Status { return {}; }};
  const Kernel* const kernels[] = {&kStrict};
  KernelTable table(kernels);
  EngineOptions options;
  options.kernels = &table;
  auto engine = load(small_plan().bytes(), options);
  ASSERT_FALSE(engine);
  EXPECT_NE(engine.error().text().find("would write over its input 0"), std::string::npos)
      << engine.error().text();
}

TEST(Engine, AFailingKernelNamesItsStepAndNodes) {
  static const Kernel kFailing = {
      "pointwise.reference",
      sizeof(Program),
      0,
      0xffff,
      [](const PrepareCall&, Prepared&) -> Status { return {}; },
      [](const LaunchCall&) -> Status { return fail(Code::out_of_range, "index 9 of 3"); }};
  const Kernel* const kernels[] = {&kFailing};
  KernelTable table(kernels);
  EngineOptions options;
  options.kernels = &table;
  auto engine = load(small_plan().bytes(), options);
  Runner run(**engine);
  std::string error = text(run(2, 1));
  for (const char* part : {"index 9 of 3", "in step 'max(add(x0, x1), 0)'", "Add 'first', Relu 'second'"})
    EXPECT_NE(error.find(part), error.npos) << error;
}

TEST(Engine, TheNullDeviceLaunchesNothing) {
  PlanBuilder b = small_plan();
  b.plan.target.device = "null";
  auto engine = load(b.bytes());
  ASSERT_TRUE(engine) << engine.error().text();
  Runner run(**engine);
  ASSERT_TRUE(run(2, 1));
  EXPECT_TRUE(std::isnan(run.difference[0]));
}

TEST(Context, PiecesAreWrittenAndReadWhereTheyLie) {
  auto engine = load(test::pieces_plan().bytes());
  ASSERT_TRUE(engine) << engine.error().text();
  auto context = std::move(*(*engine)->create_context(0));
  std::vector<float> x = random_floats(16, 5), y(32, NAN), z(16, NAN);
  ASSERT_TRUE(context->set_buffer("x", x.data(), 64) && context->set_buffer("y", y.data(), 128) && context->set_buffer("z", z.data(), 64));
  EXPECT_EQ(text(context->run()), "");
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_FLOAT_EQ(y[i], -std::tanh(x[i]));
    EXPECT_FLOAT_EQ(y[i + 16], std::tanh(x[i]));
    EXPECT_FLOAT_EQ(z[i], -std::tanh(x[i]));
  }
}

// Otherwise what no step wrote would be read.
TEST(Context, PiecesThatDoNotFillTheirMemoryAreRefused) {
  PlanBuilder b = test::pieces_plan();
  plan::Region& region = b.region();
  region.arena_bytes = 320;
  region.values[3].max_bytes = 192;  // the whole, of 128 bytes
  region.values[5].max_bytes = 128;  // its second piece, of 64
  auto engine = load(b.bytes());
  ASSERT_FALSE(engine && text((*(*engine)->create_context(0))->run()).empty());
}

// looping_plan, with a flag that ends the loop after one iteration if it is -2 or less.
struct LoopRunner {
  std::unique_ptr<Context> context;
  std::vector<float> x, last, all, side;
  int64_t more = 0;

  explicit LoopRunner(Engine& engine) : context(std::move(*engine.create_context(0))) {}

  Status operator()(int64_t n, int64_t flag, uint32_t seed) {
    const size_t size = static_cast<size_t>(3 * n);
    more = flag;
    x = random_floats(size, seed);
    last.assign(size, NAN);
    all.assign(size * static_cast<size_t>(n), NAN);
    side.assign(size, NAN);
    TN_TRY(context->set_input_shape("x", std::vector<int64_t>{n, 3}));
    TN_TRY(context->set_input_shape("more", std::vector<int64_t>{1}));
    TN_TRY(context->set_buffer("x", x.data(), size * 4));
    TN_TRY(context->set_buffer("more", &more, 8));
    TN_TRY(context->set_buffer("last", last.data(), size * 4));
    TN_TRY(context->set_buffer("all", all.data(), all.size() * 4));
    TN_TRY(context->set_buffer("side", side.data(), size * 4));
    return context->run();
  }
  void check(int64_t n, bool reversed = false) {
    const float w[] = {0.5f, 1, -2};
    const int64_t iterations = more <= -2 ? 1 : n;
    std::vector<float> h = x;
    for (int64_t i = 0; i < iterations; ++i) {
      const size_t slot = static_cast<size_t>(reversed ? n - 1 - i : i) * h.size();
      for (size_t k = 0; k < h.size(); ++k) {
        const float t = std::max(h[k] + w[k % 3], 0.0f);
        EXPECT_NEAR(all[slot + k], t, 1e-5f) << "iteration " << i;
        h[k] = t * w[k % 3];
      }
    }
    near(last, h);
    for (float& v : h) v = -v;
    near(side, h);
  }
};

TEST(Context, LoopsCarryAndStack) {
  for (uint32_t reversed : {0u, 1u}) {
    PlanBuilder b = looping_plan();
    b.region().steps[0].control.reversed = {reversed};
    auto engine = load(b.bytes());
    ASSERT_TRUE(engine) << engine.error().text();
    LoopRunner run(**engine), other(**engine);
    for (int64_t n : {2, 4, 1, 3, 2})
      for (int64_t flag : {0, -7, 5}) {
        EXPECT_EQ(text(run(n, flag, static_cast<uint32_t>(n + flag + 10))), "");
        run.check(n, reversed != 0);
        EXPECT_EQ(text(other(5 - n, flag, 3)), "");
        other.check(5 - n, reversed != 0);
      }
    const auto replay = run.context->replay();
    ASSERT_TRUE(replay);
    EXPECT_FALSE(replay->recorded);
  }
}

TEST(Context, ProfilersHearOfALoopOnce) {
  auto engine = load(looping_plan().bytes());
  ASSERT_TRUE(engine);
  LoopRunner run(**engine);
  std::vector<std::string> steps;
  ASSERT_TRUE(run.context->set_profiler([&](const plan::Step& step, double) { steps.push_back(step.name); }));
  EXPECT_EQ(text(run(4, 0, 1)), "");
  run.check(4);
  EXPECT_EQ(steps, (std::vector<std::string>{"loop", "neg(neg(x0))", "branch"}));
}

TEST(Context, WhatDoesNotFitALoopIsRefused) {
  struct Case {
    const char* message;
    void (*forge)(PlanBuilder& b);
  };
  const Case cases[] = {
      {"workspace of 256 bytes is too small", [](PlanBuilder& b) { b.plan.dims[5].value = 256; }},
      {"smaller than the arena of body", [](PlanBuilder& b) {
         b.region().steps[2].bodies[0].arena_bytes = 64;
       }},
      {"must not change its shape", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[6].dims = {3, 3}; }},
      {"must not change its shape", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[7].dims = {3, 0, 0}; }},
      {"must not change its shape", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[0].dims = {3, 0}; }},
      {"has 2 slices", [](PlanBuilder& b) { b.region().steps[0].control.selector = 3; }},
      {"runs kernel branch", [](PlanBuilder& b) {
         b.region().steps[2].control = {};
         b.region().steps[2].bodies.clear();
       }},
      {"would write over its input", [](PlanBuilder& b) {
         b.region().steps[1].inputs = {5};
         b.region().values[5].offset = 576;
         b.region().arena_bytes = 1024;
         const uint32_t first = b.arena({0, 3}, 768, 48);
         b.region().steps[0].inputs[0] = first;
         b.region().steps.insert(b.region().steps.begin(), PlanBuilder::pointwise("neg(neg(x0))", {0}, first));
         const uint32_t last = b.arena({0, 3}, 768, 48);
         b.region().steps[1].outputs[0] = last;
         b.region().steps.push_back(PlanBuilder::pointwise("neg(neg(x0))", {last}, 2));
         b.region().steps[3].inputs = {last, last};
       }},
  };
  for (const Case& c : cases) {
    PlanBuilder b = looping_plan();
    b.finish();
    c.forge(b);
    std::string error;
    auto bytes = plan::write(b.plan);
    if (!bytes) {
      error = bytes.error().text();
    } else if (auto engine = load(*bytes); !engine) {
      error = engine.error().text();
    } else {
      LoopRunner run(**engine);
      error = text(run(2, 0, 1));
    }
    EXPECT_NE(error.find(c.message), error.npos) << "expected '" << c.message << "', got '" << error << "'";
  }
}

}  // namespace
}  // namespace tenon
