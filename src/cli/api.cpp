#include "cli/api.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tenon::cli {
namespace {

int exit_code_of(tn_error_code code) {
  switch (code) {
    case TN_ERROR_INVALID_MODEL: return kExitModel;
    case TN_ERROR_UNSUPPORTED: return kExitModel;
    case TN_ERROR_INVALID_PLAN: return kExitPlan;
    case TN_ERROR_INCOMPATIBLE_PLAN: return kExitPlan;
    case TN_ERROR_INVALID_ARGUMENT: return kExitInput;
    case TN_ERROR_OUT_OF_RANGE: return kExitInput;
    case TN_ERROR_NOT_FOUND: return kExitInput;
    case TN_ERROR_IO: return kExitInput;
    case TN_ERROR_DEVICE: return kExitDevice;
    default: return kExitFailure;
  }
}

}  // namespace

Expected<void> check(tn_error_t error) {
  if (!error) return {};
  size_t size = 0;
  tn_error_get_message(error, nullptr, 0, &size);
  std::string message(size + 1, '\0');
  tn_error_get_message(error, message.data(), message.size(), nullptr);
  message.resize(size);
  const int exit_code = exit_code_of(tn_error_get_code(error));
  tn_error_destroy(error);
  return tl::unexpected<Failure>(Failure{exit_code, std::move(message)});
}

Expected<std::string_view> bytes_of(const Blob& blob) {
  const void* data = nullptr;
  size_t size = 0;
  CLI_TRY(check(tn_blob_get_data(blob.get(), &data, &size)));
  return std::string_view(static_cast<const char*>(data), size);
}

Expected<void> write_file(const std::string& path, std::string_view bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) return fail(kExitOutput, "cannot write {}: {}", path, std::strerror(errno));
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written)
    return fail(kExitOutput, "cannot write {}: {}", path, std::strerror(errno));
  return {};
}

}  // namespace tenon::cli
