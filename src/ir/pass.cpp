#include "ir/pass.h"

namespace tenon {
namespace {

// Tries one rule on one node; true if the graph changed.
Result<bool> try_rule(Graph& graph, const Rule& rule, NodeId id) {
  Patch patch(graph, id);
  auto matched = rule.rewrite(NodeView(graph, graph.node(id)), patch);
  if (!matched) return trail(std::move(matched.error()), "in rule {} at node {}", rule.name, graph.node(id).name);
  if (!*matched) return false;
  if (auto status = apply(graph, std::move(patch)); !status)
    return trail(std::move(status.error()), "in rule {} at node {}", rule.name, graph.node(id).name);
  return true;
}

}  // namespace

Status rewrite(Graph& graph, std::span<const Rule> rules) {
  // Each rule makes the graph smaller or simpler; the bound stops a pair of rules that undo each other.
  const int64_t limit = 64 + 16 * static_cast<int64_t>(graph.order().size());
  int64_t applied = 0;
  for (bool changed = true; changed;) {
    changed = false;
    const std::vector<NodeId> order = graph.order();
    for (NodeId id : order) {
      const Node& node = graph.node(id);
      if (node.erased) continue;
      auto try_all = [&](std::span<const Rule> list) -> Result<bool> {
        for (const Rule& rule : list) {
          TN_ASSIGN(bool hit, try_rule(graph, rule, id));
          if (hit) return true;
        }
        return false;
      };
      TN_ASSIGN(bool hit, try_all(node.op->rules));
      if (!hit) {
        TN_ASSIGN(hit, try_all(rules));
      }
      if (!hit) continue;
      changed = true;
      if (++applied > limit) return fail(Code::internal, "rules do not come to an end; last at node {}", node.name);
    }
  }
  return {};
}

}  // namespace tenon
