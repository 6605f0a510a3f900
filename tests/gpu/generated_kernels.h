// The kernels whose code is generated, without the module.
#pragma once

#include "gpu/case_arg.h"

namespace tenon::test {

const Kernel* generated_kernel(std::string_view id);
Result<Prepared> prepare_case(const Case& c, DeviceSession& session);

}  // namespace tenon::test
