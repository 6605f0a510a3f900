// The C API with owners and Expected.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/failure.h"
#include "tenon/tenon.h"

namespace tenon::cli {

// Owns one handle.
template <class Handle, void (*Destroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_) Destroy(handle_);
  }
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }

 private:
  Handle handle_ = nullptr;
};

using Blob = Owned<tn_blob_t, tn_blob_destroy>;
using Builder = Owned<tn_builder_t, tn_builder_destroy>;
using Config = Owned<tn_builder_config_t, tn_builder_config_destroy>;
using Context = Owned<tn_execution_context_t, tn_execution_context_destroy>;
using Device = Owned<tn_device_t, tn_device_destroy>;
using Engine = Owned<tn_engine_t, tn_engine_destroy>;
using Inspector = Owned<tn_engine_inspector_t, tn_engine_inspector_destroy>;
using Logger = Owned<tn_logger_t, tn_logger_destroy>;
using Network = Owned<tn_network_t, tn_network_destroy>;
using OnnxModel = Owned<tn_onnx_model_t, tn_onnx_model_destroy>;
using Profile = Owned<tn_optimization_profile_t, tn_optimization_profile_destroy>;
using Refitter = Owned<tn_refitter_t, tn_refitter_destroy>;
using Runtime = Owned<tn_runtime_t, tn_runtime_destroy>;
using TimingCache = Owned<tn_timing_cache_t, tn_timing_cache_destroy>;

// A library error as a Failure whose exit code follows from the error's code; the error is destroyed.
Expected<void> check(tn_error_t error);

// Text of a getter that fills a buffer: `get(buf, buf_size, out_size)`.
template <class Get>
Expected<std::string> text_of(Get&& get) {
  size_t size = 0;
  CLI_TRY(check(get(nullptr, size_t{0}, &size)));
  std::string text(size + 1, '\0');
  CLI_TRY(check(get(text.data(), text.size(), &size)));
  text.resize(size);
  return text;
}

// Dims of a getter that fills an array: `get(dims, dims_size, out_size)`.
template <class Get>
Expected<std::vector<int64_t>> dims_of(Get&& get) {
  int64_t dims[TN_MAX_RANK];
  size_t size = 0;
  CLI_TRY(check(get(dims, size_t{TN_MAX_RANK}, &size)));
  return std::vector<int64_t>(dims, dims + size);
}

// The bytes of a blob; they live as long as it.
Expected<std::string_view> bytes_of(const Blob& blob);

Expected<void> write_file(const std::string& path, std::string_view bytes);

}  // namespace tenon::cli
