#include "cuda/session.h"

#include <atomic>
#include <cstdlib>

namespace tenon::cuda {
namespace {

struct Planted {
  std::atomic<int64_t> left{0};      // calls until the failure, which comes at the step from 1 to 0
  std::atomic<int64_t> checked{0};
  std::atomic<bool> and_later{false};
  std::atomic<bool> armed{false};
};

Planted& planted() {
  static Planted& state = *[] {
    auto* out = new Planted;
    if (const char* text = secure_getenv("TENON_CUDA_FAIL_AT")) {
      char* end = nullptr;
      out->left = std::strtoll(text, &end, 10);
      out->and_later = *end == '+';
      out->armed = out->left > 0;
    }
    return out;
  }();
  return state;
}

// After these the GPU's context is lost to the process: every later call fails alike.
bool is_final(cudaError_t code) {
  switch (code) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable: return true;
    default: return false;
  }
}

}  // namespace

void fail_call(int64_t n, bool and_later) {
  Planted& p = planted();
  p.armed = false;
  p.left = n;
  p.checked = 0;
  p.and_later = and_later;
  p.armed = n > 0;
}

int64_t calls_checked() { return planted().checked; }

Status planted_failure(const char* what) {
  Planted& p = planted();
  if (!p.armed.load(std::memory_order_relaxed)) [[likely]]
    return {};
  ++p.checked;
  const int64_t left = p.left--;
  if (left > 1 || (left < 1 && !p.and_later)) return {};
  return fail(Code::device, "{}: a failure that a test asked for", what);
}

Status failure_of(cudaError_t code, const char* what) {
  if (code == cudaSuccess) [[likely]]
    return {};
  (void)cudaGetLastError();  // what is not sticky must not be met again by the next call
  const Code kind = code == cudaErrorMemoryAllocation ? Code::out_of_memory : Code::device;
  return fail(kind, "{}: {} ({}){}", what, cudaGetErrorString(code), cudaGetErrorName(code),
              is_final(code) ? "; the GPU can be used again by a new process only" : "");
}

Status check(cudaError_t code, const char* what) {
  TN_TRY(failure_of(code, what));
  return planted_failure(what);
}

Status launch(cudaKernel_t kernel, const LaunchShape& shape, void** args, void* queue) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(shape.grid[0], shape.grid[1], shape.grid[2]);
  config.blockDim = dim3(shape.block[0], shape.block[1], shape.block[2]);
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = static_cast<cudaStream_t>(queue);
  return call("cudaLaunchKernelExC", cudaLaunchKernelExC, &config, reinterpret_cast<const void*>(kernel), args);
}

Status allow_shared(cudaKernel_t kernel, unsigned bytes) {
  if (!kernel) return {};  // code is collected
  int ordinal = 0;
  TN_TRY(check(cudaGetDevice(&ordinal), "cudaGetDevice"));
  return check(cudaKernelSetAttributeForDevice(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes),
                                               ordinal),
               "cudaKernelSetAttributeForDevice");
}

}  // namespace tenon::cuda
