// How operators are expanded whose results are as large as their values say. See ir/found.h.
#pragma once

#include <vector>

#include "ir/op_def.h"

namespace tenon {

struct FoundSizes {
  std::vector<ValueId> outputs;  // of the node, without the sizes
  Shape sizes;                   // a symbol for each
};
// A node of an op that finds sizes, up to `most` each; `outputs` without the sizes.
Result<FoundSizes> find_sizes(OnnxNode& node, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs, Shape most);

// The positions [n, rank] of the elements of x that are not zero.
Result<ValueId> nonzero_positions(OnnxNode& node, ValueId x);
// What an integer tensor of one element says, as a dim from 0 to `most`; the run fails if it says another.
Result<Dim> size_in(OnnxNode& node, ValueId x, const Dim& most);

// For infer: that the attributes say `count` symbols and their bounds.
Status check_found_attrs(NodeView view, size_t count);

}  // namespace tenon
