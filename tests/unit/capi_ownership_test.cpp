// Objects go in any order, on any thread, also while they are used; contexts take one caller at a time.
#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>

#include "support/capi.h"

namespace tenon_test {
namespace {

class CapiOwnership : public CapiTest {};

TEST_F(CapiOwnership, RunObjectsGoInEveryOrder) {
  tenon::Blob plan_bytes = test_plan();
  std::vector<float> x = random_floats(16, 3), expected = reference(test_weights(), x);
  std::vector<int> order(5);
  std::iota(order.begin(), order.end(), 0);
  do {
    tenon::Blob plan = plan_bytes.share();
    tenon::Runtime runtime;
    tenon::Engine engine(runtime, plan);
    tenon::ExecutionContext context(engine), other(engine);
    tenon::Refitter refitter(engine);
    const std::function<void()> destroy[] = {
        [&] { tn_blob_destroy(plan.release()); }, [&] { tn_runtime_destroy(runtime.release()); },
        [&] { tn_engine_destroy(engine.release()); }, [&] { tn_execution_context_destroy(other.release()); },
        [&] { tn_refitter_destroy(refitter.release()); }};
    for (int i : order) {
      destroy[i]();
      expect_near(run(context, x), expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(CapiOwnership, BuildObjectsGoBeforeThePlan) {
  tenon::Blob plan;
  {
    std::optional<tenon::Builder> builder(std::in_place);
    std::optional<tenon::Blob> model(tenon::Blob::copy(test_model, sizeof test_model));
    tenon::Network network = tenon::Network::from_onnx(*builder, *model);
    model.reset();
    tenon::BuilderConfig config = test_config();
    tenon::Builder second;
    builder.reset();
    plan = second.build(network, config);
  }
  tenon::Engine engine{tenon::Runtime(), plan};
  EXPECT_EQ(engine.tensor_count(), 2u);
}

// A profiler that stops a run in its first layer until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false, open = false;

  void pass() {
    std::unique_lock lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
  }
  void wait_until_entered() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  void let_go() {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

TEST_F(CapiOwnership, ASecondCallerGetsBusyAndADestroyedContextFinishes) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::vector<float> x = random_floats(16, 9), y(3, NAN);
  context.set_input_shape("x", {1, 1, 4, 4});
  context.set_buffer("x", x.data(), x.size() * sizeof(float));
  context.set_buffer("y", y.data(), y.size() * sizeof(float));
  Gate gate;
  context.set_profiler([&](const tenon::LayerTime&) { gate.pass(); });
  tn_execution_context_t handle = context.get();
  auto result = std::async(std::launch::async, [&] { return tn_execution_context_run(handle); });
  gate.wait_until_entered();

  int32_t profile;
  size_t size;
  int64_t dims[4] = {1, 1, 4, 4};
  EXPECT_EQ(code_of(tn_execution_context_run(handle)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_enqueue(handle, nullptr)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_wait(handle)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_prepare(handle)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_get_profile(handle, &profile)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_set_profile(handle, 0)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_set_input_shape(handle, "x", dims, 4)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_set_buffer(handle, "y", y.data(), 12)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_set_profiler(handle, nullptr)), TN_ERROR_BUSY);
  EXPECT_EQ(code_of(tn_execution_context_get_shape(handle, "y", dims, 4, &size)), TN_ERROR_BUSY);

  tn_execution_context_destroy(context.release());  // while it runs
  tn_engine_destroy(engine.release());
  EXPECT_EQ(code_of(tn_execution_context_run(handle)), TN_ERROR_INVALID_HANDLE);
  gate.let_go();
  EXPECT_TRUE(ok(result.get()));
  expect_near(y, reference(test_weights(), x));
}

TEST_F(CapiOwnership, EnqueuedWorkIsWaitedFor) {
  for (int threads : {1, 2}) {
    tenon::Builder builder;
    tenon::Runtime runtime;
    runtime.set_thread_count(threads);
    EXPECT_EQ(runtime.thread_count(), threads);
    tenon::Engine engine(runtime, builder.build(test_network(builder), test_config(threads)));
    EXPECT_EQ(engine.thread_count(), threads);
    std::vector<float> x = random_floats(48, 4), y(9, NAN);  // outlive the context, which waits for its last run
    tenon::ExecutionContext context(engine);
    context.set_input_shape("x", {3, 1, 4, 4});
    context.set_buffer("x", x.data(), x.size() * sizeof(float));
    context.set_buffer("y", y.data(), y.size() * sizeof(float));
    context.prepare();
    context.wait();  // nothing to wait for
    const tenon::ExecutionContext::Parts parts = context.run_in_parts();
    expect_near(y, reference(test_weights(), x));
    EXPECT_EQ(parts.input, 0);
    EXPECT_GT(parts.enqueue, 0);
    EXPECT_EQ(parts.output, 0);
    EXPECT_FALSE(context.is_replayed());
    EXPECT_EQ(context.recording_count(), 0u);
    EXPECT_EQ(context.replay_refusal(), "the host launches every step itself");
    std::fill(y.begin(), y.end(), NAN);
    context.enqueue();
    EXPECT_EQ(code_of(tn_execution_context_run(context.get())), TN_ERROR_BUSY);
    context.wait();
    expect_near(y, reference(test_weights(), x));
    EXPECT_EQ(code_of(tn_execution_context_enqueue(context.get(), &x)),
              TN_ERROR_INVALID_ARGUMENT);  // no CUDA stream
    context.enqueue();                     // and nobody waits
  }
}

TEST_F(CapiOwnership, ManyContextsRunBesideEachOther) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  std::vector<float> x = random_floats(64, 8), expected;
  {
    tenon::ExecutionContext context(engine);
    expected = run(context, x);
  }
  expect_near(expected, reference(test_weights(), x));
  std::vector<std::future<bool>> all;
  for (int t = 0; t < 8; ++t)
    all.push_back(std::async(std::launch::async, [&] {
      tenon::ExecutionContext context(engine);
      for (int i = 0; i < 50; ++i)
        if (run(context, x) != expected) return false;
      return true;
    }));
  for (auto& one : all) EXPECT_TRUE(one.get());
}

TEST_F(CapiOwnership, ShapesAndBuffersAreChecked) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::string message;
  int64_t large[] = {5, 1, 4, 4};
  EXPECT_EQ(code_of(tn_execution_context_set_input_shape(context.get(), "x", large, 4), &message),
            TN_ERROR_OUT_OF_RANGE);
  EXPECT_NE(message.find("x"), std::string::npos) << message;
  EXPECT_NE(message.find("5"), std::string::npos) << message;
  EXPECT_NE(message.find("4"), std::string::npos) << message;
  EXPECT_EQ(code_of(tn_execution_context_set_input_shape(context.get(), "z", large, 4)), TN_ERROR_NOT_FOUND);
  EXPECT_NE(code_of(tn_execution_context_set_input_shape(context.get(), "x", large, 3)), TN_ERROR_NONE);
  EXPECT_NE(code_of(tn_execution_context_run(context.get())), TN_ERROR_NONE);  // nothing is set
  std::vector<float> x(32), y(6);
  context.set_input_shape("x", {2, 1, 4, 4});
  EXPECT_EQ(context.shape("y"), (tenon::Dims{2, 3}));
  context.set_buffer("x", x.data(), x.size() * sizeof(float));
  EXPECT_NE(code_of(tn_execution_context_run(context.get())), TN_ERROR_NONE);  // no output
  context.set_buffer("y", y.data(), y.size() * sizeof(float) - 1);
  EXPECT_NE(code_of(tn_execution_context_run(context.get())), TN_ERROR_NONE);  // too small
  context.set_buffer("y", y.data(), y.size() * sizeof(float));
  context.run();
  EXPECT_THROW(tenon::ExecutionContext(engine, 1), tenon::Error);
  EXPECT_THROW(tenon::ExecutionContext(engine, -1), tenon::Error);
  context.set_profile(0);
  EXPECT_EQ(context.profile(), 0);
}

}  // namespace
}  // namespace tenon_test
