// One tile of Winograd's minimal filtering, a vector of channels at a time (Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016). F(m x m, 3 x 3): a tile of (m + 2)² inputs becomes as many values, which are
// multiplied by as many of the filter, summed over channels, and become m² outputs. F(m, r), of filters that extend along one
// dim: m + r - 1 inputs of a line become as many values, and those m outputs.
#pragma once

#include <cstdint>

namespace tenon {

// The points at which the polynomials are evaluated for `n` values of a line, besides 0 and infinity: ± the first n / 2 - 1
// of these. Those of least error that are short in binary; for 6 values ±1 and ±2 lose a digit more.
struct WinogradPoints {
  double at[3];
};
constexpr WinogradPoints winograd_points(int64_t n) {
  return n == 8 ? WinogradPoints{{0.5, 1, 2}} : n == 6 ? WinogradPoints{{0.625, 1.5, 0}} : WinogradPoints{{1, 0, 0}};
}

// How many values lines are cut into: F(m, r) with m + r - 1 of these.
constexpr bool is_winograd_line(int64_t n, int64_t taps) { return (n == 6 || n == 8) && taps >= 2 && taps < n; }

// Of a line, its positions are rows, of one column.
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
  void (*input_line[2])(const WinogradInput& tile);       // of 6 and 8 values
  void (*output_line[2][7])(const WinogradOutput& tile);  // [6 or 8 values][outputs]; nullptr where there are none
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
