// What stands behind each type of handle. Fields are guarded by the object's mutex where it has one; a mutex
// is never held while the caller's code runs, which a callback, a release function or the destructor of
// either may do.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/allocator.h"
#include "base/limits.h"
#include "compile/compile.h"
#include "compile/onnx_model.h"
#include "handle.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "runtime/engine.h"
#include "tactics/timing_cache.h"
#include "tenon/tenon.h"

namespace tenon::capi {

struct ErrorObject : Object<ObjectType::error> {
  tn_error_code code = TN_ERROR_INTERNAL;
  std::string message;
  std::shared_ptr<void> payload;
};

struct BlobObject : Object<ObjectType::blob> {
  Bytes bytes;
};

// A copy of a caller's table of functions; released when it goes.
template <class Callbacks>
struct Table {
  Callbacks functions{};

  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() {
    if (functions.release) functions.release(functions.user_data);
  }
};

struct LoggerObject : Object<ObjectType::logger> {
  Table<tn_logger_callbacks> table;
  tn_severity max_severity = TN_SEVERITY_INFO;
};

struct AllocatorObject : Object<ObjectType::allocator>, Allocator {
  Table<tn_allocator_callbacks> table;
  // An error of the callback becomes the failure of the call that this thread is in: see CallFrame.
  void* allocate(size_t bytes, size_t alignment) override;
  void free(void* data, size_t bytes, size_t alignment) override;
};

struct DeviceObject : Object<ObjectType::device> {
  std::string name;
  const Device* device = nullptr;
  tn_device_type kind = TN_DEVICE_TYPE_CPU;
};

struct TimingCacheObject : Object<ObjectType::timing_cache> {
  std::shared_ptr<TimingCache> cache;
};

struct OptimizationProfileObject : Object<ObjectType::optimization_profile> {
  using Shapes = std::array<std::optional<std::vector<int64_t>>, 3>;  // by selector
  mutable std::mutex mutex;
  std::map<std::string, Shapes, std::less<>> inputs;
};

struct BuilderConfigObject : Object<ObjectType::builder_config> {
  mutable std::mutex mutex;
  BuildConfig config;
  std::map<std::string, std::string, std::less<>> options;  // as they were set
  std::shared_ptr<Table<tn_progress_callbacks>> progress;
};

struct NetworkObject : Object<ObjectType::network> {
  std::shared_ptr<const void> owner;  // of bytes that the graph's weights are views of
  Graph graph;
  explicit NetworkObject(Graph g) : graph(std::move(g)) {}
};

struct BuilderObject : Object<ObjectType::builder> {
  mutable std::mutex mutex;
  std::shared_ptr<LoggerObject> logger;
  Limits limits;
};

struct RuntimeObject : Object<ObjectType::runtime> {
  mutable std::mutex mutex;
  std::shared_ptr<LoggerObject> logger;
  std::shared_ptr<AllocatorObject> allocator;
  int32_t thread_count = 0;
  Limits limits;
};

struct EngineObject : Object<ObjectType::engine> {
  std::shared_ptr<Engine> engine;
  int32_t thread_count = 0;
};

struct ExecutionContextObject : Object<ObjectType::execution_context> {
  std::shared_ptr<EngineObject> engine;
  std::atomic<bool> busy{false};  // guards all that follows
  bool enqueued = false;
  int32_t profile = 0;
  std::unique_ptr<Context> context;
  std::shared_ptr<struct Profiler> profiler;

  ~ExecutionContextObject();
};

struct EngineInspectorObject : Object<ObjectType::engine_inspector> {
  std::shared_ptr<EngineObject> engine;  // or:
  std::vector<std::byte> bytes;
  plan::Plan plan;
};

struct RefitterObject : Object<ObjectType::refitter> {
  struct Weight {
    std::string name;
    DType dtype;
    std::vector<int64_t> dims;
    std::string pin_reason;
  };
  struct NewValue {
    DType dtype;
    std::vector<int64_t> dims;
    Bytes bytes;
  };
  std::shared_ptr<EngineObject> engine;
  std::vector<Weight> weights;
  std::map<std::string, size_t, std::less<>> by_name;
  mutable std::mutex mutex;
  std::map<std::string, NewValue, std::less<>> values;
};

struct OnnxModelObject : Object<ObjectType::onnx_model> {
  explicit OnnxModelObject(std::unique_ptr<OnnxModel> model) : model(std::move(model)) {}
  GivenInitializers given_now() const {
    std::lock_guard lock(mutex);
    return given;
  }
  const std::unique_ptr<const OnnxModel> model;  // never null
  mutable std::mutex mutex;
  GivenInitializers given;
};

// The object type of each handle type.
template <class Handle>
struct ObjectOf;
#define TN_OBJECT_OF(handle, object) \
  template <>                        \
  struct ObjectOf<handle> {          \
    using type = object;             \
  };
TN_OBJECT_OF(tn_error_t, ErrorObject)
TN_OBJECT_OF(tn_blob_t, BlobObject)
TN_OBJECT_OF(tn_logger_t, LoggerObject)
TN_OBJECT_OF(tn_allocator_t, AllocatorObject)
TN_OBJECT_OF(tn_device_t, DeviceObject)
TN_OBJECT_OF(tn_timing_cache_t, TimingCacheObject)
TN_OBJECT_OF(tn_optimization_profile_t, OptimizationProfileObject)
TN_OBJECT_OF(tn_builder_config_t, BuilderConfigObject)
TN_OBJECT_OF(tn_network_t, NetworkObject)
TN_OBJECT_OF(tn_builder_t, BuilderObject)
TN_OBJECT_OF(tn_runtime_t, RuntimeObject)
TN_OBJECT_OF(tn_engine_t, EngineObject)
TN_OBJECT_OF(tn_execution_context_t, ExecutionContextObject)
TN_OBJECT_OF(tn_engine_inspector_t, EngineInspectorObject)
TN_OBJECT_OF(tn_refitter_t, RefitterObject)
TN_OBJECT_OF(tn_onnx_model_t, OnnxModelObject)
#undef TN_OBJECT_OF

}  // namespace tenon::capi
