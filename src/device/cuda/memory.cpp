#include "device/cuda/memory.h"

#include "cuda/driver.h"
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

// What the pool keeps of memory that was given back, so that timing and contexts that come and go need not ask the
// system each time.
constexpr uint64_t kKept = uint64_t{1} << 30;

thread_local Status last;

class PinnedMemory final : public Allocator {
 public:
  void* allocate(size_t bytes, size_t) override {
    void* data = nullptr;
    last = call("cudaHostAlloc", cudaHostAlloc, &data, bytes, cudaHostAllocPortable);
    return last ? data : nullptr;
  }
  void free(void* data, size_t, size_t) override { (void)cudaFreeHost(data); }
};

}  // namespace

// The GPU's own pool is the whole process's: its threshold is not Tenon's to set.
Status DeviceMemory::start() {
  std::lock_guard lock(mutex_);
  if (started_) return {};
  if (!stream_)
    TN_TRY(call("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, &stream_, cudaStreamNonBlocking));
  int supported = 0;
  TN_TRY(call("cudaDeviceGetAttribute", cudaDeviceGetAttribute, &supported, cudaDevAttrMemoryPoolsSupported, ordinal_));
  if (supported && !pool_) {
    cudaMemPoolProps props = {};
    props.allocType = cudaMemAllocationTypePinned;
    props.location.type = cudaMemLocationTypeDevice;
    props.location.id = ordinal_;
    TN_TRY(call("cudaMemPoolCreate", cudaMemPoolCreate, &pool_, &props));
  }
  uint64_t kept = kKept;
  if (pool_)
    TN_TRY(call("cudaMemPoolSetAttribute", cudaMemPoolSetAttribute, pool_, cudaMemPoolAttrReleaseThreshold,
                static_cast<void*>(&kept)));
  started_ = true;
  return {};
}

void* DeviceMemory::allocate(size_t bytes, size_t) {
  Current current(ordinal_);
  last = current.status();
  if (last) last = start();
  if (!last) return nullptr;
  void* data = nullptr;
  if (!pool_) {
    last = call("cudaMalloc", static_cast<cudaError_t (*)(void**, size_t)>(cudaMalloc), &data, bytes);
    return last ? data : nullptr;
  }
  last = call("cudaMallocFromPoolAsync",
              static_cast<cudaError_t (*)(void**, size_t, cudaMemPool_t, cudaStream_t)>(cudaMallocFromPoolAsync), &data,
              bytes, pool_, stream_);
  if (!last) return nullptr;
  last = call("cudaStreamSynchronize", cudaStreamSynchronize, stream_);  // from here on any stream may use it
  if (last) return data;
  (void)cudaFreeAsync(data, stream_);
  return nullptr;
}

void DeviceMemory::free(void* data, size_t, size_t) {
  Current current(ordinal_);
  if (pool_) (void)cudaFreeAsync(data, stream_);
  else (void)cudaFree(data);
}

Status DeviceMemory::last_failure() { return last; }

Allocator& pinned_memory() {
  static PinnedMemory& memory = *new PinnedMemory;  // blocks may outlive everything else of the process
  return memory;
}

}  // namespace tenon::cuda
