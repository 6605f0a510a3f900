// What quantising operators share: integers with a scale and a zero point.
#pragma once

#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// round(value) + zero in the integer type `to`, saturating: round to nearest, ties to even; NaN counts as 0. `value` is a
// formula over `operands`; `zero` may be invalid, for 0.
Result<ValueId> quantized(OnnxNode& node, std::string_view value, std::vector<ValueId> operands, ValueId zero, DType to);

// x - zero in i32, exact for types of up to 16 bits. `zero` may be invalid, for 0.
Result<ValueId> centred(OnnxNode& node, ValueId x, ValueId zero);

// 8-bit integers with a scale and a zero point (invalid: 0); of a matrix, scalars or a vector of its columns.
struct QuantizedMatrix {
  ValueId x, scale, zero;
};

// The product of two matrices as floats of the scales' type, plus a bias [columns] unless that is invalid.
Result<ValueId> scaled_product(OnnxNode& node, const QuantizedMatrix& a, const QuantizedMatrix& b, ValueId bias);

}  // namespace tenon
