// Parameters of the softmax kernels.
#pragma once

#include "base/limits.h"
#include "base/program.h"

namespace tenon {

// inputs: the prologue's (x without one), the epilogue's extras; output: x's dims.
// y = exp(x - max) / sum(exp(x - max)) along the axis, or its logarithm.
struct SoftmaxParams {
  int32_t axis = 0;
  int32_t log = 0;
  Program prologue;
  Program epilogue;
};

}  // namespace tenon
