// Parameters of the normalisation kernels.
#pragma once

#include "base/limits.h"
#include "base/program.h"

namespace tenon {

// inputs: x, scale or absent, bias or absent, the epilogue's extras. outputs: y, and where wanted the mean and the
// inverse standard deviation, f32 of x's dims with those from `axis` on 1.
// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, over the dims from `axis` on; scale and bias have x's type
// and broadcast to x.
struct LayerNormParams {
  int32_t axis = 0;
  float epsilon = 0;
  Program epilogue;
};

// inputs: x [N,C,…], scale [C], bias [C], the epilogue's extras; output: y. Each of the groups of C / groups channels
// is normalised by its own mean and variance.
struct GroupNormParams {
  int64_t groups = 1;
  float epsilon = 0;
  int32_t zero = 0;
  Program epilogue;
};

}  // namespace tenon
