// Verification of one region: values, steps, and the arena's layout.
#pragma once

#include <set>
#include <string_view>

#include "base/limits.h"
#include "plan/plan.h"

namespace tenon::plan {

// A tensor that a region takes or gives.
struct Port {
  DType dtype = DType::none;
  Format format;
  std::vector<int64_t> dims;  // of a refit program: constants; else empty, compared when shapes are known

  friend bool operator==(const Port&, const Port&) = default;
};

// A format as it is on the host, where memory is one.
inline Format on_host(Format format) {
  format.place = Place::device;
  return format;
}

struct Boundary {
  std::vector<Port> inputs, outputs;
  bool constant = false;  // all dims of the region are constants, and ports have dims
  int depth = 0;          // of a step's body: regions around it
};

// The plan's dim table, bindings and weights have been checked.
// `found`, of a body: gets the symbols that its steps find, which nothing else may.
Status check_region(const Plan& plan, const Region& region, const Boundary& boundary, const Limits& limits,
                    std::set<uint32_t>* found = nullptr);

// Entries of the dim table, at most kMaxRank.
Status check_dims(std::span<const uint32_t> dims, const Plan& plan, std::string_view what,
                  std::string_view name);

}  // namespace tenon::plan
