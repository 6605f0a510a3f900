// In programs that only compile device code nothing can be launched.
#include "cuda/session.h"

namespace tenon::cuda {

Status check(cudaError_t, const char* what) { return fail(Code::device, "{}: there is no GPU", what); }
Status launch(cudaKernel_t, const LaunchShape&, void**, void*) { return check(cudaErrorNoDevice, "launch"); }
Status allow_shared(cudaKernel_t, unsigned) { return {}; }

}  // namespace tenon::cuda
