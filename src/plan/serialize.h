// Plan bytes. Layout: header (magic, version, section table with 64-bit offsets, size, alignment and XXH3
// hash of each section), a FlatBuffers metadata section, raw sections (weights; kernel images on devices that
// have them).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "plan/plan.h"

namespace tenon::plan {

// Equal plans give equal bytes.
Result<std::vector<std::byte>> write(const Plan& plan);

// Checks everything once: header, hashes, sizes before they are allocated, every index, offset and range, the
// dim table, arena layout (no two values that are alive together overlap), weights, refit programs. What
// passes may be executed by the runtime without further checks of indices. Kernel parameters are checked by
// the kernels' prepare; kernel images are code that nothing can check, so a plan for a device that has them must come
// from somebody trusted. The plan's weight_bytes and image_bytes point into `bytes`.
Result<Plan> load(std::span<const std::byte> bytes, const Limits& limits);

// One line per fact, in a fixed order; weights as hashes.
std::string dump(const Plan& plan);
// The same as JSON.
std::string dump_json(const Plan& plan);

}  // namespace tenon::plan
