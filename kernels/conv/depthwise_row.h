// A run of output pixels of one row, or of two that follow each other, and one channel block of a depthwise convolution.
#pragma once

#include <cstdint>

namespace tenon {

struct DepthwiseRow {
  const float* x;    // column 0 of the input row of the first tap row that is inside; of a pair, of row 0's first tap row
  int64_t row_step;  // floats from one tap row's input row to the next one's
  int64_t wrap, wrap_step;  // tap row `wrap` and those behind it lie wrap_step floats before where row_step leads
  int64_t tap_rows;  // that are inside; not of a pair
  int64_t row_begin, row_end;  // of a pair: which of the input rows that it reads, from x on, are inside
  const float* w;    // [tap row][tap][lanes]
  int64_t taps;      // of a row
  int64_t width;     // of the input
  int64_t begin;     // input column of the first output's first tap; may be outside
  int64_t stride, dilation;
  const float* bias;  // lanes, `lanes` of them there; or nullptr
  float low, high;
  bool bounded;
  bool silu;      // of the sum; else bounds
  int64_t lanes;  // that are channels; the rest is stored as zeros
  float* y;
  int64_t y_step;  // of a pair: floats from row 0 to row 1
};

// Computes a number of outputs.
using DepthwiseKernel = void (*)(const DepthwiseRow& row, int64_t outputs);

struct DepthwiseTable {
  int64_t max_outputs;
  // For rows of 3, 5 and 7 taps with stride 1 and 2 and dilation 1, where no more than taps - 1 columns are
  // padded on a side: [taps / 2 - 1][stride - 1]. At most max_outputs at a time.
  DepthwiseKernel fixed[3][2];
  // Two rows of 3 x 3 and 5 x 5 taps with stride 1 and 2 in both directions, columns as above: [taps / 2 - 1][stride - 1].
  // At most max_pair_outputs of each row at a time.
  int64_t max_pair_outputs;
  DepthwiseKernel pair[2][2];
  // Any taps, stride and dilation; any number of outputs.
  DepthwiseKernel any;
};

namespace avx2 {
extern const DepthwiseTable kDepthwise;
}
namespace avx512 {
extern const DepthwiseTable kDepthwise;
}

}  // namespace tenon
