// Sizes and steps that generated code holds as literals where every shape of the plan has the same, and takes as
// arguments elsewhere.
#pragma once

#include <cstdint>
#include <vector>

namespace tenon::cuda {

// literal × the product of numbers that are known at each shape. Two extents that are equal as terms are equal at
// every shape.
struct Extent {
  int64_t literal = 1;
  std::vector<uint16_t> factors;   // ids of a Space, sorted
  int64_t value = 1;               // at the shape at hand

  static Extent of(int64_t literal) { return {literal, {}, literal}; }
  static Extent unknown(uint16_t id, int64_t value) { return {1, {id}, value}; }
  bool is_literal() const { return factors.empty(); }
  bool is(int64_t number) const { return is_literal() && literal == number; }
  // Whether it is a multiple of `number` at every shape.
  bool divides_by(int64_t number) const { return literal % number == 0; }
  friend bool operator==(const Extent& a, const Extent& b) { return a.literal == b.literal && a.factors == b.factors; }
};

Extent operator*(const Extent& a, const Extent& b);

}  // namespace tenon::cuda
