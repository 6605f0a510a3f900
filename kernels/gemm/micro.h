// The register tile that matrix products and convolutions are made of: a batch-reduce product
//   c[rows, vectors * lanes] = epilogue(sum over blocks of A_i[rows, k_i] * B_i[k_i, vectors * lanes])
// with the sum in registers (Georganas et al., "High-Performance Deep Learning via a Single Building Block",
// 2019). Row m of a block of A lies at a + block.a + m * row_step; row k of a block of B at b + block.b + k *
// width.
#pragma once

#include <cstdint>

namespace tenon {

struct MicroBlock {
  int64_t a, b;  // offsets in elements
  int64_t k;     // 1 where rows of A follow each other at 1 element
};

struct MicroTile {
  const float* a;
  const float* b;
  const MicroBlock* blocks;
  int64_t count;  // of blocks
  // Row 0 of the second half, rows (rows + 1) / 2 and on, is at a + a_jump, c + c_jump, add + add_jump.
  int64_t a_jump;
  float* c;
  int64_t c_jump, c_row, c_vector;  // steps in elements
  const float* bias;                // per column, or nullptr; `lanes` limits its last vector
  const float* row_bias;            // one value a row, or nullptr
  const float* add;                 // added after the biases, or nullptr
  int64_t add_jump, add_row, add_vector;
  bool accumulate;  // the sum starts from what c holds
  float low, high;  // bounds, applied when `bounded`
  bool bounded;
  bool fill;             // the last vector's lanes from `lanes` on are stored as zeros, else not at all
  int64_t lanes;         // of the last vector that count, 1 … lanes of the ISA
  const char* prefetch;  // memory that is wanted next, or nullptr: one line per 4 k from here
};

using MicroKernel = void (*)(const MicroTile& tile);

inline constexpr int kMaxVectors = 4, kMaxMicroRows = 14;

// What one instruction set offers. `dense`: a row of A follows the one before at `lanes` elements; `unit`:
// at 1.
struct MicroTable {
  int lanes;
  int max_rows[kMaxVectors + 1];                          // by vectors 1 … 4
  MicroKernel dense[kMaxVectors + 1][kMaxMicroRows + 1];  // [vectors][rows]
  MicroKernel unit[kMaxVectors + 1][kMaxMicroRows + 1];   // vectors 1 and 2 only

  // For b panels of a matrix: dst[(k / lanes) * block_step + row * lanes + k % lanes] = src[row * row_step +
  // k * k_step]; lanes beyond k in the last block are not written.
  void (*pack_a)(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
                 int64_t block_step);
  // dst[k * width + column] = src[k * k_step + column * column_step]; columns from `columns` to `width` are
  // zero.
  void (*pack_b)(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns,
                 float* dst, int64_t width);
};

namespace avx2 {
extern const MicroTable kMicro;
}
namespace avx512 {
extern const MicroTable kMicro;
}

}  // namespace tenon
