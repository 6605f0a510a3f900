// Partitioned Boolean quadratic programming: one label per variable so that the sum of label costs and of pairwise
// costs is least. Exact where the reductions R0, R1 and R2 dissolve the graph, else by the RN heuristic.
// Source: B. Scholz, E. Eckstein, "Register Allocation for Irregular Architectures" (LCTES 2002).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace tenon {

class Pbqp {
 public:
  // Stands for "impossible": large, but sums of it stay finite.
  static constexpr double kImpossible = 1e18;

  // At least one cost. Returns the variable's number.
  uint32_t add_variable(std::vector<double> costs);
  // Adds costs[i * labels(b) + j] for label i of a with label j of b; several edges between two variables add up.
  void add_edge(uint32_t a, uint32_t b, const std::vector<double>& costs);

  struct Solution {
    std::vector<uint32_t> labels;
    double cost = 0;
    bool exact = true;      // no heuristic reduction was needed
  };
  Solution solve() const;

 private:
  std::vector<std::vector<double>> costs_;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<double>> edges_;
};

}  // namespace tenon
