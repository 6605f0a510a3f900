#include "gpu/generated_kernels.h"

namespace tenon {
namespace cuda {
#define TN_KERNEL(name) extern const Kernel name;
#include "cuda/generated.inc"
#undef TN_KERNEL
}  // namespace cuda

namespace test {

const Kernel* generated_kernel(std::string_view id) {
  static const Kernel* const kAll[] = {
#define TN_KERNEL(name) &cuda::name,
#include "cuda/generated.inc"
#undef TN_KERNEL
  };
  for (const Kernel* kernel : kAll)
    if (kernel->id == id) return kernel;
  return nullptr;
}

Result<Prepared> prepare_case(const Case& c, DeviceSession& session) {
  const Kernel* kernel = generated_kernel(c.kernel);
  if (!kernel) return fail(Code::not_found, "no kernel {}", c.kernel);
  if (kernel->params_size != c.params.size())
    return fail(Code::internal, "{} takes {} bytes of parameters, the case has {}", c.kernel, kernel->params_size,
                c.params.size());
  CaseCall call = call_of(c, &session);
  Prepared out;
  TN_TRY(kernel->prepare(call.call, out));
  return out;
}

}  // namespace test
}  // namespace tenon
