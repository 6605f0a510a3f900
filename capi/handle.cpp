#include "handle.h"

#include <array>
#include <mutex>
#include <vector>

namespace tenon::capi {
namespace {

// A handle from its highest bits down: mark (8), type (8), generation (24), slot (24). User programs have no
// addresses whose highest byte is the mark.
constexpr uint64_t kMark = 0x7e;
constexpr uint32_t kFieldMax = (1u << 24) - 1;
constexpr uint32_t kNoSlot = kFieldMax;  // that of the handle without an object
constexpr uint32_t kShards = 16;

static_assert(sizeof(uintptr_t) == 8, "handles need 64-bit pointers");

struct Fields {
  uint32_t slot, generation;
  ObjectType type;
  bool marked;
};

uintptr_t encode(ObjectType type, uint32_t generation, uint32_t slot) {
  return kMark << 56 | uint64_t{static_cast<uint8_t>(type)} << 48 | uint64_t{generation} << 24 | slot;
}

Fields decode(uintptr_t handle) {
  return {static_cast<uint32_t>(handle & kFieldMax), static_cast<uint32_t>(handle >> 24 & kFieldMax),
          static_cast<ObjectType>(handle >> 48 & 0xff), handle >> 56 == kMark};
}

struct Entry {
  std::shared_ptr<void> object;  // null: free
  uint32_t generation = 1;
  uint32_t next_free = kNoSlot;  // index within the shard
  ObjectType type = ObjectType::none;
};

struct alignas(64) Shard {
  std::mutex mutex;
  std::vector<Entry> entries;
  uint32_t free = kNoSlot;
};

// Never destroyed: see the header.
union Table {
  constexpr Table() : shards() {}
  ~Table() {}
  std::array<Shard, kShards> shards;
};
constinit Table table;
constinit std::atomic<uint32_t> next_shard{0};
constinit std::array<std::atomic<int64_t>, static_cast<size_t>(ObjectType::count_)> counts{};

// The entry that a handle names, or null with the fault. The shard's mutex must be held.
Entry* entry_of(Shard& shard, const Fields& fields, ObjectType type, HandleFault& fault, ObjectType& found) {
  uint32_t index = fields.slot / kShards;
  if (index >= shard.entries.size()) return fault = HandleFault::not_a_handle, nullptr;
  Entry& entry = shard.entries[index];
  if (fields.generation == 0 || fields.generation > entry.generation)
    return fault = HandleFault::not_a_handle, nullptr;
  if (!entry.object || entry.generation != fields.generation) return fault = HandleFault::destroyed, nullptr;
  if (entry.type != fields.type) return fault = HandleFault::not_a_handle, nullptr;
  if (entry.type != type) return fault = HandleFault::other_type, found = entry.type, nullptr;
  return &entry;
}

}  // namespace

std::string_view name_of(ObjectType type) {
  static constexpr std::string_view names[] = {"none",
#define TN_OBJECT_NAME(name) #name,
                                               TN_OBJECTS(TN_OBJECT_NAME)
#undef TN_OBJECT_NAME
  };
  return type < ObjectType::count_ ? names[static_cast<size_t>(type)] : "?";
}

std::atomic<int64_t>& live_objects(ObjectType type) { return counts[static_cast<size_t>(type)]; }

uintptr_t out_of_memory_handle() { return encode(ObjectType::error, 0, kNoSlot); }

uintptr_t insert_handle(ObjectType type, std::shared_ptr<void> object) {
  uint32_t number = next_shard.fetch_add(1, std::memory_order_relaxed) % kShards;
  Shard& shard = table.shards[number];
  std::lock_guard lock(shard.mutex);
  if (shard.free == kNoSlot) {
    if (shard.entries.size() >= kNoSlot / kShards) throw std::bad_alloc();
    shard.entries.emplace_back();
    shard.free = static_cast<uint32_t>(shard.entries.size() - 1);
  }
  uint32_t index = shard.free;
  Entry& entry = shard.entries[index];
  shard.free = entry.next_free;
  entry.object = std::move(object);
  entry.type = type;
  return encode(type, entry.generation, index * kShards + number);
}

HandleLookup find_handle(uintptr_t handle, ObjectType type) noexcept {
  HandleLookup out;
  Fields fields = decode(handle);
  if (handle == 0 || !fields.marked) {
    out.fault = handle ? HandleFault::not_a_handle : HandleFault::null;
    return out;
  }
  Shard& shard = table.shards[fields.slot % kShards];
  std::lock_guard lock(shard.mutex);
  if (Entry* entry = entry_of(shard, fields, type, out.fault, out.found)) out.object = entry->object;
  return out;
}

std::shared_ptr<void> remove_handle(uintptr_t handle, ObjectType type) noexcept {
  Fields fields = decode(handle);
  if (!fields.marked) return nullptr;
  Shard& shard = table.shards[fields.slot % kShards];
  std::lock_guard lock(shard.mutex);
  HandleFault fault;
  ObjectType found;
  Entry* entry = entry_of(shard, fields, type, fault, found);
  if (!entry) return nullptr;
  std::shared_ptr<void> object = std::move(entry->object);
  entry->object = nullptr;
  if (entry->generation < kFieldMax) {
    ++entry->generation;
    entry->next_free = shard.free;
    shard.free = fields.slot / kShards;
  }
  return object;
}

}  // namespace tenon::capi
