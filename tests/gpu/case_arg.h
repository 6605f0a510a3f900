// The call that a case describes, without memory.
#pragma once

#include "gpu/cases.h"

namespace tenon::test {

Arg arg_of(const Spec& spec, bool in_memory = true);

// A call of a case whose parameters lie aligned.
struct CaseCall {
  std::vector<uint64_t> block;
  std::vector<Arg> inputs, outputs;
  PrepareCall call;
};
CaseCall call_of(const Case& c, DeviceSession* session);

}  // namespace tenon::test
