// Loops and branches whose course a run decides.
//
// A node of an op with OpDef::runs_graphs holds the graphs that it computes as attributes: core ops over inputs of their
// own, which are what the node's inputs say. Dims of such a graph are written in the symbols of the graph around it; sizes
// that it finds are known in it alone. Nothing moves between a graph and the one around it once both are made.
//
// loop: carries values from one iteration to the next, and stacks slices behind each other. `trips` says how many iterations
// there are at most. `condition`, if it is there, is a size that the body finds: when it is 0 no iteration follows; the node
// then finds how many there were, for which its last output stands, unless it stacks nothing.
//   inputs    carried (first values), captured
//   outputs   carried (last values), stacked [trips, slice…], i64[1] if it has the attribute found
//   body      inputs carried, captured; outputs carried, slices
//
// branch: `which` says which of two graphs is computed: `then` unless it is 0.
//   inputs    captured by then, captured by else
//   outputs   what the graphs give; i64[sizes] if it has the attribute found
// Outputs whose dims differ are vectors that hold either: the elements lie at their begin. The sizes found are those
// of `then_sizes` or `else_sizes`.
#pragma once

#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

inline constexpr std::string_view kBody = "body", kThen = "then", kElse = "else", kTrips = "trips", kWhich = "which",
                                  kCondition = "condition", kCarried = "carried", kReversed = "reversed", kSplit = "then_inputs",
                                  kThenSizes = "then_sizes", kElseSizes = "else_sizes";

// The graphs that a node runs, in the order of a plan's bodies; none of another op.
inline std::vector<GraphPtr> graphs_of(const Node& node) {
  std::vector<GraphPtr> out;
  if (!node.op->runs_graphs) return out;
  for (std::string_view name : {kBody, kThen, kElse})
    if (GraphPtr graph = node.attrs.get<GraphPtr>(name)) out.push_back(std::move(graph));
  return out;
}

}  // namespace tenon
