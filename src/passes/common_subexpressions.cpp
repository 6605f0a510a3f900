// common_subexpressions: nodes of one op with the same inputs and attributes become one; so do small literals with the
// same elements. Constants that can be refitted merge by identity only: a refit may make them differ.
// Requires: core level. Ensures: no two deterministic nodes compute the same.
#include <algorithm>
#include <map>

#include "base/hash.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr size_t kMaxLiteralBytes = 1024;

std::string literal_key(const Constant& constant) {
  if (!constant.refit_name.empty() || constant.bytes.view.empty() || constant.bytes.view.size() > kMaxLiteralBytes)
    return {};
  std::string key = print(constant.type) + " ";
  key.append(reinterpret_cast<const char*>(constant.bytes.view.data()), constant.bytes.view.size());
  return key;
}

class Merger {
 public:
  explicit Merger(Graph& graph) : graph_(graph), patch_(graph, std::span<const NodeId>()), same_(graph.value_count()) {}

  Status run() {
    for (uint32_t i = 0; i < graph_.value_count(); ++i)
      if (graph_.is_constant({i})) literal({i});
    for (NodeId id : graph_.order()) node(id);
    return apply(graph_, std::move(patch_));
  }

 private:
  ValueId representative(ValueId id) const { return id.valid() && same_[id.index].valid() ? same_[id.index] : id; }

  void merge(ValueId duplicate, ValueId first) {
    same_[duplicate.index] = first;
    patch_.replace(duplicate, first);
  }

  void literal(ValueId id) {
    std::string key = literal_key(*graph_.value(id).constant);
    if (key.empty()) return;
    auto [it, inserted] = literals_.emplace(std::move(key), id);
    if (!inserted) merge(id, it->second);
  }

  void node(NodeId id) {
    const Node& node = graph_.node(id);
    if (!node.op->deterministic) return;
    std::string key(node.op->name);
    for (ValueId input : node.inputs) key += " " + std::to_string(representative(input).index);
    auto [begin, end] = nodes_.equal_range(key);
    for (auto it = begin; it != end; ++it) {
      const Node& first = graph_.node(it->second);
      if (first.attrs != node.attrs || first.outputs.size() != node.outputs.size()) continue;
      for (size_t i = 0; i < node.outputs.size(); ++i) merge(node.outputs[i], first.outputs[i]);
      return;
    }
    nodes_.emplace(std::move(key), id);
  }

  Graph& graph_;
  Patch patch_;
  std::vector<ValueId> same_;
  std::map<std::string, ValueId> literals_;
  std::multimap<std::string, NodeId> nodes_;
};

Status run(Graph& graph, const PassContext&) { return Merger(graph).run(); }

}  // namespace

const Pass k_common_subexpressions{"common_subexpressions", run};

}  // namespace tenon
