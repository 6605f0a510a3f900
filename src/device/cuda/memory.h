// Memory of a GPU, and memory of the host that it copies from and to without waiting.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "base/allocator.h"

namespace tenon::cuda {

// Thread rule: any thread. Memory is given back when no work uses it any more: nothing waits for the GPU.
class DeviceMemory final : public Allocator {
 public:
  explicit DeviceMemory(int ordinal) : ordinal_(ordinal) {}
  // 256-byte aligned. nullptr: last_failure says why.
  void* allocate(size_t bytes, size_t alignment) override;
  void free(void* data, size_t bytes, size_t alignment) override;
  // Of the calling thread's last allocate.
  static Status last_failure();

 private:
  Status start();

  const int ordinal_;
  std::mutex mutex_;
  bool started_ = false;
  cudaStream_t stream_ = nullptr;   // in whose order memory comes and goes; nothing else is queued there
  cudaMemPool_t pool_ = nullptr;    // null where the GPU has none
};

// Pinned. Lives for ever. Thread rule: any thread.
Allocator& pinned_memory();

}  // namespace tenon::cuda
