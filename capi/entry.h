// How every function of the C API begins and ends: outs are cleared, handles and arguments checked, what
// fails becomes an error object, and no exception passes.
#pragma once

#include <algorithm>
#include <new>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "objects.h"

namespace tenon::capi {

// Of each call into the library, on its thread's stack: what a callback that the call led to has failed with.
// When the call then fails, it fails with that.
struct CallFrame {
  std::shared_ptr<ErrorObject> callback_error;
  CallFrame* outer;

  CallFrame() noexcept;
  ~CallFrame();
  CallFrame(const CallFrame&) = delete;
  CallFrame& operator=(const CallFrame&) = delete;
  static CallFrame* current() noexcept;
};

// The object of an error that a callback has returned; its handle is gone afterwards. Never null.
std::shared_ptr<ErrorObject> take_callback_error(tn_error_t error);
// The failure of the call that this thread is in, with the callback's code.
tl::unexpected<Error> fail_with(std::shared_ptr<ErrorObject> callback_error);

// Never NULL, never throws: lack of memory gives the error that needs none.
tn_error_t make_error(Error error, std::shared_ptr<ErrorObject> callback_error) noexcept;
tn_error_t out_of_memory_error() noexcept;
tn_error_t internal_error() noexcept;  // for an exception that nobody expected

template <class Handle>
using ObjectPtr = std::shared_ptr<typename ObjectOf<Handle>::type>;

Error handle_error(const HandleLookup& lookup, ObjectType type, const char* name);

// The object of a handle; `name` is the parameter's.
template <class Handle>
Result<ObjectPtr<Handle>> object(Handle handle, const char* name) {
  constexpr ObjectType type = ObjectOf<Handle>::type::type;
  HandleLookup lookup = find_handle(reinterpret_cast<uintptr_t>(handle), type);
  if (!lookup.object) return tl::unexpected<Error>(handle_error(lookup, type, name));
  return std::static_pointer_cast<typename ObjectOf<Handle>::type>(std::move(lookup.object));
}

// The same, where NULL is allowed and gives null.
template <class Handle>
Result<ObjectPtr<Handle>> optional_object(Handle handle, const char* name) {
  if (!handle) return ObjectPtr<Handle>();
  return object(handle, name);
}

template <class Handle>
Handle new_handle(ObjectPtr<Handle> object) {
  return reinterpret_cast<Handle>(insert_handle(ObjectOf<Handle>::type::type, std::move(object)));
}

template <class Handle>
void destroy(Handle handle) noexcept {
  if (handle) remove_handle(reinterpret_cast<uintptr_t>(handle), ObjectOf<Handle>::type::type);
}

// Out parameters. reset() makes them 0 before the call and after a failure; check() refuses pointers that
// must not be NULL.
template <class T>
struct Out {
  T* pointer;
  const char* name;
  bool nullable = false;

  void reset() const {
    if (pointer) *pointer = T{};
  }
  Status check() const {
    if (!pointer && !nullable)
      return fail(Code::invalid_argument, "{} is NULL; it receives the result", name);
    return {};
  }
};
template <class T>
Out<T> out(T* pointer, const char* name) {
  return {pointer, name};
}
template <class T>
Out<T> optional_out(T* pointer, const char* name) {
  return {pointer, name, true};
}

// The parameters `buf, buf_size, out_size`.
struct TextOut {
  char* buf;
  size_t buf_size;
  size_t* out_size;

  void reset() const {
    if (buf && buf_size) buf[0] = 0;
    if (out_size) *out_size = 0;
  }
  Status check() const {
    if (!buf && buf_size) return fail(Code::invalid_argument, "buf is NULL but buf_size is {}", buf_size);
    return {};
  }
  void set(std::string_view text) const;
};

// The parameters `dims, dims_size, out_size`.
struct DimsOut {
  int64_t* dims;
  size_t dims_size;
  size_t* out_size;

  void reset() const {
    if (out_size) *out_size = 0;
  }
  Status check() const {
    if (!out_size) return fail(Code::invalid_argument, "out_size is NULL; it receives the number of dims");
    if (!dims && dims_size)
      return fail(Code::invalid_argument, "dims is NULL but dims_size is {}", dims_size);
    return {};
  }
  Status set(std::span<const int64_t> shape) const;
};

// Runs a function's body between the checks that all functions share. The body may throw std::bad_alloc.
template <class Body, class... Outs>
tn_error_t enter(Body&& body, const Outs&... outs) noexcept {
  CallFrame frame;
  (outs.reset(), ...);
  tn_error_t error = nullptr;
  try {
    Status status;
    (void)((status = outs.check(), status.has_value()) && ...);
    if (status) status = body();
    if (status) return nullptr;
    error = make_error(std::move(status.error()), std::move(frame.callback_error));
  } catch (const std::bad_alloc&) {
    error = out_of_memory_error();
  } catch (const std::length_error&) {  // of a standard container: more than it could ever hold
    error = out_of_memory_error();
  } catch (...) {
    error = internal_error();
  }
  (outs.reset(), ...);
  return error;
}

// Arguments. `name` is the parameter's.
Result<std::string_view> text(const char* value, const char* name);
Result<std::span<const std::byte>> bytes(const void* data, size_t size, const char* name);
Result<std::span<const int64_t>> dims_in(const int64_t* dims, size_t size, const char* name);
Status expect_bool(int32_t value, const char* name);
Status expect_threads(int32_t value);
Status expect_index(size_t index, size_t count, const char* what);
Status expect_profile(int32_t profile, int32_t count);
Result<int64_t Limits::*> limit_member(tn_limit limit);
Status expect_selector(tn_shape_selector selector);
// Text or JSON.
Status expect_document_format(tn_document_format format);

// More is not the size of a table in any version.
inline constexpr size_t kLargestTable = 4096;

// Copies a caller's table: the caller's size must be at least that of this version's, and what a longer one
// holds beyond must be zero. From the moment it is copied, release is owed.
Status copy_table(const void* from, size_t known_size, void* to);

template <class Callbacks>
Status copy_callbacks(const Callbacks* from, Table<Callbacks>& to) {
  return copy_table(from, sizeof(Callbacks), &to.functions);
}
template <class Callbacks>
void init_callbacks(Callbacks* callbacks, size_t struct_size) noexcept {
  if (!callbacks || struct_size < sizeof(size_t) || struct_size > kLargestTable) return;
  std::fill_n(reinterpret_cast<unsigned char*>(callbacks), struct_size, static_cast<unsigned char>(0));
  callbacks->struct_size = struct_size;
}

// A log that writes to a logger, or nowhere for null.
Log log_of(std::shared_ptr<LoggerObject> logger);

// A builder's settings, taken at once.
struct BuilderSettings {
  Log log;
  Limits limits;
};
Result<BuilderSettings> settings_of(tn_builder_t builder);

// `owner` keeps what the graph views; null: the graph does.
tn_network_t new_network(Graph graph, std::shared_ptr<const void> owner = nullptr);

tn_blob_t new_blob(Bytes bytes);
tn_blob_t new_blob(std::string_view document);

}  // namespace tenon::capi
