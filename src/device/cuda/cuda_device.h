// One GPU as a device.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "device/cuda/memory.h"
#include "device/device.h"

namespace tenon::cuda {

class CudaDevice final : public Device {
 public:
  CudaDevice(int ordinal, std::string name, DeviceFacts facts);

  std::string_view name() const override { return name_; }
  std::string_view kind() const override { return "cuda"; }
  bool is_host() const override { return false; }
  // The allocator is not asked: it gives memory of the host.
  Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what) const override;
  Result<std::unique_ptr<Stream>> create_stream(int threads) const override;
  const DeviceFacts& facts() const override { return facts_; }
  std::string libraries() const override;
  Result<std::unique_ptr<DeviceSession>> create_session(const SessionOptions& options) const override;
  Result<Block> allocate_host(uint64_t bytes, const char* what) const override;
  Status copy(void* to, const void* from, uint64_t bytes, Direction direction) const override;
  Status copy(void* to, const void* from, uint64_t bytes, Direction direction, void* queue) const override;
  MemoryKind kind_of(const void* data) const override;

  int ordinal() const { return ordinal_; }

 private:
  Result<cudaStream_t> copy_stream() const;

  const int ordinal_;
  const std::string name_;
  const DeviceFacts facts_;
  mutable DeviceMemory memory_;
  mutable std::mutex mutex_;
  mutable cudaStream_t copy_stream_ = nullptr;  // of copies that are waited for; made by the first
};

// The GPUs of this machine, found once; live as long as the process. `why_not`: what is missing if there are none.
struct Found {
  std::vector<const Device*> devices;
  std::string why_not;
};
const Found& found_devices();

// Where streams are counted; null: nowhere.
void count_streams(std::atomic<int64_t>* counter);
Result<std::unique_ptr<Stream>> create_cuda_stream(int ordinal);
Result<std::unique_ptr<DeviceSession>> create_cuda_session(int ordinal, const DeviceFacts& facts,
                                                           const SessionOptions& options);

}  // namespace tenon::cuda
