// A node with numbers instead of symbols: what is timed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/kernel.h"
#include "tactics/tactic.h"

namespace tenon {

// Values of the symbols for which candidates are timed: the profile's opt.
using SymbolValues = std::map<std::string, int64_t, std::less<>>;

// One kernel call at one shape, ready to run but for memory.
struct Trial {
  std::string kernel;
  std::vector<std::byte> params;   // dim parameters filled in
  std::vector<Arg> inputs, outputs;
};

Result<Arg> concrete_arg(const TensorType& type, Format format, const SymbolValues& symbols);
Result<Trial> concrete_trial(NodeView node, const Candidate& candidate, const SymbolValues& symbols);

// The problem as text: op, attributes, types at the given symbols; the same for two nodes that cost the same.
Result<std::string> problem_key(NodeView node, const SymbolValues& symbols);
// The candidate as text: tactic, config and formats.
std::string candidate_key(const Tactic& tactic, const Candidate& candidate);

}  // namespace tenon
