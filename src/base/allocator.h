// Where the memory of engines and contexts comes from: weights, arenas, scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/status.h"

namespace tenon {

// Thread rule: any thread, concurrently.
class Allocator {
 public:
  virtual ~Allocator() = default;
  // At least `bytes` > 0 at a multiple of `alignment` (a power of two), or nullptr. Contents are undefined.
  virtual void* allocate(size_t bytes, size_t alignment) = 0;
  // `data` from allocate with the same bytes and alignment.
  virtual void free(void* data, size_t bytes, size_t alignment) = 0;
};

// The process's heap; large blocks ask for huge pages. Lives for ever.
Allocator& default_allocator();

// One block of an allocator's memory, 64-byte aligned; freed when it goes. The allocator must outlive it.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept { *this = std::move(other); }
  Block& operator=(Block&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Block() {
    if (data_) allocator_->free(data_, bytes_, kAlignment);
  }

  // Zero bytes give a block without memory. `what` names the use in the error.
  static Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what);

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  uint64_t bytes() const { return bytes_; }

  static constexpr size_t kAlignment = 64;

 private:
  Allocator* allocator_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tenon
