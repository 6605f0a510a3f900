#include <gtest/gtest.h>

#include <random>

#include "tactics/pbqp.h"

namespace tenon {
namespace {

struct Problem {
  std::vector<std::vector<double>> costs;
  std::vector<std::tuple<uint32_t, uint32_t, std::vector<double>>> edges;

  Pbqp build() const {
    Pbqp out;
    for (const auto& c : costs) out.add_variable(c);
    for (const auto& [a, b, m] : edges) out.add_edge(a, b, m);
    return out;
  }
  double cost(const std::vector<uint32_t>& labels) const {
    double sum = 0;
    for (size_t v = 0; v < costs.size(); ++v) sum += costs[v][labels[v]];
    for (const auto& [a, b, m] : edges) sum += m[labels[a] * costs[b].size() + labels[b]];
    return sum;
  }
  double optimum() const {
    std::vector<uint32_t> labels(costs.size(), 0);
    double best = cost(labels);
    for (;;) {
      size_t v = 0;
      while (v < costs.size() && ++labels[v] == costs[v].size()) labels[v++] = 0;
      if (v == costs.size()) return best;
      best = std::min(best, cost(labels));
    }
  }
};

Problem random_problem(std::mt19937& rng, size_t variables, double density) {
  std::uniform_real_distribution<double> cost(0, 10);
  std::bernoulli_distribution present(density);
  Problem out;
  for (size_t v = 0; v < variables; ++v) {
    out.costs.emplace_back(1 + rng() % 3);
    for (double& c : out.costs.back()) c = cost(rng);
  }
  for (uint32_t a = 0; a < variables; ++a)
    for (uint32_t b = 0; b < variables; ++b)
      if (a != b && present(rng)) {
        std::vector<double> matrix(out.costs[a].size() * out.costs[b].size());
        for (double& c : matrix) c = cost(rng);
        out.edges.emplace_back(a, b, std::move(matrix));
      }
  return out;
}

TEST(Pbqp, EqualsExhaustiveSearchWhenItSaysExact) {
  std::mt19937 rng(7);
  int exact = 0, heuristic = 0;
  for (int round = 0; round < 400; ++round) {
    Problem problem = random_problem(rng, 1 + rng() % 8, round % 2 ? 0.12 : 0.4);
    Pbqp::Solution solution = problem.build().solve();
    EXPECT_NEAR(solution.cost, problem.cost(solution.labels), 1e-9);
    double optimum = problem.optimum();
    if (solution.exact) EXPECT_NEAR(solution.cost, optimum, 1e-9);
    else EXPECT_GE(solution.cost, optimum - 1e-9);
    (solution.exact ? exact : heuristic)++;
  }
  EXPECT_GT(exact, 50);
  EXPECT_GT(heuristic, 50);
}

TEST(Pbqp, OneReformatServesAllConsumers) {
  // A producer in format 0 with cost 0; a value in {0}, {1}, {0, 1}; three consumers that gain 5 each in format 1.
  // Sharing one reformat of cost 10 pays; three would not.
  Pbqp problem;
  uint32_t producer = problem.add_variable({0});
  uint32_t value = problem.add_variable({0, 0, 0});
  const double no = Pbqp::kImpossible;
  problem.add_edge(producer, value, {0, no, 10});
  for (int i = 0; i < 3; ++i) {
    uint32_t consumer = problem.add_variable({5, 0});
    problem.add_edge(consumer, value, {0, no, 0, no, 0, 0});
  }
  Pbqp::Solution solution = problem.solve();
  EXPECT_DOUBLE_EQ(solution.cost, 10);
  EXPECT_EQ(solution.labels, (std::vector<uint32_t>{0, 2, 1, 1, 1}));
}

}  // namespace
}  // namespace tenon
