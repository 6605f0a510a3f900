// Profiles as the user gives them (dims per input) become ranges of the graph's symbols.
#pragma once

#include "compile/compile.h"
#include "plan/plan.h"
#include "tactics/problem.h"

namespace tenon {

struct SymbolRanges {
  std::vector<std::string> symbols;             // every symbol of the network's inputs, in order of appearance
  std::vector<std::vector<plan::Range>> ranges; // per profile, per symbol

  SymbolValues values(size_t profile, int64_t plan::Range::* which) const;
};

// Errors name the input, the dim and the range. Without profiles every symbol is 1, with one warning that names the
// dims.
Result<SymbolRanges> symbol_ranges(const Graph& graph, const BuildConfig& config, const Log& log);

}  // namespace tenon
