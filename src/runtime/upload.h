// Bytes of the host brought to a device by several threads: through a ring of memory that the device reads without
// waiting, so that it copies one part while the next is made.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.h"

namespace tenon {

// Thread rule: `add` from any thread, concurrently; the others from one.
class Upload {
 public:
  static constexpr uint64_t kSlotBytes = 512 << 10;
  static constexpr int kMostSlots = 16;

  // `bytes`: about as many will be added; few take less memory.
  static Result<std::unique_ptr<Upload>> create(const Device& device, uint64_t bytes);
  // Waits: afterwards nothing writes what it was given.
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Queues a copy within the device, which comes before all that is added later.
  Status copy_within(std::byte* to, const std::byte* from, uint64_t bytes);
  // Brings the bytes to memory of the device. `from` may go as soon as it returns.
  Status add(std::byte* to, const std::byte* from, uint64_t bytes);
  // Waits until everything has arrived.
  Status finish();

 private:
  struct Slot;
  Upload();
  Status add_part(std::byte* to, const std::byte* from, uint64_t bytes);

  std::unique_ptr<Stream> stream_;
  Block memory_;
  uint64_t slot_bytes_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<uint64_t> next_{0};  // parts so far: each takes the slot that was filled longest ago
};

}  // namespace tenon
