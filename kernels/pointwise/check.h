// What every pointwise kernel refuses.
#pragma once

#include "common/kernel.h"
#include "pointwise/params.h"

namespace tenon {

// The program verifies, takes the inputs' types and yields the output's; the output's dims are the inputs' broadcast
// together. Formats are the caller's.
Status check_pointwise(const PrepareCall& call);

}  // namespace tenon
