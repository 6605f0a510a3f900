#include "cuda/session.h"

#include <atomic>
#include <cstdlib>

namespace tenon::cuda {
namespace {

// For tests: the n-th checked call of the process fails, as TENON_CUDA_FAIL_AT says; 0: none.
std::atomic<int64_t>& calls_until_failure() {
  static std::atomic<int64_t> left = [] {
    const char* text = secure_getenv("TENON_CUDA_FAIL_AT");
    return text ? std::atoll(text) : 0;
  }();
  return left;
}

bool must_fail() {
  std::atomic<int64_t>& left = calls_until_failure();
  return left.load(std::memory_order_relaxed) > 0 && left.fetch_sub(1, std::memory_order_relaxed) == 1;
}

}  // namespace

void fail_call(int64_t n) { calls_until_failure() = n; }

Status check(cudaError_t code, const char* what) {
  if (code == cudaSuccess && !must_fail()) [[likely]]
    return {};
  if (code == cudaSuccess) return fail(Code::device, "{}: a failure that a test asked for", what);
  (void)cudaGetLastError();  // what is not sticky must not be met again by the next call
  const Code kind = code == cudaErrorMemoryAllocation ? Code::out_of_memory : Code::device;
  return fail(kind, "{}: {} ({})", what, cudaGetErrorString(code), cudaGetErrorName(code));
}

Status launch(cudaKernel_t kernel, const LaunchShape& shape, void** args, void* queue) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(shape.grid[0], shape.grid[1], shape.grid[2]);
  config.blockDim = dim3(shape.block[0], shape.block[1], shape.block[2]);
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = static_cast<cudaStream_t>(queue);
  return check(cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel), args), "cudaLaunchKernelExC");
}

Status allow_shared(cudaKernel_t kernel, unsigned bytes) {
  return check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)),
               "cudaFuncSetAttribute");
}

}  // namespace tenon::cuda
