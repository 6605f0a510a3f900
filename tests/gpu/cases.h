// What the CUDA kernels are tested with: calls, each with the host kernel that computes the same. One table serves the
// test that compiles all device code without a GPU and the one that runs it on a GPU.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/program.h"
#include "common/kernel.h"

namespace tenon::test {

// A tensor of a case: its type in the op and in memory.
struct Spec {
  DType type = DType::none;
  std::vector<int64_t> dims;
  Format format = kLinear;
  DType storage = DType::none;  // none: `type`
  // What it is filled with. Whole: integers in [low, high] (indices); else uniform numbers in [low, high].
  double low = -2, high = 2;
  bool distinct = false;        // a permutation of 0 … n-1, repeated along the last dim
  bool masks = false;           // one element in three is minus infinity
  uint32_t fixed = ~0u;

  Spec() = default;
  Spec(DType t, std::vector<int64_t> d, Format f = kLinear) : type(t), dims(std::move(d)), format(f) {}
  Spec range(double from, double to) const { Spec out = *this; out.low = from; out.high = to; return out; }
  Spec stored(DType as) const { Spec out = *this; if (type == DType::f32) out.storage = as; return out; }
  Spec dynamic(uint32_t dims_that_change) const { Spec out = *this; out.fixed = ~dims_that_change; return out; }
  Spec permuted() const { Spec out = *this; out.distinct = true; return out; }
  DType in_memory() const { return storage == DType::none ? type : storage; }
};

struct Case {
  std::string name;
  std::string kernel, reference;
  std::vector<std::byte> params = {};       // of both, unless `reference_params` is not empty
  std::vector<std::byte> reference_params = {};
  std::vector<Spec> inputs = {}, outputs = {};
  double scale = 1;                         // of the tolerance
  bool large = false;                       // compiled and run for its speed
  bool optional = false;                    // may be refused as unsupported: then it is counted apart
  double operations = 0;                    // of one run, for its speed

  template <class P>
  Case& with(const P& p) {
    auto bytes = std::as_bytes(std::span(&p, 1));
    params.assign(bytes.begin(), bytes.end());
    return *this;
  }
};

// All cases, in groups by kernel.
std::vector<Case> kernel_cases();

}  // namespace tenon::test
