// Turns a selection into a graph: every node names its kernel, formats are explicit, reformat and pack nodes stand
// where they are needed, one per value and form.
#pragma once

#include <map>
#include <memory>

#include "tactics/select.h"

namespace tenon {

// The graph at level `chosen`, with the kernel call of every node that runs at run time or when weights are computed
// (views have none).
struct ChosenGraph {
  Graph graph;
  std::map<NodeId, KernelCall> calls;
  std::map<NodeId, NodeId> chosen_from;   // node of the graph that selection saw, for the report
  int reformats = 0;                      // at run time
  // What became of the graphs that nodes run, by the graph of the node's attribute.
  std::map<const Graph*, std::shared_ptr<const ChosenGraph>> bodies;
};

// `device`: whose kernels convert at run time; weights are converted on the host.
Result<ChosenGraph> materialise(Graph graph, const std::vector<bool>& is_static, const Selection& selection,
                                std::string_view device);

}  // namespace tenon
