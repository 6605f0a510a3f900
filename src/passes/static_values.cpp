#include "passes/static_values.h"

#include <algorithm>

#include "ir/op_def.h"

namespace tenon {
namespace {

bool has_symbolic_attr(const Node& node) {
  return std::any_of(node.attrs.begin(), node.attrs.end(), [](const auto& item) {
    const Shape* shape = std::get_if<Shape>(&item.second);
    return shape && !constant_shape(*shape);
  });
}

}  // namespace

bool is_static_node(const Graph& graph, const Node& node, const std::vector<bool>& known) {
  if (!node.op->deterministic || has_symbolic_attr(node)) return false;
  // Refit programs, which compute what is static, know no strings.
  auto is_text = [&](ValueId id) { return graph.value(id).type.dtype == DType::string; };
  if (std::any_of(node.inputs.begin(), node.inputs.end(), is_text) || std::any_of(node.outputs.begin(), node.outputs.end(), is_text))
    return false;
  for (ValueId input : node.inputs)
    if (input.valid() && !known[input.index]) return false;
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId output) { return constant_shape(graph.value(output).type.shape).has_value(); });
}

std::vector<bool> static_values(const Graph& graph) {
  std::vector<bool> known(graph.value_count(), false);
  for (uint32_t i = 0; i < graph.value_count(); ++i) known[i] = graph.is_constant({i});
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!is_static_node(graph, node, known)) continue;
    for (ValueId output : node.outputs) known[output.index] = true;
  }
  return known;
}

}  // namespace tenon
