// What the CUDA kernels of one engine share: the device, compiled code, handles of libraries.
//
// Libraries are opened when they are first asked for (cuBLASLt, cuDNN, NVRTC), so that a plan of Tenon's own kernels
// needs none of them, and what is missing is said by name.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <string>

#include "common/kernel.h"
#include "device/device.h"

struct cublasLtContext;

namespace tenon::cuda {

class CudnnHandle;

// Thread rule: any thread. Kernels' prepare and launch are called with the session's GPU current to their thread.
class Session : public DeviceSession {
 public:
  virtual int ordinal() const = 0;
  virtual const DeviceFacts& facts() const = 0;
  // The function `entry` (extern "C") of `source`, compiled for this device's architecture and loaded; lives as long
  // as the session. The same source gives the same function, compiled once. Fails with the compiler's messages, or,
  // when the session does not compile, saying that the plan lacks the code.
  //
  // What a source depends on must be the same when the plan is built and when it runs, for every shape of the plan:
  // parameters, element types, ranks, formats, and of the dims only those in Arg::fixed_dims.
  // While code is collected it is null, and nothing fails.
  virtual Result<cudaKernel_t> function(const std::string& source, const char* entry) = 0;
  // Whether a kernel that is prepared makes all code that the plan's shapes may need, or only that of the shape at hand.
  virtual bool every_shape() const { return true; }
  // Live as long as the session. The cuDNN handle has no stream of its own: set it before each use, under the lock.
  virtual Result<cublasLtContext*> cublaslt() = 0;
  virtual Result<CudnnHandle*> cudnn() = 0;
};

// All that prepare sees of a call, with other parameters if they are given: equal calls, equal bytes.
std::string identity(const PrepareCall& call, std::span<const std::byte> params);

inline Session& session_of(const PrepareCall& call) { return static_cast<Session&>(*call.session); }
// Blocks can read each other's shared memory: from compute capability 9.0 ("sm_90a") on.
inline bool has_clusters(const DeviceFacts& facts) {
  return facts.architecture.size() > 3 && std::atoi(facts.architecture.c_str() + 3) >= 90;
}

// A failure of the CUDA runtime as a Status: "cudaMemcpyAsync: out of memory (cudaErrorMemoryAllocation)". Every call of
// the runtime that can fail goes through check or call.
Status check(cudaError_t code, const char* what);

// For tests: the n-th checked call of the process from now fails, with `and_later` all that follow too; 0: none. The
// variable TENON_CUDA_FAIL_AT asks for the same: "7", "7+".
void fail_call(int64_t n, bool and_later = false);
// How many calls were checked since fail_call(n), n > 0.
int64_t calls_checked();
// The failure, if it is this call's turn.
Status planted_failure(const char* what);

Status failure_of(cudaError_t code, const char* what);

// Calls a function of the runtime. One that a test asked to fail is not called, so that nothing is made that nobody
// gives back.
template <class... P, class... A>
Status call(const char* what, cudaError_t (*function)(P...), A&&... args) {
  TN_TRY(planted_failure(what));
  return failure_of(function(static_cast<A&&>(args)...), what);
}

struct LaunchShape {
  unsigned grid[3] = {1, 1, 1};
  unsigned block[3] = {1, 1, 1};
  unsigned shared_bytes = 0;      // dynamic; above 48 KiB the kernel must have been allowed them (allow_shared)
};

// `args[i]` points to the i-th parameter's value.
Status launch(cudaKernel_t kernel, const LaunchShape& shape, void** args, void* queue);
// On the GPU that is current.
Status allow_shared(cudaKernel_t kernel, unsigned bytes);

}  // namespace tenon::cuda
