// The chosen graph becomes a plan: steps, values with their place in memory, weights and the programs that compute
// them.
#pragma once

#include "compile/compile.h"
#include "compile/materialise.h"
#include "compile/profiles.h"
#include "device/kernel_table.h"

namespace tenon {

struct Lowered {
  plan::Plan plan;
  std::vector<std::byte> weights;     // plan.weight_bytes points here
};

Result<Lowered> lower(const ChosenGraph& chosen, const SymbolRanges& symbols, const BuildConfig& config,
                      const plan::Target& target, const KernelTable& kernels);

}  // namespace tenon
