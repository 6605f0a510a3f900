// What ops with a fused epilogue share.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// The type of a node's output after its epilogue: checks that `epilogue` (if there is one) takes the op's own
// result and the inputs from `first_extra` on, and that those broadcast to the result's shape.
Result<TensorType> apply_epilogue(NodeView view, size_t first_extra, TensorType own_result);
// The same of any program of the node's, whose extras are `extras` inputs from `first_extra` on.
Result<TensorType> apply_program(NodeView view, const Program& program, size_t first_extra, size_t extras, TensorType own_result);

// A permutation attribute of `rank` entries; identity where the attribute is absent.
Result<std::vector<int64_t>> permutation(const Attrs& attrs, std::string_view name, size_t rank);

}  // namespace tenon
