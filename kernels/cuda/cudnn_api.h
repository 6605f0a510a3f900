// cuDNN's graph functions, found in the library when it is first asked for, and its descriptors.
#pragma once

#include <cudnn_graph.h>

#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tenon::cuda {

struct Cudnn {
  decltype(&cudnnBackendCreateDescriptor) create = nullptr;
  decltype(&cudnnBackendDestroyDescriptor) destroy = nullptr;
  decltype(&cudnnBackendFinalize) finalize = nullptr;
  decltype(&cudnnBackendSetAttribute) set = nullptr;
  decltype(&cudnnBackendGetAttribute) get = nullptr;
  decltype(&cudnnBackendExecute) execute = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
  decltype(&cudnnGetErrorString) error_string = nullptr;
  decltype(&cudnnGetLastErrorString) last_error = nullptr;
};

// The same every time. Thread rule: any thread.
Result<const Cudnn*> cudnn_functions();
// With what the library itself says of its last failure.
Status check(const Cudnn& cudnn, cudnnStatus_t status, const char* what);
// Held while a handle is used: its stream belongs to whoever set it last.
std::mutex& cudnn_mutex();

// A descriptor of cuDNN's; empty until created.
class Descriptor {
 public:
  Descriptor() = default;
  static Result<Descriptor> create(const Cudnn& cudnn, cudnnBackendDescriptorType_t type);
  Descriptor(Descriptor&& other) noexcept : cudnn_(other.cudnn_), raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  cudnnBackendDescriptor_t raw() const { return raw_; }
  Status set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count, const void* values);
  template <class T>
  Status set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    return set(name, type, 1, &value);
  }
  Status set(cudnnBackendAttributeName_t name, std::span<const int64_t> values) {
    return set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.data());
  }
  Status set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    const cudnnBackendDescriptor_t raw = other.raw();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  }
  Status finalize(const char* what);

 private:
  const Cudnn* cudnn_ = nullptr;
  cudnnBackendDescriptor_t raw_ = nullptr;
};

// What an engine promises or warns of.
struct EngineNotes {
  uint32_t numerical = 0, behavior = 0;   // bit i: note i
  bool computes(cudnnBackendNumericalNote_t note) const { return numerical >> note & 1; }
  bool behaves(cudnnBackendBehaviorNote_t note) const { return behavior >> note & 1; }
};

// A graph of operations with the configurations that the heuristics list for it, best first. To ask them takes as long as
// to make a plan, so kernels that differ in the plan alone share a graph (CudnnHandle::graph). Thread rule: under
// cudnn_mutex().
class CudnnGraph {
 public:
  // `ops` are finalised operations.
  static Result<std::shared_ptr<CudnnGraph>> create(const Cudnn& cudnn, cudnnHandle_t handle, std::span<const Descriptor> ops);
  struct Listed {
    Descriptor config;
    EngineNotes notes;
    bool spent = false;  // a plan has been made of it, and no other can: see CudnnPlan::create
  };
  // The `index`-th configuration that `accept` lets pass; fails where fewer are listed.
  using Accept = bool (*)(const EngineNotes& notes, const void* context);
  Result<Listed*> config(Accept accept, const void* context, int64_t index);

 private:
  Status ask(cudnnBackendHeurMode_t mode);

  const Cudnn* cudnn_ = nullptr;
  Descriptor graph_;
  std::deque<Listed> listed_;
  size_t asked_ = 0;  // modes
};

// A handle of cuDNN's and the graphs that were last asked for.
class CudnnHandle {
 public:
  explicit CudnnHandle(cudnnHandle_t raw) : raw_(raw) {}
  cudnnHandle_t raw() const { return raw_; }
  // The graph of `ops`; `key` names all that the graph depends on.
  Result<std::shared_ptr<CudnnGraph>> graph(const Cudnn& cudnn, const std::string& key, std::span<const Descriptor> ops);
  void forget(const std::string& key);

 private:
  cudnnHandle_t raw_;
  std::deque<std::pair<std::string, std::shared_ptr<CudnnGraph>>> recent_;  // the latest first
};

// A graph of operations as one executable plan.
class CudnnPlan {
 public:
  // Which configuration to take: see CudnnGraph::config.
  struct Choice {
    CudnnGraph::Accept accept = nullptr;
    const void* context = nullptr;
    int64_t index = 0;
  };
  // `ops` are finalised operations, `key` names all that they depend on.
  static Result<CudnnPlan> create(const Cudnn& cudnn, CudnnHandle& handle, std::string key, std::span<const Descriptor> ops,
                                  const Choice& choice);
  int64_t workspace_bytes() const { return workspace_; }
  Status execute(std::span<const int64_t> ids, std::span<void* const> addresses, void* workspace, void* queue) const;

 private:
  const Cudnn* cudnn_ = nullptr;
  cudnnHandle_t handle_ = nullptr;
  std::shared_ptr<CudnnGraph> graph_;
  Descriptor plan_;
  int64_t workspace_ = 0;
};

}  // namespace tenon::cuda
