// Casts as ONNX has them.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// x in another element type; x itself if it has it already. To 8-bit floats what is too large becomes the largest finite
// number or, without `saturate`, infinity where the type has one and NaN where not.
Result<ValueId> cast(OnnxNode& node, ValueId x, DType type, bool saturate);

}  // namespace tenon
