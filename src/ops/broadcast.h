// The shape of operands under ONNX's multidirectional broadcasting.
#pragma once

#include <span>

#include "ir/types.h"

namespace tenon {

// Fails when dims disagree, naming both types.
Result<Shape> broadcast_shapes(std::span<const TensorType> operands);

}  // namespace tenon
