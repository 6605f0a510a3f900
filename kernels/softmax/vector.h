// The inner loops of softmax, compiled once per instruction set. Plain data only: see kernels/meson.build.
#pragma once

#include <cstdint>

namespace tenon {

struct SoftmaxVector {
  // Softmax (or its logarithm) of n neighbours; y may be x.
  void (*row)(const float* x, float* y, int64_t n, bool log);
  // The same for each of n columns: element l of column i lies at l * stride + i.
  void (*columns)(const float* x, float* y, int64_t length, int64_t stride, int64_t n, bool log);
};

namespace avx2 { extern const SoftmaxVector kSoftmaxVector; }
namespace avx512 { extern const SoftmaxVector kSoftmaxVector; }

}  // namespace tenon
