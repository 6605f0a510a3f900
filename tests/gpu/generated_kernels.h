// The kernels whose code is generated, without the module.
#pragma once

#include "gpu/cases.h"

namespace tenon::test {

const Kernel* generated_kernel(std::string_view id);
// The tensor of a spec, without memory.
Arg arg_of(const Spec& spec, bool in_memory = true);

// A call of a case whose parameters lie aligned.
struct CaseCall {
  std::vector<uint64_t> block;
  std::vector<Arg> inputs, outputs;
  PrepareCall call;
};
CaseCall call_of(const Case& c, DeviceSession* session);

Result<Prepared> prepare_case(const Case& c, DeviceSession& session);

}  // namespace tenon::test
