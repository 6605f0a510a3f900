// What operators on strings are put together from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// A constant of strings.
ValueId text_constant(OnnxNode& node, Shape shape, const std::vector<std::string>& texts);
// The elements of a constant of strings.
Result<std::vector<std::string>> texts_of(const Constant& tensor);

// For each element of a tensor of strings the number of the key that it equals, of equal keys the last one's; the number of
// keys where there is none.
Result<ValueId> index_of(OnnxNode& node, ValueId x, const std::vector<std::string>& keys);
// The texts that a tensor of indices into them names.
Result<ValueId> texts_at(OnnxNode& node, const std::vector<std::string>& texts, ValueId indices);

// a where the condition holds, else b: numbers, bools or strings.
Result<ValueId> where(OnnxNode& node, ValueId condition, ValueId a, ValueId b);
// x as another type, of which one is strings.
Result<ValueId> cast_texts(OnnxNode& node, ValueId x, DType type);

}  // namespace tenon
