// What ops with a fused prologue share.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// How many of the node's first inputs are the op's own: the prologue's operands, or x alone.
size_t own_inputs(const NodeView& view);

// The type of x: of what `prologue` makes of its operands, or of input 0.
Result<TensorType> apply_prologue(const NodeView& view);

}  // namespace tenon
