// The metadata section: a Plan without its weights' bytes, as FlatBuffers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace tenon::plan {

// Equal plans give equal bytes. The hashes of the weights are taken as they are in the plan.
Result<std::vector<std::byte>> encode(const Plan& plan);

// Refuses bytes that are no such section, before anything is allocated by a number in them; the plan's
// contents are not yet verified.
Result<Plan> decode(std::span<const std::byte> section);

// Writes the section's own hash of its contents anew (for tools and tests that alter bytes); false if the
// bytes are no such section.
bool rehash_metadata(std::span<std::byte> section);

}  // namespace tenon::plan
