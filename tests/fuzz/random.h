// Numbers that mutators draw, the same in every run.
#pragma once

#include <cstdint>
#include <iterator>

namespace tenon::fuzz {

// A small sequence of pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n ? next() % n : 0; }
  // Mostly small, sometimes at an edge of the number range.
  int64_t number() {
    static constexpr int64_t kEdges[] = {INT64_MAX,        INT64_MIN, INT32_MAX, INT32_MIN,
                                         int64_t{1} << 32, -1,        255,       65536};
    uint64_t kind = below(8);
    if (kind == 0) return kEdges[below(std::size(kEdges))];
    if (kind == 1) return static_cast<int64_t>(next());
    return static_cast<int64_t>(below(kind == 2 ? 300 : 5));
  }

 private:
  uint64_t state_;
};

}  // namespace tenon::fuzz
