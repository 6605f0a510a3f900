#include "tenon/allocator.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

void* AllocatorObject::allocate(size_t bytes, size_t alignment) {
  const tn_allocator_callbacks& functions = table.functions;
  void* memory = nullptr;
  tn_error_t error = functions.allocate(functions.user_data, bytes, alignment, &memory);
  if (!error) return memory;
  auto taken = take_callback_error(error);
  if (CallFrame* frame = CallFrame::current()) frame->callback_error = std::move(taken);
  return nullptr;
}

void AllocatorObject::free(void* data, size_t bytes, size_t alignment) {
  table.functions.deallocate(table.functions.user_data, data, bytes, alignment);
}

void tn_allocator_callbacks_init(tn_allocator_callbacks* out_callbacks, size_t struct_size) noexcept {
  init_callbacks(out_callbacks, struct_size);
}

tn_error_t tn_allocator_create(const tn_allocator_callbacks* callbacks,
                               tn_allocator_t* out_allocator) noexcept {
  Table<tn_allocator_callbacks> owed;
  return enter(
      [&]() -> Status {
        TN_TRY(copy_callbacks(callbacks, owed));
        if (!out_allocator)
          return fail(Code::invalid_argument, "out_allocator is NULL; it receives the result");
        if (!owed.functions.allocate || !owed.functions.deallocate)
          return fail(Code::invalid_argument, "{} is NULL in the callbacks of an allocator",
                      owed.functions.allocate ? "deallocate" : "allocate");
        auto allocator = std::make_shared<AllocatorObject>();
        std::swap(allocator->table.functions, owed.functions);
        *out_allocator = new_handle<tn_allocator_t>(std::move(allocator));
        return {};
      },
      optional_out(out_allocator, "out_allocator"));
}

void tn_allocator_destroy(tn_allocator_t allocator) noexcept { destroy(allocator); }
