// Which values follow from constants alone: those are computed when the plan is made (and by a refit), never at run
// time. No pass replaces them by their elements: the nodes stay, as the program that a refit runs.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tenon {

// By value index: true for constants and for outputs of deterministic nodes whose inputs are all static and whose
// types and dim attributes are constant.
std::vector<bool> static_values(const Graph& graph);

// The same for one node, given the answer for its inputs.
bool is_static_node(const Graph& graph, const Node& node, const std::vector<bool>& known);

}  // namespace tenon
