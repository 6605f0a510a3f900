#include "runtime/staging.h"

namespace tenon {

namespace {
// What kernels count on: the widest vector access is 16 bytes.
constexpr uintptr_t kAlignment = 16;
}  // namespace

Result<bool> Staging::is_direct(const Device& device, const void* data, std::string_view tensor) {
  switch (device.kind_of(data)) {
    case MemoryKind::device: return reinterpret_cast<uintptr_t>(data) % kAlignment == 0;
    case MemoryKind::host:
    case MemoryKind::both: return false;
    case MemoryKind::other: break;
  }
  return fail(Code::invalid_argument,
              "the buffer of '{}' lies on another device than {}, which the engine runs on: copy it there first", tensor,
              device.name());
}

void Staging::clear() {
  inputs_.clear();
  outputs_.clear();
}

Result<void*> Staging::add(size_t tensor, void* data, uint64_t bytes, bool is_input) {
  Block& block = blocks_[tensor];
  if (block.bytes() < bytes) {
    block = Block();
    TN_ASSIGN(block, device_.allocate(allocator_, bytes, "memory that stands for a buffer of the caller's"));
  }
  if (bytes > 0) (is_input ? inputs_ : outputs_).push_back({data, block.data(), bytes});
  return block.data();
}

Status Staging::copy_in(void* queue) const {
  for (const Copy& c : inputs_) TN_TRY(device_.copy(c.device, c.user, c.bytes, Direction::to_device, queue));
  return {};
}

Status Staging::copy_out(void* queue) const {
  for (const Copy& c : outputs_) TN_TRY(device_.copy(c.user, c.device, c.bytes, Direction::to_host, queue));
  return {};
}

}  // namespace tenon
