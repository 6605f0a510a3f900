#include "base/allocator.h"

#include <sys/mman.h>

#include <cstdlib>

namespace tenon {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

class HeapAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes, size_t alignment) override {
    bool large = bytes >= 2 * kHugePage;
    void* data = nullptr;
    if (posix_memalign(&data, large ? kHugePage : alignment, bytes) != 0) return nullptr;
    // Advice only: a system without huge pages ignores it.
    if (large) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    return data;
  }
  void free(void* data, size_t, size_t) override { std::free(data); }
};

}  // namespace

Allocator& default_allocator() {
  static HeapAllocator allocator;
  return allocator;
}

Result<Block> Block::allocate(Allocator& allocator, uint64_t bytes, const char* what) {
  Block block;
  if (bytes == 0) return block;
  void* data = bytes <= PTRDIFF_MAX ? allocator.allocate(bytes, kAlignment) : nullptr;
  if (!data) return fail(Code::out_of_memory, "cannot allocate {} bytes for {}", bytes, what);
  if (reinterpret_cast<uintptr_t>(data) % kAlignment != 0) {
    allocator.free(data, bytes, kAlignment);
    return fail(Code::callback, "the allocator gave memory for {} that is not {}-byte aligned", what,
                kAlignment);
  }
  block.allocator_ = &allocator;
  block.data_ = data;
  block.bytes_ = bytes;
  return block;
}

}  // namespace tenon
