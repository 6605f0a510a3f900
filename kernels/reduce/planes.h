// Reductions over the pixels of one channel block.
#pragma once

#include <cstdint>

namespace tenon {

struct PlaneTable {
  // out[lane] = the sum (in double), or the greatest (NaN if one is), of x[pixel * lanes + lane].
  void (*sum)(const float* x, int64_t pixels, double* out);
  void (*max)(const float* x, int64_t pixels, float* out);
};

namespace avx2 {
extern const PlaneTable kPlanes;
}
namespace avx512 {
extern const PlaneTable kPlanes;
}

}  // namespace tenon
