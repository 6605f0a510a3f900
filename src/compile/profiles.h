// Profiles as the user gives them (dims per input) become ranges of the graph's symbols.
#pragma once

#include <functional>

#include "compile/compile.h"
#include "plan/plan.h"
#include "tactics/problem.h"

namespace tenon {

struct SymbolRanges {
  // Every symbol of the network's inputs, in order of appearance; then those that a run finds.
  std::vector<std::string> symbols;
  std::vector<std::vector<plan::Range>> ranges; // per profile, per symbol

  std::vector<std::pair<std::string, Dim>> found;  // of those that a run finds: the most, in order

  // Where a size has no bound, its opt.
  SymbolValues values(size_t profile, int64_t plan::Range::* which) const;
  // The same, no run finding more than it can with the other values.
  SymbolValues possible(SymbolValues values) const;
};

// Errors name the input, the dim and the range. Without profiles every symbol is 1, with one warning that names the
// dims.
Result<SymbolRanges> symbol_ranges(const Graph& graph, const BuildConfig& config, const Log& log);

// Adds the sizes that the graph's nodes find: from 0 to the most that a profile allows, at its opt the most at its opt.
// `body_of`: the graph that a node runs, as passes left it.
Status add_found_sizes(const Graph& graph, const std::function<const Graph&(const Graph& attribute)>& body_of, SymbolRanges& ranges);

}  // namespace tenon
