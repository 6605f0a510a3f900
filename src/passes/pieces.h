// Values that lie within another value's memory. Along the outermost dim, what a concatenation joins and what a slice takes
// are runs of bytes of the whole: written and read where they lie, nothing is copied.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon {

// Where a value's memory begins in that of another one, which is neither a piece nor a view.
struct Piece {
  ValueId of;
  uint64_t offset = 0;  // bytes; a multiple of kPieceAlignment
};
inline constexpr uint64_t kPieceAlignment = 64;

// What disable_passes calls it.
inline constexpr std::string_view kPiecesName = "pieces";

struct Pieces {
  std::map<ValueId, Piece> values;
  std::set<NodeId> nodes;  // concatenations and slices that are left nothing to do
};

// A dim as the constant that it is wherever the plan runs, or as it is.
using FixDim = std::function<Dim(const Dim&)>;

// Of a graph at level `chosen`. A value can be a piece of one other only: of several concatenations that have it, the last one
// counts, and an earlier one where its parts lie one behind the other in the last one's result too. What is an output of the
// graph, or its input, or a constant, is no piece and has none.
Pieces find_pieces(const Graph& graph, const std::vector<bool>& is_static, const FixDim& fix);

// Whether find_pieces may leave a node nothing to do, if its tensors had these types: those of the inputs, then the output's.
bool may_copy_nothing(NodeView node, std::span<const TensorType> types, const FixDim& fix);

}  // namespace tenon
