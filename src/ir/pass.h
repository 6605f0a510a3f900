// Passes and rules: how a graph is transformed.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "ir/op_def.h"

namespace tenon {

// Whether some tactic of the target would take a node, without timing it: what a pass asks before it makes a node
// that only helps if a fast kernel computes it. Returns an empty text for yes, else the reason.
class ClaimOracle {
 public:
  virtual ~ClaimOracle() = default;
  virtual std::string refusal(NodeView node) const = 0;
};

// What a decision of a pass looks like in the build report.
struct Decision {
  std::string pass, node, what, reason;  // reason empty: it was done
};

struct PassContext {
  const ClaimOracle* oracle = nullptr;      // null: everything is possible (filetests)
  std::vector<Decision>* decisions = nullptr;
  void note(std::string pass, std::string node, std::string what, std::string reason = {}) const {
    if (decisions) decisions->push_back({std::move(pass), std::move(node), std::move(what), std::move(reason)});
  }
};

// A named transformation. Each pass's file says at its head what it requires of the graph and what it ensures.
struct Pass {
  std::string_view name;
  Status (*run)(Graph& graph, const PassContext& context);
};

// Applies every rule of every node's op, and `rules`, until nothing changes. An error names the rule and the node.
Status rewrite(Graph& graph, std::span<const Rule> rules);

}  // namespace tenon
