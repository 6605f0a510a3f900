// One tile of Winograd's minimal filtering F(m x m, 3 x 3), a vector of channels at a time (Lavin and Gray, "Fast Algorithms
// for Convolutional Neural Networks", 2016): a tile of (m + 2)² inputs becomes as many values, which are multiplied by
// as many of the filter, summed over channels, and become m² outputs.
#pragma once

#include <cstdint>

namespace tenon {

// The points at which the polynomials are evaluated, besides 0 and infinity: ±near and, for m = 4, ±far. For m = 4 those
// of least error that are short in binary; ±1 and ±2 lose a digit more.
struct WinogradPoints {
  double near, far;
};
constexpr WinogradPoints winograd_points(int64_t m) { return m == 4 ? WinogradPoints{0.625, 1.5} : WinogradPoints{1, 0}; }

struct WinogradInput {
  const float* x;     // of the tile's first row and column, which may be outside the input
  const float* second;  // of pairs of bf16: the same of the block whose channels are the second of each pair, or nullptr: zeros
  int64_t row_step;   // floats from one row to the next
  // Rows and columns of the tile that are inside; the others are zero.
  int64_t row_begin, row_end, column_begin, column_end;
  float* to;
  int64_t step;       // floats from one of the values to the next
};

struct WinogradOutput {
  const float* from;
  int64_t step;
  const float* bias;  // of `lanes` channels, or nullptr
  const float* add;   // as y, or nullptr
  float low, high;
  bool bounded;
  int64_t lanes;      // that are channels; the rest is stored as zeros
  float* y;
  int64_t row_step;   // of y and add
  int64_t rows, columns;  // of the tile that are inside the output
};

struct WinogradTable {
  void (*input2)(const WinogradInput& tile);
  void (*input4)(const WinogradInput& tile);
  void (*output2)(const WinogradOutput& tile);
  void (*output4)(const WinogradOutput& tile);
};

namespace avx2 {
extern const WinogradTable kWinograd;
}
namespace avx512 {
extern const WinogradTable kWinograd;
}
namespace avx512_bf16 {
extern const WinogradTable kWinograd;  // inputs become values in pairs of bf16; of 2 x 2 only
}

}  // namespace tenon
