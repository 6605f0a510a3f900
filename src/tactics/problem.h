// A node with numbers instead of symbols: what is timed.
#pragma once

#include <string>
#include <vector>

#include "common/kernel.h"
#include "tactics/tactic.h"

namespace tenon {

// Where a node is looked at: values of the symbols, and which of them are the same at every shape of the plan.
struct ProblemPoint {
  SymbolValues values;
  SymbolValues fixed;
};

// One kernel call at one shape, ready to run but for memory.
struct Trial {
  std::string kernel;
  std::vector<std::byte> params;   // dim parameters filled in
  std::vector<Arg> inputs, outputs;
  std::vector<bool> is_static;     // by input: a weight, which a network reads from far
};

Result<Arg> concrete_arg(const TensorType& type, const Form& form, const ProblemPoint& point);
Result<Trial> concrete_trial(NodeView node, const Candidate& candidate, const ProblemPoint& point);

// The problem as text: op, attributes, types at the given symbols; the same for two nodes that cost the same.
Result<std::string> problem_key(NodeView node, const SymbolValues& symbols);
// The candidate as text: tactic, config and formats.
std::string candidate_key(const Tactic& tactic, const Candidate& candidate);

}  // namespace tenon
