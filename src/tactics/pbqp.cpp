#include "tactics/pbqp.h"

#include <algorithm>
#include <limits>
#include <set>

namespace tenon {
namespace {

using Matrix = std::vector<double>;

// The problem while it is reduced. Edges are stored once, seen from either end through cost().
class Reduction {
 public:
  Reduction(std::vector<Matrix> costs, std::map<std::pair<uint32_t, uint32_t>, Matrix> edges)
      : costs_(std::move(costs)), edges_(std::move(edges)), neighbours_(costs_.size()), removed_(costs_.size(), false) {
    for (const auto& [ends, matrix] : edges_) {
      neighbours_[ends.first].insert(ends.second);
      neighbours_[ends.second].insert(ends.first);
    }
  }

  Pbqp::Solution run() {
    Pbqp::Solution solution;
    for (size_t left = costs_.size(); left > 0; --left) {
      uint32_t next = pick();
      switch (neighbours_[next].size()) {
        case 0: break;
        case 1: fold_one(next); break;
        case 2: fold_two(next); break;
        default:
          fix_label(next);
          solution.exact = false;
      }
      remove(next);
    }
    solution.labels = label_backwards();
    return solution;
  }

 private:
  size_t labels(uint32_t v) const { return costs_[v].size(); }

  double cost(uint32_t a, uint32_t b, size_t i, size_t j) const {
    if (a < b) return edges_.at({a, b})[i * labels(b) + j];
    return edges_.at({b, a})[j * labels(a) + i];
  }

  // Fewest neighbours first; among those that need the heuristic, the one with most.
  uint32_t pick() const {
    uint32_t best = 0, widest = 0;
    size_t fewest = SIZE_MAX, most = 0;
    for (uint32_t v = 0; v < costs_.size(); ++v) {
      if (removed_[v]) continue;
      size_t degree = neighbours_[v].size();
      if (degree < fewest) fewest = degree, best = v;
      if (degree >= most && (degree > most || most == 0)) most = degree, widest = v;
      if (degree == 0) return v;
    }
    return fewest <= 2 ? best : widest;
  }

  void add(uint32_t a, uint32_t b, const Matrix& matrix) {  // a < b
    auto [it, inserted] = edges_.emplace(std::pair(a, b), matrix);
    if (!inserted)
      for (size_t k = 0; k < matrix.size(); ++k) it->second[k] += matrix[k];
    neighbours_[a].insert(b);
    neighbours_[b].insert(a);
  }

  // R1: the neighbour's labels carry the best answer of v.
  void fold_one(uint32_t v) {
    uint32_t u = *neighbours_[v].begin();
    for (size_t j = 0; j < labels(u); ++j) {
      double best = std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < labels(v); ++i) best = std::min(best, costs_[v][i] + cost(v, u, i, j));
      costs_[u][j] += best;
    }
  }

  // R2: an edge between the two neighbours carries the best answer of v.
  void fold_two(uint32_t v) {
    uint32_t a = *neighbours_[v].begin(), b = *neighbours_[v].rbegin();
    Matrix matrix(labels(a) * labels(b));
    for (size_t i = 0; i < labels(a); ++i)
      for (size_t j = 0; j < labels(b); ++j) {
        double best = std::numeric_limits<double>::infinity();
        for (size_t k = 0; k < labels(v); ++k)
          best = std::min(best, costs_[v][k] + cost(v, a, k, i) + cost(v, b, k, j));
        matrix[i * labels(b) + j] = best;
      }
    add(a, b, matrix);
  }

  // RN: the label that is locally best is taken; its neighbours pay for their edges to it.
  void fix_label(uint32_t v) {
    size_t best_label = 0;
    double best = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < labels(v); ++i) {
      double sum = costs_[v][i];
      for (uint32_t u : neighbours_[v]) {
        double least = std::numeric_limits<double>::infinity();
        for (size_t j = 0; j < labels(u); ++j) least = std::min(least, costs_[u][j] + cost(v, u, i, j));
        sum += least;
      }
      if (sum < best) best = sum, best_label = i;
    }
    for (size_t i = 0; i < labels(v); ++i)
      if (i != best_label) costs_[v][i] += Pbqp::kImpossible;
    for (uint32_t u : neighbours_[v])
      for (size_t j = 0; j < labels(u); ++j) costs_[u][j] += cost(v, u, best_label, j);
  }

  void remove(uint32_t v) {
    removed_[v] = true;
    removal_.push_back({v, {neighbours_[v].begin(), neighbours_[v].end()}});
    for (uint32_t u : neighbours_[v]) neighbours_[u].erase(v);
    neighbours_[v].clear();
  }

  // Last removed first: every neighbour that a variable had when it was removed is labelled by then.
  std::vector<uint32_t> label_backwards() const {
    std::vector<uint32_t> out(costs_.size(), 0);
    for (auto it = removal_.rbegin(); it != removal_.rend(); ++it) {
      const auto& [v, neighbours] = *it;
      double best = std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < labels(v); ++i) {
        double sum = costs_[v][i];
        for (uint32_t u : neighbours) sum += cost(v, u, i, out[u]);
        if (sum < best) best = sum, out[v] = static_cast<uint32_t>(i);
      }
    }
    return out;
  }

  std::vector<Matrix> costs_;
  std::map<std::pair<uint32_t, uint32_t>, Matrix> edges_;
  std::vector<std::set<uint32_t>> neighbours_;
  std::vector<bool> removed_;
  std::vector<std::pair<uint32_t, std::vector<uint32_t>>> removal_;
};

}  // namespace

uint32_t Pbqp::add_variable(std::vector<double> costs) {
  costs_.push_back(std::move(costs));
  return static_cast<uint32_t>(costs_.size() - 1);
}

void Pbqp::add_edge(uint32_t a, uint32_t b, const std::vector<double>& costs) {
  size_t rows = costs_[a].size(), columns = costs_[b].size();
  std::vector<double> matrix(costs.size());
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) matrix[a < b ? i * columns + j : j * rows + i] = costs[i * columns + j];
  auto [it, inserted] = edges_.emplace(a < b ? std::pair(a, b) : std::pair(b, a), matrix);
  if (!inserted)
    for (size_t k = 0; k < matrix.size(); ++k) it->second[k] += matrix[k];
}

Pbqp::Solution Pbqp::solve() const {
  Solution solution = Reduction(costs_, edges_).run();
  for (size_t v = 0; v < costs_.size(); ++v) solution.cost += costs_[v][solution.labels[v]];
  for (const auto& [ends, matrix] : edges_)
    solution.cost += matrix[solution.labels[ends.first] * costs_[ends.second].size() + solution.labels[ends.second]];
  return solution;
}

}  // namespace tenon
