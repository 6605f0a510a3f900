// Changes a plan as an attacker would: one field at a time, with all hashes made right again.
#pragma once

#include <cstdint>

#include "plan/plan.h"

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
  int64_t number();

 private:
  uint64_t state_;
};

void mutate(plan::Plan& plan, Random& random);

}  // namespace tenon::fuzz
