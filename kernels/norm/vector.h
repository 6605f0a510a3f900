// The inner loops of normalisations, compiled once per instruction set. Plain data only: see kernels/meson.build.
#pragma once

#include <cstdint>

namespace tenon {

struct NormVector {
  // Mean, and mean of the squared distances from it, of n >= 1 numbers.
  void (*moments)(const float* x, int64_t n, float* mean, float* variance);
  // y[i] = (x[i] - mean) * factor * scale[i] + bias[i]; scale and bias may be null (1 and 0); y may be x.
  void (*row)(const float* x, float* y, int64_t n, float mean, float factor, const float* scale, const float* bias);
  // y[i] = x[i] * factor + addend; y may be x.
  void (*affine)(const float* x, float* y, int64_t n, float factor, float addend);
  // Of a block of channels, one per lane (8 or 16, the set's width): sums over pixels of x, or, with means, of
  // (x - mean)^2.
  void (*lane_sums)(const float* x, int64_t pixels, const float* means, double* sums);
  // y = x * factor + addend, a factor and an addend per lane; y may be x.
  void (*lane_affine)(const float* x, float* y, int64_t pixels, const float* factors, const float* addends);
};

namespace avx2 { extern const NormVector kNormVector; }
namespace avx512 { extern const NormVector kNormVector; }

}  // namespace tenon
