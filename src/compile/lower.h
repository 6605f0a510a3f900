// The chosen graph becomes a plan: steps, values with their place in memory, weights and the programs that compute
// them.
#pragma once

#include <set>

#include "compile/compile.h"
#include "compile/materialise.h"
#include "compile/profiles.h"
#include "device/device.h"
#include "device/kernel_table.h"

namespace tenon {

struct Lowered {
  plan::Plan plan;
  std::vector<std::byte> weights;     // plan.weight_bytes points here
  std::vector<std::byte> images;      // plan.image_bytes points here
  // Concatenations and slices that need no step: their results lie within other values' memory, or these within theirs.
  std::set<std::pair<const ChosenGraph*, NodeId>> joined;
};

Result<Lowered> lower(const ChosenGraph& chosen, const SymbolRanges& symbols, const BuildConfig& config,
                      const plan::Target& target, const KernelTable& kernels);

// Puts the code into the plan that its steps ask for: prepares every profile at its opt, as an engine will, with a
// session that compiles.
Status add_images(Lowered& lowered, const KernelTable& kernels, const Device& device, const SessionOptions& options);

}  // namespace tenon
