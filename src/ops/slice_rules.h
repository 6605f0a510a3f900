// Rules that bring a slice nearer to where its operand comes from, so that only what is read is computed.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// slice(reshape(x)) is reshape(slice(x)) where the sliced dim is one of x's, or the first that one of x's was split into.
Result<bool> slice_before_reshape(NodeView view, Patch& patch);
// slice(pointwise(x…)) is pointwise(slice(x)…) when slices that do not overlap are all that is read of it.
Result<bool> slice_before_pointwise(NodeView view, Patch& patch);
// Slices of a product's last dim, when they are all that is read of it, are products with parts of the weight: the
// query, key and value of an attention that come from one weight.
Result<bool> slice_before_matmul(NodeView view, Patch& patch);

}  // namespace tenon
