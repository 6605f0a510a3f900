#include "tenon/blob.h"

#include "entry.h"
#include "file.h"

using namespace tenon;
using namespace tenon::capi;

tn_error_t tn_blob_create(const void* data, size_t data_size, tn_blob_t* out_blob) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto span, bytes(data, data_size, "data"));
        *out_blob = new_blob(Bytes::copy(span));
        return {};
      },
      out(out_blob, "out_blob"));
}

tn_error_t tn_blob_create_take(const void* buffer, size_t buffer_size, void* user_data,
                               void (*release)(void*), tn_blob_t* out_blob) noexcept {
  struct Release {
    void* user_data = nullptr;
    void (*function)(void*) = nullptr;
    ~Release() {
      if (function) function(user_data);
    }
  } owed{user_data, release};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto span, bytes(buffer, buffer_size, "buffer"));
        auto owner = std::make_shared<Release>();
        owner->user_data = user_data;
        owner->function = std::exchange(owed.function, nullptr);
        *out_blob = new_blob(Bytes{span, std::move(owner)});
        return {};
      },
      out(out_blob, "out_blob"));
}

tn_error_t tn_blob_create_from_file(const char* path, tn_blob_t* out_blob) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto name, text(path, "path"));
        TN_ASSIGN(Bytes contents, read_file(std::string(name)));
        *out_blob = new_blob(std::move(contents));
        return {};
      },
      out(out_blob, "out_blob"));
}

tn_error_t tn_blob_create_shared(tn_blob_t blob, tn_blob_t* out_blob) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(blob, "blob"));
        *out_blob = new_blob(Bytes{self->bytes});
        return {};
      },
      out(out_blob, "out_blob"));
}

void tn_blob_destroy(tn_blob_t blob) noexcept { destroy(blob); }

tn_error_t tn_blob_get_data(tn_blob_t blob, const void** out_data, size_t* out_size) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(blob, "blob"));
        *out_size = self->bytes.view.size();
        *out_data = *out_size ? self->bytes.view.data() : nullptr;
        return {};
      },
      out(out_data, "out_data"), out(out_size, "out_size"));
}

tn_error_t tn_blob_save(tn_blob_t blob, const char* path) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(blob, "blob"));
    TN_ASSIGN(auto name, text(path, "path"));
    return write_file(std::string(name), self->bytes.view);
  });
}
