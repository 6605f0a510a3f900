// What the rows of elementwise operators share.
#pragma once

#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// The node's inputs, all present. Before op set 7 two operands broadcast by the attributes `broadcast` and `axis`:
// the second then gets the trailing dims of 1 that ordinary broadcasting wants.
Result<std::vector<ValueId>> legacy_operands(OnnxNode& node);

// A pointwise node of the program that `text` says.
Result<ValueId> add_formula(OnnxNode& node, std::string_view text, std::vector<ValueId> operands);

}  // namespace tenon
