#include "tenon/error.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

struct CodeName {
  tn_error_code code;
  const char* name;
};
constexpr CodeName kCodes[] = {
    {TN_ERROR_NONE, "NONE"},
    {TN_ERROR_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    {TN_ERROR_INVALID_HANDLE, "INVALID_HANDLE"},
    {TN_ERROR_OUT_OF_MEMORY, "OUT_OF_MEMORY"},
    {TN_ERROR_INVALID_MODEL, "INVALID_MODEL"},
    {TN_ERROR_UNSUPPORTED, "UNSUPPORTED"},
    {TN_ERROR_INVALID_PLAN, "INVALID_PLAN"},
    {TN_ERROR_INCOMPATIBLE_PLAN, "INCOMPATIBLE_PLAN"},
    {TN_ERROR_OUT_OF_RANGE, "OUT_OF_RANGE"},
    {TN_ERROR_BUSY, "BUSY"},
    {TN_ERROR_NOT_FOUND, "NOT_FOUND"},
    {TN_ERROR_IO, "IO"},
    {TN_ERROR_CANCELLED, "CANCELLED"},
    {TN_ERROR_LIMIT_EXCEEDED, "LIMIT_EXCEEDED"},
    {TN_ERROR_DEVICE, "DEVICE"},
    {TN_ERROR_INTERNAL, "INTERNAL"},
    {TN_ERROR_CALLBACK, "CALLBACK"},
};
static_assert(static_cast<tn_error_code>(Code::callback) == TN_ERROR_CALLBACK);

const CodeName* find_code(tn_error_code code) {
  for (const CodeName& row : kCodes)
    if (row.code == code) return &row;
  return nullptr;
}

HandleLookup find_error(tn_error_t error) {
  return find_handle(reinterpret_cast<uintptr_t>(error), ObjectType::error);
}

bool is_out_of_memory(tn_error_t error) {
  return reinterpret_cast<uintptr_t>(error) == out_of_memory_handle();
}

}  // namespace

tn_error_t tn_error_create(tn_error_code code, const char* message, void* payload,
                           void (*payload_release)(void* payload)) noexcept {
  tn_error_t made = nullptr;
  tn_error_t error = enter([&]() -> Status {
    std::shared_ptr<void> owned;
    // The control block's allocation may fail: shared_ptr then calls the deleter itself.
    if (payload_release) {
      owned = std::shared_ptr<void>(payload, payload_release);
    } else {
      owned = std::shared_ptr<void>(std::shared_ptr<void>(), payload);
    }
    if (!find_code(code) || code == TN_ERROR_NONE)
      return fail(Code::invalid_argument, "code is {}; expected one of tn_error_code but TN_ERROR_NONE",
                  code);
    TN_ASSIGN(std::string_view text_in, text(message, "message"));
    auto object = std::make_shared<ErrorObject>();
    object->code = code;
    object->message = valid_utf8(text_in);
    object->payload = std::move(owned);
    made = new_handle<tn_error_t>(std::move(object));
    return {};
  });
  return error ? error : made;
}

void tn_error_destroy(tn_error_t error) noexcept { destroy(error); }

tn_error_code tn_error_get_code(tn_error_t error) noexcept {
  if (!error) return TN_ERROR_NONE;
  if (is_out_of_memory(error)) return TN_ERROR_OUT_OF_MEMORY;
  HandleLookup found = find_error(error);
  return found.object ? static_cast<ErrorObject*>(found.object.get())->code : TN_ERROR_INVALID_HANDLE;
}

void tn_error_get_message(tn_error_t error, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut out{buf, buf_size, out_size};
  out.reset();
  if (is_out_of_memory(error)) return out.set("out of memory");
  HandleLookup found = find_error(error);
  if (found.object) out.set(static_cast<ErrorObject*>(found.object.get())->message);
}

void* tn_error_get_payload(tn_error_t error) noexcept {
  HandleLookup found = find_error(error);
  return found.object ? static_cast<ErrorObject*>(found.object.get())->payload.get() : nullptr;
}

const char* tn_error_code_get_name(tn_error_code code) noexcept {
  const CodeName* row = find_code(code);
  return row ? row->name : "?";
}
