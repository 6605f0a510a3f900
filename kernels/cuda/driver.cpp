#include "cuda/driver.h"

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <type_traits>

#include "cuda/session.h"

namespace tenon::cuda {
namespace {

constexpr int kMostGpus = 64;

struct Driver {
  decltype(&cuInit) init;
  decltype(&cuDriverGetVersion) version;
  decltype(&cuGetErrorString) error_text;
  decltype(&cuDeviceGet) device;
  decltype(&cuDevicePrimaryCtxRetain) retain;
  decltype(&cuCtxGetCurrent) current;
  decltype(&cuCtxPushCurrent) push;
  decltype(&cuCtxPopCurrent) pop;
};

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

Result<Driver> open_driver() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    return fail(Code::unsupported,
                "libcuda.so.1 could not be opened ({}): install the NVIDIA driver, of CUDA {} or later, and let the loader "
                "find it",
                reason ? reason : "no reason given", version_text(CUDART_VERSION));
  }
  Driver out{};
  bool complete = true;
  auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    complete &= function != nullptr;
  };
  find("cuInit", out.init);
  find("cuDriverGetVersion", out.version);
  find("cuGetErrorString", out.error_text);
  find("cuDeviceGet", out.device);
  find("cuDevicePrimaryCtxRetain", out.retain);
  find("cuCtxGetCurrent", out.current);
  find("cuCtxPushCurrent_v2", out.push);
  find("cuCtxPopCurrent_v2", out.pop);
  int version = 0;
  if (!complete || out.version(&version) != CUDA_SUCCESS)
    return fail(Code::unsupported, "libcuda.so.1 is no NVIDIA driver that this library knows: install one of CUDA {} or later",
                version_text(CUDART_VERSION));
  // Drivers run programs of their own major version whatever the minor.
  if (version / 1000 < CUDART_VERSION / 1000)
    return fail(Code::unsupported, "the NVIDIA driver is for CUDA {}, this library needs one for CUDA {}.0 or later: update it",
                version_text(version), CUDART_VERSION / 1000);
  return out;
}

const Result<Driver>& driver() {
  static const Result<Driver> table = open_driver();
  return table;
}

Status check_driver(const Driver& d, CUresult code, const char* what) {
  if (code == CUDA_SUCCESS) return {};
  const char* text = nullptr;
  if (d.error_text(code, &text) != CUDA_SUCCESS || !text) text = "unknown";
  const Code kind = code == CUDA_ERROR_OUT_OF_MEMORY ? Code::out_of_memory : Code::device;
  return fail(kind, "{}: {} (error {})", what, text, static_cast<int>(code));
}

// The context that the CUDA runtime uses on a GPU; held from the first request to the end of the process.
Result<CUcontext> context_of(const Driver& d, int ordinal) {
  static std::mutex mutex;
  static std::array<std::atomic<CUcontext>, kMostGpus> contexts{};
  std::atomic<CUcontext>& context = contexts[static_cast<size_t>(ordinal)];
  if (CUcontext known = context.load(std::memory_order_acquire)) [[likely]]
    return known;
  std::lock_guard lock(mutex);
  if (CUcontext known = context.load(std::memory_order_acquire)) return known;
  TN_TRY(planted_failure("cuDevicePrimaryCtxRetain"));
  CUdevice device = 0;
  TN_TRY(check_driver(d, d.device(&device, ordinal), "cuDeviceGet"));
  CUcontext made = nullptr;
  TN_TRY(check_driver(d, d.retain(&made, device), "cuDevicePrimaryCtxRetain"));
  context.store(made, std::memory_order_release);
  return made;
}

}  // namespace

Result<int> count_gpus() {
  const Result<Driver>& d = driver();
  if (!d) return tl::unexpected<Error>(d.error());
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) (void)cudaGetLastError();
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    return fail(Code::unsupported, "the NVIDIA driver finds no GPU{}",
                visible ? fmt::format("; CUDA_VISIBLE_DEVICES is '{}'", visible) : "");
  }
  if (code != cudaSuccess)
    return fail(Code::device, "the NVIDIA driver does not start: {} ({})", cudaGetErrorString(code), cudaGetErrorName(code));
  return std::min(count, kMostGpus);
}

Current::Current(int ordinal) {
  const Result<Driver>& d = driver();
  if (!d) {
    status_ = tl::unexpected<Error>(d.error());
    return;
  }
  Result<CUcontext> context = context_of(*d, ordinal);
  if (!context) {
    status_ = tl::unexpected<Error>(std::move(context.error()));
    return;
  }
  CUcontext now = nullptr;
  if (d->current(&now) == CUDA_SUCCESS && now == *context) return;
  status_ = check_driver(*d, d->push(*context), "cuCtxPushCurrent");
  pushed_ = status_.has_value();
}

Current::~Current() {
  CUcontext popped;
  if (pushed_) (void)driver()->pop(&popped);
}

}  // namespace tenon::cuda
