// Parameters of the pointwise kernels.
#pragma once

#include "base/program.h"

namespace tenon {

// inputs: the program's, broadcast together; output: the program's result for every element.
struct PointwiseParams {
  Program program;
};

}  // namespace tenon
