// How loops whose course a run decides become a node of the core op loop, and what unrolled ones share.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// Nodes that a loop may become when it is unrolled: more take longer to build than they save.
inline constexpr int64_t kMostUnrolled = 400;

// Nodes of a graph and of those within it.
int64_t node_count(const Graph& graph);
// Whether a dim depends on what the graph finds when it runs.
bool is_found_in(const Dim& dim, const Graph& graph);
// `parts` one behind the other along a new axis; without any: none, of what one part of type `like` would be.
Result<ValueId> stack(OnnxNode& node, std::vector<ValueId> parts, size_t axis, const TensorType& like, bool reversed = false);
// A body's results that a run carries or stacks must be tensors.
Result<ValueId> tensor_of(const OnnxValue& value, std::string_view what, size_t i);

// What a loop that runs does with each iteration's results.
struct RunLoop {
  std::vector<ValueId> carried;   // first values
  Dim trips;                      // iterations at most
  bool bounded = true;            // the trips have a bound that holds for what is stacked
  std::vector<int64_t> reversed;  // by stacked output; empty: none is
  // From the carried values: the next ones, then slices.
  struct Iteration {
    std::vector<ValueId> next, slices;
    ValueId condition;     // invalid: there is none
    bool is_last = false;  // the condition never holds
  };
  std::function<Result<Iteration>(OnnxNode& inside, const std::vector<ValueId>& carried)> body;
};
struct RunResults {
  std::vector<ValueId> carried, stacked;
};
Result<RunResults> run_loop(OnnxNode& node, RunLoop loop);

}  // namespace tenon
