#include "runtime/upload.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tenon {

// One part's memory, and the copy out of it.
struct Upload::Slot final : Work {
  Status execute(const Lane& lane) override { return device->copy(to, from, bytes, direction, lane.queue); }

  std::mutex mutex;
  const Device* device = nullptr;
  std::byte* memory = nullptr;
  std::unique_ptr<Event> event;  // the end of the last copy
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  uint64_t bytes = 0;
  Direction direction = Direction::to_device;
};

Result<std::unique_ptr<Upload>> Upload::create(const Device& device, uint64_t bytes) {
  auto upload = std::unique_ptr<Upload>(new Upload);
  upload->slot_bytes_ = std::clamp<uint64_t>((bytes + 63) / 64 * 64, 64, kSlotBytes);
  const uint64_t parts = bytes / upload->slot_bytes_ + (bytes % upload->slot_bytes_ != 0);
  const uint64_t slots = std::clamp<uint64_t>(parts, 1, kMostSlots);
  TN_ASSIGN(upload->stream_, device.create_stream(1));
  TN_ASSIGN(upload->memory_, device.allocate_host(slots * upload->slot_bytes_, "weights on their way to the device"));
  for (uint64_t i = 0; i < slots; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->device = &device;
    slot->memory = upload->memory_.data() + i * upload->slot_bytes_;
    TN_ASSIGN(slot->event, upload->stream_->create_event());
    upload->slots_.push_back(std::move(slot));
  }
  return upload;
}

Upload::Upload() = default;

Upload::~Upload() {
  for (const std::unique_ptr<Slot>& slot : slots_)
    if (slot->event) (void)slot->event->wait();
}

Status Upload::copy_within(std::byte* to, const std::byte* from, uint64_t bytes) {
  if (bytes == 0) return {};
  Slot& slot = *slots_[next_++ % slots_.size()];
  std::lock_guard lock(slot.mutex);
  TN_TRY(slot.event->wait());
  slot.to = to;
  slot.from = from;
  slot.bytes = bytes;
  slot.direction = Direction::within;
  return stream_->submit(slot, *slot.event);
}

Status Upload::add(std::byte* to, const std::byte* from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += slot_bytes_)
    TN_TRY(add_part(to + at, from + at, std::min(slot_bytes_, bytes - at)));
  return {};
}

Status Upload::add_part(std::byte* to, const std::byte* from, uint64_t bytes) {
  Slot& slot = *slots_[next_++ % slots_.size()];
  std::lock_guard lock(slot.mutex);
  TN_TRY(slot.event->wait());
  std::memcpy(slot.memory, from, bytes);
  slot.to = to;
  slot.from = slot.memory;
  slot.bytes = bytes;
  slot.direction = Direction::to_device;
  return stream_->submit(slot, *slot.event);
}

Status Upload::finish() {
  Status all;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    Status status = slot->event->wait();
    if (all && !status) all = std::move(status);
  }
  return all;
}

}  // namespace tenon
