// Values of a plan's dim table at one set of symbols.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace tenon {

// An entry that cannot be computed (its symbol is not set, it divides by zero, overflows, or broadcasts dims
// that do not fit) has no value; that matters only to who asks for it.
class DimValues {
 public:
  DimValues() = default;
  // By symbol; nullopt where a symbol is not set.
  DimValues(const plan::Plan& plan, std::span<const std::optional<int64_t>> symbols);

  bool has(uint32_t entry) const { return known_[entry]; }
  int64_t value(uint32_t entry) const { return values_[entry]; }

 private:
  std::vector<int64_t> values_;
  std::vector<bool> known_;
};

// "max(N, floordiv(M, 2))", for messages.
std::string dim_text(const plan::Plan& plan, uint32_t entry);

// Why the entry has no value: names the operation, its operands, and the inputs' dims that they come from.
Error explain_dim(const plan::Plan& plan, const DimValues& values, uint32_t entry);

// The values of `dims`; fails when one is missing or negative. `what` names the tensor.
Result<std::vector<int64_t>> dims_of(const plan::Plan& plan, const DimValues& values,
                                     std::span<const uint32_t> dims, std::string_view what);

}  // namespace tenon
