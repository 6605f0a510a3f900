// Handles: pointer-typed numbers that are looked up, never followed.
//
// A handle holds a mark that no address of a user's program has, the object's type, a generation and a slot
// of a table. Destroying a handle makes its slot's generation grow, so that a copy of the handle is refused
// afterwards; a slot whose generations are used up is never used again. The table is one of the library's few
// globals: sixteen shards, each behind a mutex that is held for a look-up only. It lives for ever, so that a
// finaliser that runs when the process ends may still destroy handles.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/live_count.h"

namespace tenon::capi {

// Every type of object that has handles, in the order of their numbers, which start at 1.
#define TN_OBJECTS(X)                                                                                \
  X(error)                                                                                           \
  X(blob) X(logger) X(allocator) X(device) X(timing_cache) X(optimization_profile) X(builder_config) \
      X(network) X(builder) X(runtime) X(engine) X(execution_context) X(engine_inspector) X(refitter) \
  X(onnx_model)

enum class ObjectType : uint8_t {
  none = 0,
#define TN_OBJECT_ENUM(name) name,
  TN_OBJECTS(TN_OBJECT_ENUM)
#undef TN_OBJECT_ENUM
      count_
};

// "engine".
std::string_view name_of(ObjectType type);
// Objects that exist, whether by a handle or because another object needs them.
std::atomic<int64_t>& live_objects(ObjectType type);

// Base of every object behind a handle.
template <ObjectType type_>
class Object {
 public:
  static constexpr ObjectType type = type_;
  Object() { live_objects(type).fetch_add(1, std::memory_order_relaxed); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { live_objects(type).fetch_sub(1, std::memory_order_relaxed); }

 private:
  [[no_unique_address]] Live<LiveType::handle> live_;
};

// A handle of an error that stands for lack of memory: it has no slot, so that making it cannot fail.
uintptr_t out_of_memory_handle();

// What is wrong with a handle, for messages.
enum class HandleFault : uint8_t { none, null, not_a_handle, destroyed, other_type };
struct HandleLookup {
  std::shared_ptr<void> object;  // null when there is a fault
  HandleFault fault = HandleFault::none;
  ObjectType found = ObjectType::none;  // when the fault is other_type
};

// May throw std::bad_alloc; then nothing was added.
uintptr_t insert_handle(ObjectType type, std::shared_ptr<void> object);
HandleLookup find_handle(uintptr_t handle, ObjectType type) noexcept;
// Gives the object out, so that its destructor runs outside the table's locks; null for a bad handle.
std::shared_ptr<void> remove_handle(uintptr_t handle, ObjectType type) noexcept;

}  // namespace tenon::capi
