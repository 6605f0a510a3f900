// The plan's table of dim expressions, made from the graph's dims: each distinct expression once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/dim.h"
#include "plan/plan.h"

namespace tenon {

class DimTable {
 public:
  // Symbols get their numbers in this order.
  explicit DimTable(const std::vector<std::string>& symbols);
  uint32_t of(const Dim& dim);
  std::vector<plan::DimExpr> take() { return std::move(table_); }
  const std::vector<plan::DimExpr>& table() const { return table_; }

 private:
  uint32_t add(plan::DimExpr expr);
  uint32_t constant(int64_t value);
  uint32_t atom(const Dim::Atom& atom);

  std::map<std::string, int64_t, std::less<>> symbols_;
  std::vector<plan::DimExpr> table_;
  std::map<std::tuple<plan::DimOp, int64_t, uint32_t, uint32_t>, uint32_t> known_;
};

}  // namespace tenon
