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

struct AttentionVector {
  // How many keys any row has a weight for: a mask of kAttentionNone or less leaves none, unless it leaves none of a row's. Whole
  // vectors, or scores.keys; reads the mask alone, whose mask_col is 1.
  int64_t (*needed)(const AttentionScores& scores);
  void (*weigh)(const AttentionScores& scores);
  void (*store)(const AttentionOutput& output);
};

namespace avx2 {
extern const AttentionVector kAttentionVector;
}
namespace avx512 {
extern const AttentionVector kAttentionVector;
}

}  // namespace tenon
