// Every allocation of building, loading, running and refitting a small network fails in turn, once and for
// good: each run must end in an error of its own (or not need the memory), crash nothing, leak nothing and
// leave no object alive.
//
//     allocation [--sample N] [--canary]
//
// `operator new` is this program's, also for the library. --sample N: about N places of each sweep instead of
// all of them. --canary leaks on purpose.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>

#include "support/test_model.h"
#include "tenon/tenon.h"

namespace {

std::atomic<int64_t> countdown{-1};   // below 0: nothing fails; the allocation that finds 1 fails
std::atomic<bool> for_good{false};    // then every later one fails too
std::atomic<int64_t> outstanding{0};  // blocks

void* allocate(size_t size, size_t alignment) {
  int64_t left = countdown.load(std::memory_order_relaxed);
  if (left == 0 && for_good) return nullptr;
  if (left >= 0) {
    left = countdown.fetch_sub(1);
    if (left < 1 && for_good) countdown = 0;  // two threads found the last one
    if (left == 1 || (left < 1 && for_good)) return nullptr;
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment < sizeof(void*) ? sizeof(void*) : alignment, size ? size : 1) != 0)
    return nullptr;
  outstanding.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* allocate_or_throw(size_t size, size_t alignment) {
  if (void* memory = allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}

void release(void* memory) {
  if (memory) outstanding.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

constexpr size_t kAlign = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

void* operator new(size_t size) { return allocate_or_throw(size, kAlign); }
void* operator new[](size_t size) { return allocate_or_throw(size, kAlign); }
void* operator new(size_t size, std::align_val_t a) { return allocate_or_throw(size, size_t(a)); }
void* operator new[](size_t size, std::align_val_t a) { return allocate_or_throw(size, size_t(a)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size, kAlign); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size, kAlign); }
void* operator new(size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, size_t(a));
}
void* operator new[](size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, size_t(a));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, size_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }

namespace {

int threads = 1;
bool onednn = false;
tn_blob_t good_plan = nullptr;
int leaked = 0;  // planted

#define TRY(call)                 \
  do {                            \
    if (tn_error_t e_ = (call)) { \
      error = e_;                 \
      goto out;                   \
    }                             \
  } while (0)

// Import and build; gives the plan if it is asked for.
tn_error_t build(tn_blob_t* out_plan) {
  tn_error_t error = nullptr;
  tn_builder_t builder = nullptr;
  tn_network_t network = nullptr;
  tn_builder_config_t config = nullptr;
  tn_optimization_profile_t profile = nullptr;
  tn_blob_t plan = nullptr, report = nullptr, document = nullptr;
  const int64_t dims[3][4] = {{1, 1, 4, 4}, {2, 1, 4, 4}, {4, 1, 4, 4}};
  TRY(tn_builder_create(&builder));
  TRY(tn_network_create_from_onnx(builder, test_model, sizeof test_model, &network));
  TRY(tn_network_get_information(network, TN_DOCUMENT_FORMAT_JSON, &document));
  TRY(tn_builder_config_create(&config));
  TRY(tn_optimization_profile_create(&profile));
  for (int i = 0; i < 3; ++i) TRY(tn_optimization_profile_set_shape(profile, "x", i, dims[i], 4));
  TRY(tn_builder_config_add_profile(config, profile, nullptr));
  TRY(tn_builder_config_set_thread_count(config, threads));
  TRY(tn_builder_config_set_onednn_enabled(config, onednn));
  TRY(tn_builder_config_set_option(config, "timer", "fake"));
  TRY(tn_builder_build(builder, network, config, &plan, &report));
  if (out_plan) {
    *out_plan = plan;
    plan = nullptr;
  }
out:
  tn_blob_destroy(plan);
  tn_blob_destroy(report);
  tn_blob_destroy(document);
  tn_optimization_profile_destroy(profile);
  tn_builder_config_destroy(config);
  tn_network_destroy(network);
  tn_builder_destroy(builder);
  return error;
}

// A model is surveyed, given a weight, imported and written; a plan is written to look at.
tn_error_t survey_and_write() {
  tn_error_t error = nullptr;
  tn_builder_t builder = nullptr;
  tn_blob_t file = nullptr, data = nullptr, document = nullptr, answer = nullptr, model_bytes = nullptr, weights = nullptr,
            view = nullptr;
  tn_onnx_model_t model = nullptr;
  tn_network_t network = nullptr;
  tn_engine_inspector_t inspector = nullptr;
  int32_t supported = 0;
  const void* plan = nullptr;
  size_t plan_size = 0;
  const float values[3] = {1, 2, 3};
  const int64_t dims[1] = {3};
  static const char report[] = R"({"network": "small", "nodes": [{"name": "n", "kernel": "k", "microseconds": 1.5}]})";
  TRY(tn_builder_create(&builder));
  TRY(tn_blob_create(test_model, sizeof test_model, &file));
  TRY(tn_blob_create(values, sizeof values, &data));
  TRY(tn_onnx_operator_get_capability("", "Rellu", 17, TN_DOCUMENT_FORMAT_JSON, &supported, &answer));
  TRY(tn_onnx_model_create_from_blob(builder, file, &model));
  TRY(tn_onnx_model_set_initializer(model, data, "b2", TN_DATA_TYPE_FLOAT32, dims, 1, 0));
  TRY(tn_onnx_model_get_capability(model, TN_DOCUMENT_FORMAT_JSON, &supported, &document));
  TRY(tn_network_create_from_onnx_model(model, &network));
  TRY(tn_network_serialize_to_onnx(network, "weights.bin", &model_bytes, &weights));
  TRY(tn_blob_get_data(good_plan, &plan, &plan_size));
  TRY(tn_engine_inspector_create_from_plan(plan, plan_size, &inspector));
  // The report is of another network: it is read, and refused.
  if (tn_error_t refused = tn_engine_inspector_serialize_to_onnx(inspector, 0, report, sizeof report - 1, &view)) {
    const bool as_meant = tn_error_get_code(refused) == TN_ERROR_INVALID_ARGUMENT;
    if (!as_meant) {
      error = refused;
      goto out;
    }
    tn_error_destroy(refused);
  }
  TRY(tn_engine_inspector_serialize_to_onnx(inspector, 0, nullptr, 0, &view));
out:
  tn_blob_destroy(view);
  tn_blob_destroy(weights);
  tn_blob_destroy(model_bytes);
  tn_blob_destroy(document);
  tn_blob_destroy(answer);
  tn_blob_destroy(data);
  tn_blob_destroy(file);
  tn_engine_inspector_destroy(inspector);
  tn_network_destroy(network);
  tn_onnx_model_destroy(model);
  tn_builder_destroy(builder);
  return error;
}

// The caller's allocator, which fails with the rest.
tn_error_t give(void*, size_t size, size_t alignment, void** out_memory) {
  *out_memory = allocate(size, alignment);
  return nullptr;
}
void take(void*, void* memory, size_t, size_t) { release(memory); }

// Load, inspect, run, refit, serialise.
tn_error_t run() {
  tn_error_t error = nullptr;
  tn_runtime_t runtime = nullptr;
  tn_allocator_t allocator = nullptr;
  tn_engine_t engine = nullptr;
  tn_execution_context_t context = nullptr;
  tn_engine_inspector_t inspector = nullptr;
  tn_refitter_t refitter = nullptr;
  tn_blob_t document = nullptr, serialized = nullptr;
  const void* plan = nullptr;
  size_t plan_size = 0;
  const int64_t dims[4] = {3, 1, 4, 4};
  const struct {
    const char* name;
    const float* values;
    size_t size, rank;
    int64_t dims[4];
  } weights[4] = {{"w1", test_model_w1, sizeof test_model_w1, 4, {2, 1, 3, 3}},
                  {"b1", test_model_b1, sizeof test_model_b1, 1, {2}},
                  {"w2", test_model_w2, sizeof test_model_w2, 2, {32, 3}},
                  {"b2", test_model_b2, sizeof test_model_b2, 1, {3}}};
  float x[48] = {1, 2, 3}, y[9];
  tn_allocator_callbacks callbacks = TN_ALLOCATOR_CALLBACKS_INIT;
  callbacks.allocate = give;
  callbacks.deallocate = take;
  TRY(tn_blob_get_data(good_plan, &plan, &plan_size));
  TRY(tn_runtime_create(&runtime));
  TRY(tn_runtime_set_thread_count(runtime, threads));
  TRY(tn_allocator_create(&callbacks, &allocator));
  TRY(tn_runtime_set_allocator(runtime, allocator));
  TRY(tn_engine_create(runtime, plan, plan_size, &engine));
  TRY(tn_engine_inspector_create(engine, &inspector));
  TRY(tn_engine_inspector_get_information(inspector, TN_DOCUMENT_FORMAT_TEXT, &document));
  TRY(tn_execution_context_create(engine, 0, &context));
  TRY(tn_execution_context_set_input_shape(context, "x", dims, 4));
  TRY(tn_execution_context_set_buffer(context, "x", x, sizeof x));
  TRY(tn_execution_context_set_buffer(context, "y", y, sizeof y));
  TRY(tn_execution_context_run(context));
  TRY(tn_execution_context_enqueue(context, nullptr));
  TRY(tn_execution_context_wait(context));
  TRY(tn_refitter_create(engine, &refitter));
  for (const auto& w : weights)
    TRY(tn_refitter_set_weight(refitter, w.name, TN_DATA_TYPE_FLOAT32, w.dims, w.rank, w.values, w.size));
  TRY(tn_refitter_apply(refitter));
  TRY(tn_execution_context_run(context));
  TRY(tn_engine_serialize(engine, &serialized));
out:
  tn_blob_destroy(serialized);
  tn_blob_destroy(document);
  tn_refitter_destroy(refitter);
  tn_engine_inspector_destroy(inspector);
  tn_engine_destroy(engine);
  tn_runtime_destroy(runtime);
  tn_execution_context_destroy(context);
  tn_allocator_destroy(allocator);
  return error;
}

int64_t live() {
  int64_t count = -1;
  tn_error_destroy(tn_debug_get_live_count("all", &count));
  return count;
}

struct Counts {
  int64_t passed = 0, failed = 0;
  void fail(const char* sweep, int64_t place, const char* what) {
    if (++failed <= 20)
      std::printf("FAILED fault: %s, allocation %lld: %s\n", sweep, static_cast<long long>(place), what);
  }
};

// One sweep; returns when a run needs fewer allocations than the place that should fail.
template <class Scenario>
void sweep(const char* name, bool good, int64_t sample, Scenario scenario, Counts& counts) {
  tn_error_destroy(scenario());  // what lives as long as the process is made now
  tn_error_destroy(scenario());
  int64_t blocks = outstanding, objects = live();
  countdown = INT64_MAX;
  tn_error_destroy(scenario());
  int64_t total = INT64_MAX - countdown;
  countdown = -1;
  int64_t step = sample > 0 && total > sample ? total / sample : 1;
  std::printf("%s: %lld allocations, every %lld%s\n", name, static_cast<long long>(total),
              static_cast<long long>(step), step == 1 ? "" : "th or so");
  std::fflush(stdout);
  if (total < 100) counts.fail(name, 0, "this program's operator new is not the library's");
  uint64_t random = 0x9e3779b97f4a7c15u;
  for (int64_t place = 1; place <= total;) {
    for_good = good;
    countdown = place;
    tn_error_t error = scenario();
    // A run that timed kernels otherwise may need an allocation less than the one that was counted.
    const bool happened = countdown < 1;
    countdown = -1;
    const char* wrong = nullptr;
    tn_error_code code = tn_error_get_code(error);
    if (good && happened && code == TN_ERROR_NONE) wrong = "no error, though nothing could be allocated any more";
    if (error && code != TN_ERROR_OUT_OF_MEMORY) wrong = "an error that is not OUT_OF_MEMORY";
    char message[256] = "";
    tn_error_get_message(error, message, sizeof message, nullptr);
    tn_error_destroy(error);
    if (leaked) {
      [[maybe_unused]] static void* volatile lost;
      lost = operator new(1);
      --leaked;
    }
    if (outstanding != blocks && !onednn) wrong = "memory is lost";
    if (live() != objects) wrong = "objects are left";
    if (wrong) {
      char text[512];
      std::snprintf(text, sizeof text, "%s (%lld blocks, %lld objects more; error: %s)", wrong,
                    static_cast<long long>(outstanding - blocks), static_cast<long long>(live() - objects),
                    message);
      counts.fail(name, place, text);
      blocks = outstanding;
      objects = live();
    } else {
      ++counts.passed;
    }
    random = random * 6364136223846793005u + 1442695040888963407u;
    place += step == 1 || place < 200
                 ? 1
                 : 1 + static_cast<int64_t>((random >> 33) % static_cast<uint64_t>(2 * step - 1));
  }
  if (tn_error_t error = scenario()) {
    counts.fail(name, 0, "the scenario fails after the sweep");
    tn_error_destroy(error);
  }
}

// The plan that the later sweeps load.
bool make_plan() {
  tn_blob_destroy(good_plan);
  good_plan = nullptr;
  tn_error_t error = build(&good_plan);
  if (!error) return true;
  char message[1024];
  tn_error_get_message(error, message, sizeof message, nullptr);
  std::printf("FAILED fault: the network cannot be built: %s\n0 passed, 1 failed, 0 skipped\n", message);
  tn_error_destroy(error);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t sample = 0;
  bool canary = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--sample") == 0 && i + 1 < argc) sample = std::atoll(argv[++i]);
    if (std::strcmp(argv[i], "--canary") == 0) canary = true;
  }
  Counts counts;
  if (canary) {
    if (!make_plan()) return 1;
    leaked = 1;
    sweep("planted leak", false, 10, run, counts);
  }
  for (bool with : {false, true}) {
    if (canary) break;
    onednn = with;
    threads = 1;
    if (!make_plan()) return 1;
    std::printf("%s oneDNN\n", with ? "with" : "without");
    for (bool good : {false, true}) {
      sweep(
          good ? "build, failing for good" : "build, failing once", good, sample,
          [] { return build(nullptr); }, counts);
      if (!with)
        sweep(good ? "survey and write, failing for good" : "survey and write, failing once", good, sample, survey_and_write,
              counts);
      sweep(good ? "load and run, failing for good" : "load and run, failing once", good, sample, run,
            counts);
    }
    threads = 2;
    sweep("load and run with two threads, failing once", false, sample, run, counts);
  }
  tn_blob_destroy(good_plan);
  std::printf("%lld passed, %lld failed, 0 skipped\n", static_cast<long long>(counts.passed),
              static_cast<long long>(counts.failed));
  return counts.failed != 0;
}
