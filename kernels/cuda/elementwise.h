// Kernels that compute each element of an output from where it is: a loop over the output's elements round a body.
#pragma once

#include "cuda/generate/operand.h"

namespace tenon::cuda {

// Launches one thread for each `width` elements of the space's loops. `body` sees `at` (the element's number), the
// loops' indices i0 … and may return; its pointers are declared by the caller in `source`.
Status add_elementwise(Session& session, Source& source, const Space& space, int width, const std::string& body,
                       LaunchState& state);

// Prepares every variant: `add(space, attempt)` makes the space of the variant that it is given, and its launches.
template <class F>
Status prepare_each(const PrepareCall& call, Prepared& prepared, F add) {
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    Space space(variant);
    LaunchState attempt;
    TN_TRY(add(space, attempt));
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

}  // namespace tenon::cuda
