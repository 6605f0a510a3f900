// Copies between the memories of host and device, around steps that run on the host.
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_TRY(expect_type(call.outputs[0], call.inputs[0].dtype, "the copy"));
  TN_TRY(expect_format(call.inputs[0], kLinear, "what is copied"));
  TN_TRY(expect_format(call.outputs[0], kLinear, "the copy"));
  return expect_shape(call.outputs[0], call.inputs[0].shape(), "the copy");
}

Status copy(const LaunchCall& call, cudaMemcpyKind kind) {
  const size_t bytes = static_cast<size_t>(storage_bytes(call.inputs[0]));
  if (bytes == 0) return {};
  return tenon::cuda::call("cudaMemcpyAsync", cudaMemcpyAsync, call.outputs[0].data, call.inputs[0].data, bytes, kind,
                           static_cast<cudaStream_t>(call.queue));
}

Status launch_in(const LaunchCall& call) { return copy(call, cudaMemcpyHostToDevice); }
Status launch_out(const LaunchCall& call) { return copy(call, cudaMemcpyDeviceToHost); }

}  // namespace

extern const Kernel kCudaCopyIn;
const Kernel kCudaCopyIn{"cuda.copy_in", 0, 0, 0, prepare, launch_in, Place::device, 1, Place::device};

extern const Kernel kCudaCopyOut;
const Kernel kCudaCopyOut{"cuda.copy_out", 0, 0, 0, prepare, launch_out, Place::device, 0, Place::host};

}  // namespace tenon::cuda
