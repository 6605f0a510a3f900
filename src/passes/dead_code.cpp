// dead_code: erases nodes that no output needs.
// Requires: nothing. Ensures: every node reaches an output, or finds sizes.
#include "ir/found.h"
#include "passes/passes.h"

namespace tenon {
namespace {

Status run(Graph& graph, const PassContext&) {
  std::vector<bool> wanted(graph.value_count(), false);
  for (ValueId output : graph.outputs) wanted[output.index] = true;
  Patch patch(graph, std::span<const NodeId>());
  for (auto it = graph.order().rbegin(); it != graph.order().rend(); ++it) {
    const Node& node = graph.node(*it);
    bool live = finds_sizes(node);
    for (ValueId output : node.outputs) live |= wanted[output.index];
    if (!live) {
      patch.erase(*it);
      continue;
    }
    for (ValueId input : node.inputs)
      if (input.valid()) wanted[input.index] = true;
  }
  return apply(graph, std::move(patch));
}

}  // namespace

const Pass k_dead_code{"dead_code", run};

}  // namespace tenon
