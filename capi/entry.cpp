#include "entry.h"

#include <algorithm>
#include <cstring>

namespace tenon::capi {
namespace {

constinit thread_local CallFrame* current_frame = nullptr;

}  // namespace

CallFrame::CallFrame() noexcept : outer(current_frame) { current_frame = this; }
CallFrame::~CallFrame() { current_frame = outer; }
CallFrame* CallFrame::current() noexcept { return current_frame; }

std::shared_ptr<ErrorObject> take_callback_error(tn_error_t error) {
  auto handle = reinterpret_cast<uintptr_t>(error);
  if (auto taken = std::static_pointer_cast<ErrorObject>(remove_handle(handle, ObjectType::error)))
    return taken;
  auto made = std::make_shared<ErrorObject>();
  if (handle == out_of_memory_handle()) {
    made->code = TN_ERROR_OUT_OF_MEMORY;
    made->message = "out of memory";
  } else {
    made->code = TN_ERROR_CALLBACK;
    made->message = "a callback returned something that is not an error handle";
  }
  return made;
}

tl::unexpected<Error> fail_with(std::shared_ptr<ErrorObject> callback_error) {
  Error error{static_cast<Code>(callback_error->code), callback_error->message, {}};
  if (CallFrame* frame = CallFrame::current()) frame->callback_error = std::move(callback_error);
  return tl::unexpected<Error>(std::move(error));
}

tn_error_t out_of_memory_error() noexcept { return reinterpret_cast<tn_error_t>(out_of_memory_handle()); }

tn_error_t make_error(Error error, std::shared_ptr<ErrorObject> callback_error) noexcept {
  try {
    auto made = std::make_shared<ErrorObject>();
    if (callback_error) {
      made->code = callback_error->code;
      made->payload = callback_error->payload;
      error.message = callback_error->message;
    } else {
      made->code = static_cast<tn_error_code>(error.code);
    }
    made->message = valid_utf8(error.text());
    return new_handle<tn_error_t>(std::move(made));
  } catch (...) {
    return out_of_memory_error();
  }
}

tn_error_t internal_error() noexcept {
  try {
    return make_error(Error{Code::internal, "an exception reached the C API", {}}, nullptr);
  } catch (...) {
    return out_of_memory_error();
  }
}

Error handle_error(const HandleLookup& lookup, ObjectType type, const char* name) {
  auto message = [&]() -> std::string {
    switch (lookup.fault) {
      case HandleFault::null: return fmt::format("{} is NULL; expected a tn_{}_t", name, name_of(type));
      case HandleFault::destroyed:
        return fmt::format("{} is the handle of a tn_{}_t that was destroyed", name, name_of(type));
      case HandleFault::other_type:
        return fmt::format("{} is a tn_{}_t; expected a tn_{}_t", name, name_of(lookup.found), name_of(type));
      default:
        return fmt::format("{} is not a handle that this library gave; expected a tn_{}_t", name,
                           name_of(type));
    }
  };
  return Error{Code::invalid_handle, message(), {}};
}

void TextOut::set(std::string_view text) const {
  if (buf && buf_size) {
    size_t copied = std::min(text.size(), buf_size - 1);
    std::copy_n(text.data(), copied, buf);  // of an empty text the address may be null
    buf[copied] = 0;
  }
  if (out_size) *out_size = text.size();
}

Status DimsOut::set(std::span<const int64_t> shape) const {
  if (dims_size && dims_size < shape.size())
    return fail(Code::invalid_argument,
                "dims_size is {}, but the tensor has {} dims (TN_MAX_RANK holds every shape)", dims_size,
                shape.size());
  if (dims_size) std::copy(shape.begin(), shape.end(), dims);
  *out_size = shape.size();
  return {};
}

Result<std::string_view> text(const char* value, const char* name) {
  if (!value) return fail(Code::invalid_argument, "{} is NULL; expected a text", name);
  return std::string_view(value);
}

Result<std::span<const std::byte>> bytes(const void* data, size_t size, const char* name) {
  if (!data && size) return fail(Code::invalid_argument, "{} is NULL but {}_size is {}", name, name, size);
  if (size > PTRDIFF_MAX)
    return fail(Code::invalid_argument, "{}_size is {}, more than memory can hold", name, size);
  return std::span(static_cast<const std::byte*>(data), size);
}

Result<std::span<const int64_t>> dims_in(const int64_t* dims, size_t size, const char* name) {
  if (size > TN_MAX_RANK)
    return fail(Code::invalid_argument, "{}_size is {}; a tensor has at most {} dims", name, size,
                TN_MAX_RANK);
  if (!dims && size) return fail(Code::invalid_argument, "{} is NULL but {}_size is {}", name, name, size);
  for (size_t i = 0; i < size; ++i)
    if (dims[i] < 0)
      return fail(Code::invalid_argument, "{}[{}] is {}; a dim is not negative", name, i, dims[i]);
  return std::span(dims, size);
}

Status expect_bool(int32_t value, const char* name) {
  if (value != 0 && value != 1) return fail(Code::invalid_argument, "{} is {}; expected 0 or 1", name, value);
  return {};
}

Status expect_threads(int32_t value) {
  if (value < 0 || value > 1024)
    return fail(Code::invalid_argument, "thread_count is {}; expected 1 to 1024, or 0 for the default",
                value);
  return {};
}

Status expect_index(size_t index, size_t count, const char* what) {
  if (index >= count) return fail(Code::out_of_range, "index is {}, but there are {} {}", index, count, what);
  return {};
}

Status expect_profile(int32_t profile, int32_t count) {
  if (profile < 0 || profile >= count)
    return fail(Code::out_of_range, "profile is {}, but the plan has {} of them, numbered from 0", profile,
                count);
  return {};
}

Result<int64_t Limits::*> limit_member(tn_limit limit) {
  switch (limit) {
    case TN_LIMIT_MODEL_BYTES: return &Limits::model_bytes;
    case TN_LIMIT_TENSOR_ELEMENTS: return &Limits::tensor_elements;
    case TN_LIMIT_TENSOR_BYTES: return &Limits::tensor_bytes;
    case TN_LIMIT_NODES: return &Limits::nodes;
    case TN_LIMIT_NESTING: return &Limits::nesting;
    case TN_LIMIT_NAME_BYTES: return &Limits::name_bytes;
    case TN_LIMIT_PLAN_BYTES: return &Limits::plan_bytes;
    case TN_LIMIT_FOLD_BYTES: return &Limits::fold_bytes;
    case TN_LIMIT_MODEL_RECORDS: return &Limits::model_records;
    case TN_LIMIT_ARENA_BYTES: return &Limits::arena_bytes;
    default: return fail(Code::invalid_argument, "limit is {}, which names no limit", limit);
  }
}

Status expect_selector(tn_shape_selector selector) {
  if (selector < TN_SHAPE_SELECTOR_MIN || selector > TN_SHAPE_SELECTOR_MAX)
    return fail(Code::invalid_argument, "selector is {}; expected TN_SHAPE_SELECTOR_MIN, _OPT or _MAX",
                selector);
  return {};
}

Status expect_document_format(tn_document_format format) {
  if (format != TN_DOCUMENT_FORMAT_TEXT && format != TN_DOCUMENT_FORMAT_JSON)
    return fail(Code::invalid_argument, "format is {}; expected TN_DOCUMENT_FORMAT_TEXT or _JSON", format);
  return {};
}

Status copy_table(const void* from, size_t known_size, void* to) {
  if (!from) return fail(Code::invalid_argument, "callbacks is NULL");
  size_t size;
  std::memcpy(&size, from, sizeof size);
  if (size < known_size || size > kLargestTable)
    return fail(
        Code::invalid_argument,
        "struct_size of the callbacks is {}; expected at least {}: set the table up with its init macro",
        size, known_size);
  std::memcpy(to, from, known_size);
  auto tail = std::span(static_cast<const unsigned char*>(from), size).subspan(known_size);
  if (std::any_of(tail.begin(), tail.end(), [](unsigned char byte) { return byte != 0; }))
    return fail(Code::unsupported, "the table of callbacks has functions that this version {} does not know",
                TENON_VERSION);
  return {};
}

Log log_of(std::shared_ptr<LoggerObject> logger) {
  if (!logger) return Log();
  return Log([logger = std::move(logger)](Severity severity, std::string_view message) {
    if (static_cast<tn_severity>(severity) > logger->max_severity) return;
    std::string line = valid_utf8(message);
    const tn_logger_callbacks& functions = logger->table.functions;
    functions.log(functions.user_data, static_cast<tn_severity>(severity), line.c_str(), line.size());
  });
}

Result<BuilderSettings> settings_of(tn_builder_t builder) {
  TN_ASSIGN(auto self, object(builder, "builder"));
  std::lock_guard lock(self->mutex);
  return BuilderSettings{log_of(self->logger), self->limits};
}

tn_network_t new_network(Graph graph, std::shared_ptr<const void> owner) {
  auto network = std::make_shared<NetworkObject>(std::move(graph));
  network->owner = std::move(owner);
  return new_handle<tn_network_t>(std::move(network));
}

tn_blob_t new_blob(Bytes bytes) {
  auto blob = std::make_shared<BlobObject>();
  blob->bytes = std::move(bytes);
  return new_handle<tn_blob_t>(std::move(blob));
}

tn_blob_t new_blob(std::string_view document) {
  return new_blob(Bytes::copy(std::as_bytes(std::span(document))));
}

}  // namespace tenon::capi
