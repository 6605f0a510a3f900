// Checks that the kernels which move elements share; the reference and the fast kernels refuse the same calls.
#pragma once

#include "common/kernel.h"
#include "move/params.h"

namespace tenon::move {

// The element types of x and out agree and have a size; both are linear.
Status check_elements(const Arg& x, const Arg& out, const char* kernel);
Status check_transpose(const PrepareCall& call);
Status check_slice(const PrepareCall& call);
Status check_expand(const PrepareCall& call);
// All inputs and the output lie in one format; the block of a blocked one divides the axis-1 dim of every input when
// the axis is 1.
Status check_concat(const PrepareCall& call);
Status check_pad(const PrepareCall& call);
Status check_copy(const PrepareCall& call);

}  // namespace tenon::move
