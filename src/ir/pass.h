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

// For `expand` over a model of which not every node can be expanded: those that cannot be, and what needs them, are left
// out, in place of a failure; the graph's outputs are then what is known of them, and what the nodes left out would read.
// By index of the nodes at network level.
struct ExpandSurvey {
  std::vector<bool> refused;                               // in: nodes that are known to be faulty
  std::vector<std::pair<NodeId, Error>> failed;            // out: nodes that could not be expanded, and why
  std::vector<Error> problems;                             // out: of no node
  std::vector<bool> blocked;                               // out: an input comes from a node that was left out
  std::vector<bool> unused;                                // out: no output needs it
  std::vector<std::vector<std::string_view>> expansions;   // out: names of the core ops that a node became
};

struct PassContext {
  const ClaimOracle* oracle = nullptr;      // null: everything is possible (filetests)
  std::vector<Decision>* decisions = nullptr;
  ExpandSurvey* survey = nullptr;           // null: the first node that cannot be expanded is a failure
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
