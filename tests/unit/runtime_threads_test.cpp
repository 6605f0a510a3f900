#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/live_count.h"
#include "runtime/engine.h"
#include "support/plans.h"
#include "support/small_runs.h"

namespace tenon {
namespace {

using test::PlanBuilder;
using test::small_plan;

int thread_count() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

std::shared_ptr<Engine> load(const std::vector<std::byte>& bytes, int threads,
                             const KernelTable* kernels = nullptr) {
  EngineOptions options;
  options.threads = threads;
  options.kernels = kernels;
  auto engine = Engine::load(bytes, options, Log{});
  EXPECT_TRUE(engine) << engine.error().text();
  return *engine;
}

// x [n] → y [n] = x + 1, in parallel over the elements.
const Kernel kParallel = {"test.parallel",
                          0,
                          0,
                          0,
                          [](const PrepareCall&, Prepared&) -> Status { return {}; },
                          [](const LaunchCall& call) -> Status {
                            auto* x = call.inputs[0].as<float>();
                            auto* y = call.outputs[0].as<float>();
                            call.team->parallel_for(call.inputs[0].count(),
                                                    [&](int64_t begin, int64_t end, int) {
                                                      for (int64_t i = begin; i < end; ++i) y[i] = x[i] + 1;
                                                    });
                            return {};
                          }};

// Waits until the test opens the gate.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false, reached = false;

  void pass() {
    std::unique_lock lock(mutex);
    reached = true;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
  }
  void await() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return reached; });
  }
  void release() {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};
Gate* gate = nullptr;
const Kernel kGated = {"test.gated",
                       0,
                       0,
                       0,
                       [](const PrepareCall&, Prepared&) -> Status { return {}; },
                       [](const LaunchCall& call) -> Status {
                         gate->pass();
                         *call.outputs[0].as<float>() = 7;
                         return {};
                       }};
const Kernel kFailing = {
    "test.failing",
    0,
    0,
    0,
    [](const PrepareCall&, Prepared&) -> Status { return {}; },
    [](const LaunchCall&) -> Status { return fail(Code::out_of_range, "a planned failure"); }};

const KernelTable& test_kernels() {
  static const Kernel* const kernels[] = {&kParallel, &kGated, &kFailing};
  static const KernelTable table(kernels);
  return table;
}

std::vector<std::byte> one_step(const char* kernel, int64_t count, int steps = 1) {
  PlanBuilder b;
  uint32_t n = b.constant(count), last = b.input("x", {n});
  for (int i = 0; i < steps; ++i) {
    uint32_t next =
        i + 1 == steps ? b.output("y", {n}) : b.arena({n}, i % 2 * 4096, static_cast<uint64_t>(count) * 4);
    plan::Step step;
    step.kernel = kernel;
    step.inputs = {last};
    step.outputs = {next};
    b.add(step);
    last = next;
  }
  return b.bytes();
}

// A context of one_step with its buffers.
struct Runner {
  std::vector<float> x, y;
  std::unique_ptr<Context> context;
  Runner(Engine& engine, int64_t count, float value)
      : x(static_cast<size_t>(count), value), y(x.size(), NAN) {
    context = std::move(*engine.create_context(0));
    EXPECT_TRUE(context->set_buffer("x", x.data(), x.size() * 4));
    EXPECT_TRUE(context->set_buffer("y", y.data(), y.size() * 4));
  }
};

TEST(Threads, SixteenCallersOfSixteenContextsAgreeBitForBit) {
  for (int threads : {1, 3}) {
    auto engine = load(small_plan().bytes(), threads);
    std::vector<std::byte> want = test::run_anything(*engine);
    ASSERT_FALSE(want.empty());
    std::vector<std::thread> callers;
    std::atomic<int> same{0};
    for (int i = 0; i < 16; ++i)
      callers.emplace_back([&] {
        for (int round = 0; round < 16; ++round) same += test::run_anything(*engine) == want;
      });
    for (std::thread& t : callers) t.join();
    EXPECT_EQ(same, 256);
  }
}

TEST(Threads, TheTeamIsTheEnginesWhateverTheNumberOfCallers) {
  int before = thread_count();
  auto engine = load(one_step("test.parallel", 100, 20), 4, &test_kernels());
  EXPECT_EQ(thread_count(), before + 3);
  std::atomic<int> most{0}, right{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i)
    callers.emplace_back([&, i] {
      Runner r(*engine, 100, static_cast<float>(i));
      for (int round = 0; round < 50; ++round) {
        right += static_cast<bool>(r.context->run()) && r.y[99] == static_cast<float>(i + 20);
        int now = thread_count();
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
      }
    });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(right, 16 * 50);
  EXPECT_LE(most, before + 3 + 16);
  Runner r(*engine, 100, 1);
  ASSERT_TRUE(r.context->enqueue());
  ASSERT_TRUE(r.context->wait());
  EXPECT_EQ(thread_count(), before + 4);  // the dispatcher stands in for the caller
  r.context.reset();
  engine.reset();
  EXPECT_EQ(thread_count(), before);
}

TEST(Threads, ASecondCallerIsToldThatTheContextIsBusy) {
  for (int threads : {1, 2}) {
    Gate own;
    gate = &own;
    auto engine = load(one_step("test.gated", 1), threads, &test_kernels());
    Runner r(*engine, 1, 0);
    std::thread first([&] { EXPECT_TRUE(r.context->run()); });
    own.await();
    auto is_busy = [](const Status& status) { return !status && status.error().code == Code::busy; };
    EXPECT_TRUE(is_busy(r.context->run()));
    EXPECT_TRUE(is_busy(r.context->enqueue()));
    EXPECT_TRUE(is_busy(r.context->prepare()));
    EXPECT_TRUE(is_busy(r.context->set_buffer("x", r.x.data(), 4)));
    EXPECT_TRUE(is_busy(r.context->set_input_shape("x", std::vector<int64_t>{1})));
    EXPECT_TRUE(is_busy(r.context->set_profiler(nullptr)));
    EXPECT_EQ(r.context->shape("x").error().code, Code::busy);
    own.release();
    first.join();
    EXPECT_TRUE(r.context->run());
    EXPECT_EQ(r.y[0], 7);
  }
}

TEST(Threads, EnqueueReturnsAtOnceAndWaitGivesTheResult) {
  Gate own;
  gate = &own;
  auto engine = load(one_step("test.gated", 1), 2, &test_kernels());
  Runner a(*engine, 1, 0), b(*engine, 1, 0);
  ASSERT_TRUE(a.context->enqueue());
  ASSERT_TRUE(b.context->enqueue());
  own.await();
  EXPECT_EQ(a.context->enqueue().error().code, Code::busy);
  EXPECT_EQ(b.context->run().error().code, Code::busy);
  EXPECT_TRUE(std::isnan(a.y[0]));
  own.release();
  ASSERT_TRUE(b.context->wait());
  EXPECT_EQ(a.y[0], 7);
  EXPECT_EQ(b.y[0], 7);
  ASSERT_TRUE(a.context->wait());
  ASSERT_TRUE(a.context->enqueue());
  ASSERT_TRUE(a.context->wait());
}

TEST(Threads, AContextThatGoesWaitsForItsWork) {
  Gate own;
  gate = &own;
  auto engine = load(one_step("test.gated", 1), 2, &test_kernels());
  auto r = std::make_unique<Runner>(*engine, 1, 0);
  ASSERT_TRUE(r->context->enqueue());
  own.await();
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    own.release();
  });
  r->context.reset();
  EXPECT_EQ(r->y[0], 7);
  opener.join();
}

TEST(Threads, AFailureOfQueuedWorkDoesNotPassUnseen) {
  for (int threads : {1, 2}) {
    auto engine = load(one_step("test.failing", 1), threads, &test_kernels());
    Runner r(*engine, 1, 0);
    ASSERT_TRUE(r.context->enqueue());
    EXPECT_FALSE(r.context->wait());
    EXPECT_FALSE(r.context->wait());
    ASSERT_TRUE(r.context->enqueue());
    for (Status status;;) {  // nobody waits: the next call tells, once the work is done
      status = r.context->enqueue();
      ASSERT_FALSE(status);
      if (status.error().code == Code::busy) continue;
      EXPECT_NE(status.error().text().find("a planned failure"), std::string::npos);
      break;
    }
    EXPECT_TRUE(r.context->enqueue());
  }
}

TEST(Threads, RefitWhileContextsRun) {
  const std::vector<float> old_scale = {1, 2, 3}, new_scale = {4, 5, 6};
  for (int threads : {1, 2}) {
    auto engine = load(small_plan().bytes(), threads);
    auto changed = load(small_plan(new_scale).bytes(), threads);
    std::vector<std::byte> with_old = test::run_anything(*engine), with_new = test::run_anything(*changed);
    ASSERT_NE(with_old, with_new);
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
      callers.emplace_back([&] {
        while (!stop) {
          std::vector<std::byte> got = test::run_anything(*engine);
          wrong += got != with_old && got != with_new;
        }
      });
    for (int round = 0; round < 40; ++round) {
      const std::vector<float>& scale = round % 2 ? old_scale : new_scale;
      std::vector<Engine::NewWeight> weights = {{"scale", DType::f32, {3}, std::as_bytes(std::span(scale))}};
      ASSERT_TRUE(engine->refit(weights));
    }
    stop = true;
    for (std::thread& t : callers) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(test::run_anything(*engine), with_old);
  }
  EXPECT_EQ(live_count(LiveType::weights), 0);
}

}  // namespace
}  // namespace tenon
