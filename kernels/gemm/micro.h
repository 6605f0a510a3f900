// The register tile that matrix products and convolutions are made of: a batch-reduce product
//   c[rows, vectors * lanes] = epilogue(sum over blocks of A_i[rows, k_i] * B_i[k_i, vectors * lanes])
// with the sum in registers (Georganas et al., "High-Performance Deep Learning via a Single Building Block",
// 2019). Row m of a block of A lies at a + block.a + m * lanes; row k of a block of B at b + block.b + k *
// width. Elements of A and B are f32, or pairs of bf16 in 32 bits, of two neighbouring k, whose products are summed in f32
// (VDPBF16PS: subnormal operands count as zero): wherever k counts elements of 32 bits, it counts pairs then.
#pragma once

#include <cstdint>

namespace tenon {

struct MicroBlock {
  int64_t a, b;  // offsets in elements
  int64_t k;
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
  bool silu;             // of the sum, behind what is added; with `fill` only
  bool fill;             // the last vector's lanes from `lanes` on are stored as zeros, else not at all
  int64_t lanes;         // of the last vector that count, 1 … lanes of the ISA
  const char* prefetch;  // memory that is wanted next, or nullptr: `prefetch_lines` lines per 4 k from here
  int64_t prefetch_lines = 1;
};

using MicroKernel = void (*)(const MicroTile& tile);

inline constexpr int kMaxVectors = 4, kMaxMicroRows = 14;

// What one instruction set offers. `dense`: a row of A follows the one before at `lanes` elements.
struct MicroTable {
  int lanes;
  int group;                                              // k of one element: 1, or 2 for pairs of bf16
  int max_rows[kMaxVectors + 1];                          // by vectors 1 … 4
  MicroKernel dense[kMaxVectors + 1][kMaxMicroRows + 1];  // [vectors][rows]
  // As dense, where no more than half of the last vector's lanes count: two rows share a vector there. Even rows up to
  // max_half_rows of 2 and 3 vectors; nullptr elsewhere. Nothing is resumed.
  int max_half_rows[kMaxVectors + 1];
  MicroKernel half[kMaxVectors + 1][kMaxMicroRows + 1];

  // From f32 src. For b panels of a matrix: dst[(k / lanes) * block_step + row * lanes + k % lanes] = src[row * row_step +
  // k * k_step]; lanes beyond k in the last block are not written. Of pairs, element e holds k = 2e and 2e + 1 (zero if
  // there is none), here and below.
  void (*pack_a)(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
                 int64_t block_step);
  // dst[k * width + column] = src[k * k_step + column * column_step]; columns from `columns` to `width` are
  // zero.
  void (*pack_b)(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns,
                 float* dst, int64_t width);
  // Of pairs only, else nullptr: `count` pixels of two blocks of a channel-blocked tensor, `step` floats from one pixel to the
  // next, become pixels of pairs that follow each other in dst. `high` may be nullptr: zeros.
  void (*pair_blocks)(const float* low, const float* high, int64_t step, int64_t count, float* dst);
  // Of `lanes` rows of `lanes` columns: dst[column * dst_step + row] = src[row * src_step + column].
  void (*transpose)(const float* src, int64_t src_step, float* dst, int64_t dst_step);
};

namespace avx2 {
extern const MicroTable kMicro;
}
namespace avx512 {
extern const MicroTable kMicro;
}
namespace avx512_bf16 {
extern const MicroTable kMicro;
}

}  // namespace tenon
