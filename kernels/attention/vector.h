// The weights of attention for one register tile of queries, compiled once per instruction set. Plain data only: see
// kernels/meson.build.
#pragma once

#include <cstdint>

namespace tenon {

// A number this low added to a score leaves it no weight beside any other.
inline constexpr float kAttentionNone = -1e30f;

struct AttentionScores {
  float* scores;  // key j of row r at (j / lanes * rows + r) * lanes + j % lanes; become exp(score - the row's largest)
  int64_t rows, keys;
  int64_t visible;  // row r sees keys below visible + r
  float scale;
  const float* mask;  // or nullptr; steps in elements, mask_col 0 or 1
  int64_t mask_row, mask_col;
  float* sums;  // of each row's weights
};

struct AttentionOutput {
  const float* values;  // [rows][width], not yet divided by the rows' sums
  int64_t rows, width, size;
  const float* sums;
  bool zero_masked;  // a row whose sum is no positive number is zeros
  float* out;
  int64_t row, col;  // steps of out in elements
};

// A row of `depth` numbers by a matrix that is read where it lies. Element i of the row is at a + i / lanes * a_step + i % lanes, column
// j of the result at c + j / lanes * c_step + j % lanes; the last vector's other lanes are written, with anything.
struct AttentionLine {
  const float* a;
  int64_t a_step;
  const float* b;
  int64_t b_step;
  int64_t depth, columns;
  float* c;
  int64_t c_step;
};

struct AttentionVector {
  // How many keys any row has a weight for: a mask of kAttentionNone or less leaves none, unless it leaves none of a row's. Whole
  // vectors, or scores.keys; reads the mask alone, whose mask_col is 1.
  int64_t (*needed)(const AttentionScores& scores);
  void (*weigh)(const AttentionScores& scores);
  void (*store)(const AttentionOutput& output);
  // By a matrix whose rows are contiguous, element (i, j) at b + i * b_step + j, and by one whose columns are, at b + j * b_step + i.
  void (*by_rows)(const AttentionLine& line);
  void (*by_columns)(const AttentionLine& line);
};

namespace avx2 {
extern const AttentionVector kAttentionVector;
}
namespace avx512 {
extern const AttentionVector kAttentionVector;
}

}  // namespace tenon
