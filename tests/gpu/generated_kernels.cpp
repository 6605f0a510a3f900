#include "gpu/generated_kernels.h"

#include <algorithm>

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

Arg arg_of(const Spec& spec, bool in_memory) {
  Arg out;
  out.dtype = in_memory ? spec.in_memory() : spec.type;
  out.format = in_memory ? spec.format : kLinear;
  out.rank = static_cast<int32_t>(spec.dims.size());
  out.fixed_dims = spec.fixed;
  std::copy(spec.dims.begin(), spec.dims.end(), out.dims);
  return out;
}

CaseCall call_of(const Case& c, DeviceSession* session) {
  CaseCall out;
  out.block.resize((c.params.size() + 7) / 8 + 1);
  if (!c.params.empty()) std::memcpy(out.block.data(), c.params.data(), c.params.size());
  for (const Spec& spec : c.inputs) out.inputs.push_back(arg_of(spec));
  for (const Spec& spec : c.outputs) out.outputs.push_back(arg_of(spec));
  out.call = {std::as_bytes(std::span(out.block)).first(c.params.size()), out.inputs, out.outputs, 1, session};
  return out;
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
