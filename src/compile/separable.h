// Which depthwise convolutions are computed together with the 1 x 1 convolutions around them.
#pragma once

#include "tactics/select.h"

namespace tenon {

// Puts separable_conv nodes in the place of conv nodes unless the candidates chosen for those are clearly quicker, from and to
// the same forms, so that nothing else changes. Where `options.forced` is conv_separable, wherever it can; where it is another
// tactic, nowhere. Says whether there are any; then a selection has to be made anew. Requires core level, fused.
Result<bool> fuse_separable(Graph& graph, const Selection& selection, const KernelTable& kernels, Timer& timer,
                            TimingCache& cache, const SelectOptions& options, std::vector<Decision>& decisions);

}  // namespace tenon
