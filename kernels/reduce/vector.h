// The inner loops of reduce, compiled once per instruction set. Plain data only: see kernels/meson.build.
#pragma once

#include <cstdint>

namespace tenon {

// What is done to an element, and how two are combined. NaN wins over every number in max and min.
enum class Fold : int32_t { sum, sum_square, sum_abs, prod, max, min };

struct ReduceVector {
  // The fold of n elements, n >= 1.
  float (*row)(Fold fold, const float* x, int64_t n);
  // acc[i] = fold of acc[i] and x[r * stride + i] over all rows r; i < n.
  void (*columns)(Fold fold, float* acc, const float* x, int64_t stride, int64_t rows, int64_t n);
};

namespace avx2 { extern const ReduceVector kReduceVector; }
namespace avx512 { extern const ReduceVector kReduceVector; }

}  // namespace tenon
