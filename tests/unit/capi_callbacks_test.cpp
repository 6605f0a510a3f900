// Callbacks: released exactly once whatever happens, errors and exceptions come back as they were.
#include "support/capi.h"

namespace tenon_test {
namespace {

class CapiCallbacks : public CapiTest {};

void count_release(void* count) { ++*static_cast<int*>(count); }

TEST_F(CapiCallbacks, LoggerIsReleasedOnceWhenItsLastUserGoes) {
  int released = 0;
  tn_logger_callbacks callbacks = TN_LOGGER_CALLBACKS_INIT;
  callbacks.user_data = &released;
  callbacks.log = [](void*, tn_severity, const char* message, size_t size) {
    EXPECT_EQ(std::strlen(message), size);
  };
  callbacks.release = count_release;
  tn_logger_t logger = nullptr;
  ASSERT_TRUE(ok(tn_logger_create(&callbacks, TN_SEVERITY_VERBOSE, &logger)));
  {
    tenon::Builder builder;
    ASSERT_TRUE(ok(tn_builder_set_logger(builder.get(), logger)));
    tn_logger_destroy(logger);
    EXPECT_EQ(released, 0);
    builder.build(test_network(builder), test_config());
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
}

TEST_F(CapiCallbacks, RefusedTablesAreReleasedOnce) {
  int released = 0;
  tn_logger_callbacks log = TN_LOGGER_CALLBACKS_INIT;
  log.user_data = &released;
  log.release = count_release;
  tn_logger_t logger = nullptr;
  EXPECT_EQ(code_of(tn_logger_create(&log, TN_SEVERITY_INFO, &logger)), TN_ERROR_INVALID_ARGUMENT);  // no log
  EXPECT_EQ(released, 1);
  log.log = [](void*, tn_severity, const char*, size_t) {};
  EXPECT_EQ(code_of(tn_logger_create(&log, 99, &logger)), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(code_of(tn_logger_create(&log, TN_SEVERITY_INFO, nullptr)), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(released, 3);

  tn_allocator_callbacks memory = TN_ALLOCATOR_CALLBACKS_INIT;
  memory.user_data = &released;
  memory.release = count_release;
  tn_allocator_t allocator = nullptr;
  EXPECT_EQ(code_of(tn_allocator_create(&memory, &allocator)), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(released, 4);

  tn_progress_callbacks progress = TN_PROGRESS_CALLBACKS_INIT;
  progress.user_data = &released;
  progress.release = count_release;
  progress.update = [](void*, const char*, double) -> tn_error_t { return nullptr; };
  EXPECT_EQ(code_of(tn_builder_config_set_progress(nullptr, &progress)), TN_ERROR_INVALID_HANDLE);
  EXPECT_EQ(released, 5);

  tn_profiler_callbacks profiler = TN_PROFILER_CALLBACKS_INIT;
  profiler.user_data = &released;
  profiler.release = count_release;
  EXPECT_EQ(code_of(tn_execution_context_set_profiler(nullptr, &profiler)), TN_ERROR_INVALID_HANDLE);
  EXPECT_EQ(released, 6);
}

TEST_F(CapiCallbacks, TablesOfOtherVersionsAreChecked) {
  struct Newer {
    tn_logger_callbacks known;
    void* unknown;
  } newer = {TN_LOGGER_CALLBACKS_INIT, nullptr};
  newer.known.struct_size = sizeof newer;
  newer.known.log = [](void*, tn_severity, const char*, size_t) {};
  tn_logger_t logger = nullptr;
  EXPECT_TRUE(
      ok(tn_logger_create(&newer.known, TN_SEVERITY_INFO, &logger)));  // what it does not know is not used
  tn_logger_destroy(logger);
  newer.unknown = &newer;
  EXPECT_EQ(code_of(tn_logger_create(&newer.known, TN_SEVERITY_INFO, &logger)), TN_ERROR_UNSUPPORTED);
  newer.known.struct_size = 8;
  EXPECT_EQ(code_of(tn_logger_create(&newer.known, TN_SEVERITY_INFO, &logger)), TN_ERROR_INVALID_ARGUMENT);
}

TEST_F(CapiCallbacks, ProgressRisesAndCancels) {
  tenon::Builder builder;
  tenon::Network network = test_network(builder);
  tenon::BuilderConfig config = test_config();
  double last = 0;
  int calls = 0;
  config.set_progress([&](std::string_view phase, double fraction) {
    EXPECT_FALSE(phase.empty());
    EXPECT_GE(fraction, last);
    EXPECT_LE(fraction, 1.0);
    last = fraction;
    ++calls;
    return true;
  });
  builder.build(network, config);
  EXPECT_GT(calls, 1);
  for (int stop = 1; stop <= std::min(calls, 12); ++stop) {
    int left = stop;
    config.set_progress([&](std::string_view, double) { return --left > 0; });
    try {
      builder.build(network, config);
      ADD_FAILURE() << "not cancelled at call " << stop;
    } catch (const tenon::Error& error) {
      EXPECT_EQ(error.code(), tenon::ErrorCode::cancelled);
    }
  }
  config.set_progress(nullptr);
  builder.build(network, config);
}

TEST_F(CapiCallbacks, AnExceptionComesBackAsItself) {
  struct Mine {
    int number;
  };
  tenon::Builder builder;
  tenon::BuilderConfig config = test_config();
  config.set_progress([](std::string_view, double) -> bool { throw Mine{42}; });
  try {
    builder.build(test_network(builder), config);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Mine& mine) {
    EXPECT_EQ(mine.number, 42);
  }
}

TEST_F(CapiCallbacks, AnErrorKeepsItsCodeMessageAndPayload) {
  int released = 0;
  tn_progress_callbacks callbacks = TN_PROGRESS_CALLBACKS_INIT;
  callbacks.user_data = &released;
  callbacks.update = [](void* user_data, const char*, double) {
    return tn_error_create(TN_ERROR_DEVICE, "the sky fell", user_data, count_release);
  };
  tenon::Builder builder;
  tenon::BuilderConfig config = test_config();
  ASSERT_TRUE(ok(tn_builder_config_set_progress(config.get(), &callbacks)));
  tenon::Network network = test_network(builder);
  tn_blob_t plan = nullptr;
  tn_error_t error = tn_builder_build(builder.get(), network.get(), config.get(), &plan, nullptr);
  EXPECT_EQ(tn_error_get_payload(error), &released);
  EXPECT_EQ(released, 0);
  std::string message;
  EXPECT_EQ(code_of(error, &message), TN_ERROR_DEVICE);
  EXPECT_NE(message.find("the sky fell"), std::string::npos);
  EXPECT_EQ(released, 1);
}

TEST_F(CapiCallbacks, AllocatorGivesAndGetsBackAllMemory) {
  tenon::Blob plan = test_plan();
  int64_t held = 0, calls = 0;
  {
    tenon::Runtime runtime;
    runtime.set_allocator(tenon::Allocator(
        [&](size_t size, size_t alignment) {
          held += static_cast<int64_t>(size);
          ++calls;
          return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
        },
        [&](void* memory, size_t size, size_t) {
          held -= static_cast<int64_t>(size);
          std::free(memory);
        }));
    tenon::Engine engine(runtime, plan);
    tenon::ExecutionContext context(engine);
    std::vector<float> x = random_floats(32, 5);
    expect_near(run(context, x), reference(test_weights(), x));
    EXPECT_GT(held, 0);
  }
  EXPECT_EQ(held, 0);
  EXPECT_GT(calls, 0);

  // Each allocation in turn fails: with nothing, and with an exception.
  for (int64_t fail_at = 1; fail_at <= calls; ++fail_at)
    for (bool throws : {false, true}) {
      int64_t left = fail_at;
      tenon::Runtime runtime;
      runtime.set_allocator(tenon::Allocator(
          [&](size_t size, size_t alignment) -> void* {
            if (--left == 0) {
              if (throws) throw std::string("no more");
              return nullptr;
            }
            held += static_cast<int64_t>(size);
            return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
          },
          [&](void* memory, size_t size, size_t) {
            held -= static_cast<int64_t>(size);
            std::free(memory);
          }));
      try {
        tenon::Engine engine(runtime, plan);
        tenon::ExecutionContext context(engine);
        run(context, random_floats(32, 5));
        ADD_FAILURE() << "nothing failed when allocation " << fail_at << " did";
      } catch (const tenon::Error& error) {
        EXPECT_FALSE(throws);
        EXPECT_EQ(error.code(), tenon::ErrorCode::out_of_memory);
      } catch (const std::string& mine) {
        EXPECT_TRUE(throws);
        EXPECT_EQ(mine, "no more");
      }
    }
  EXPECT_EQ(held, 0);
}

TEST_F(CapiCallbacks, ProfilerHearsOfEveryLayer) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::vector<int> heard(engine.layer_count());
  context.set_profiler([&](const tenon::LayerTime& time) {
    ASSERT_LT(time.index, heard.size());
    ++heard[time.index];
    EXPECT_EQ(time.name, engine.layer_name(0, time.index));
    EXPECT_EQ(time.kernel, engine.layer_kernel(0, time.index));
    EXPECT_EQ(time.origins, engine.layer_origins(0, time.index));
    EXPECT_GE(time.microseconds, 0);
  });
  run(context, random_floats(16, 1));
  EXPECT_EQ(heard, std::vector<int>(heard.size(), 1));
  context.set_profiler([](const tenon::LayerTime&) { throw std::runtime_error("enough"); });
  EXPECT_THROW(run(context, random_floats(16, 1)), std::runtime_error);
  context.set_profiler(nullptr);
  run(context, random_floats(16, 1));
  EXPECT_EQ(heard, std::vector<int>(heard.size(), 1));
}

}  // namespace
}  // namespace tenon_test
