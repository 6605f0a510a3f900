// A row of output pixels of a max or average pooling.
#pragma once

#include <cstdint>

namespace tenon {

struct PoolRow {
  const float* x;                              // column 0 of the first input row of the window
  int64_t rows[2];                             // outer taps inside: depth, height
  int64_t row_steps[2];                        // floats from one to the next
  int64_t width, stride, dilation, taps, pad;  // of the last dim
  int64_t outputs;
  const float* scale;  // average: factor of each output; nullptr: maximum
  float* y;
};

struct PoolTable {
  int lanes;
  // Pixels of `lanes` channels.
  void (*blocked)(const PoolRow& row);
  // Pixels of one channel.
  void (*linear)(const PoolRow& row);
};

namespace avx2 {
extern const PoolTable kPool;
}
namespace avx512 {
extern const PoolTable kPool;
}

}  // namespace tenon
