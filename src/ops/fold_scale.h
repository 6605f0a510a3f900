// A rule of pointwise: see fold_scale.cpp.
#pragma once

#include "ir/op_def.h"

namespace tenon {

Result<bool> fold_scale(NodeView view, Patch& patch);

}  // namespace tenon
