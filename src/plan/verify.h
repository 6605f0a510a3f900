// What must hold of a plan before anything in it is used as an index, a size or an offset.
#pragma once

#include "base/limits.h"
#include "plan/plan.h"

namespace tenon::plan {

// Checks everything that needs no kernel, weights' bytes and hashes included.
Status verify(const Plan& plan, const Limits& limits);

// Bytes of a tensor in memory, padding lanes included; nullopt when a dim is negative or the product
// overflows.
std::optional<int64_t> storage_bytes(DType dtype, Format format, std::span<const int64_t> dims);

// A step whose output 0 lies over the memory of one of its inputs.
struct InPlace {
  uint32_t step, input;
};
// Those of a verified region, in order of steps.
std::vector<InPlace> in_place_steps(const Region& region);

// The value that holds a value's memory: itself unless it is a view.
inline uint32_t root_of(const Region& region, uint32_t value) {
  uint32_t of = region.values[value].view_of;
  return of == kNoView ? value : of;
}

// Whether a value of a checked region, or one that is being checked, is a view of some of another's memory.
inline bool is_piece(const Region& region, const Value& value) {
  if (value.view_of == kNoView) return false;
  const Value& of = region.values[value.view_of];
  return value.offset != of.offset || value.max_bytes != of.max_bytes;
}

}  // namespace tenon::plan
