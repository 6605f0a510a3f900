// The layers of a plan's profile, as engines and profilers show them.
#pragma once

#include <string>

#include "plan/plan.h"

namespace tenon::capi {

// Names of the model's nodes that a step computes, with a line break after each but the last.
inline std::string origins_of(const plan::Plan& plan, const plan::Step& step) {
  std::string out;
  for (uint32_t origin : step.origins) {
    if (origin >= plan.origins.size()) continue;
    if (!out.empty()) out += '\n';
    out += plan.origins[origin].first;
  }
  return out;
}

}  // namespace tenon::capi
