// What the reformat kernels take: one tensor in any known format, written in any known format.
#pragma once

#include "common/kernel.h"

namespace tenon::reformat {

Status check(const PrepareCall& call);

}  // namespace tenon::reformat
