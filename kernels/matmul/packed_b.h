// What the f32 products with a constant, packed b share.
#pragma once

#include <optional>

#include "gemm/micro.h"
#include "matmul/geometry.h"

namespace tenon {

// Of MatmulPackedParams and of convolutions: 0 or 1.
inline Status expect_together(int64_t together) {
  if (together == 0 || together == 1) return {};
  return fail(Code::invalid_plan, "whether rows are made together is 0 or 1, not {}", together);
}

// A panel's width in vectors, as the instruction set allows.
Status expect_vectors(const MicroTable& table, int64_t vectors);

// b's dims before it was packed, as an argument without data.
Status unpacked_b(const MatmulPackedParams& params, Arg& b);

// Makes the innermost batch dims part of M where a, the output and the extras allow it and b repeats over them.
void merge_rows(MatmulGeometry& g, size_t extras);

// An epilogue that is finished where sums are stored: a bias, an operand of the output's size, bounds.
struct StoredEpilogue {
  bool fits = false;  // false: the program must run
  AddClamp add_clamp;
  int bias = -1, add = -1;  // which extras these are, -1: none
};
StoredEpilogue stored_epilogue(const Program& epilogue, const MatmulGeometry& g);

// Copies rows of results, `step` floats apart, to where element (r, c) lies at to[r * row_step + c * column_step].
void scatter_rows(const MicroTable& table, const float* from, int64_t step, int64_t rows, int64_t columns, float* to,
                  int64_t row_step, int64_t column_step);

// A matrix [k, n] and its steps in elements.
struct PackedB : KernelState {
  int64_t k = 0, n = 0, k_step = 0, n_step = 0;
};

// Prepares a kernel with MatmulPackParams that packs b into `bytes_of(k, n)` bytes; its state is a PackedB.
Status prepare_pack_b(const PrepareCall& call, std::optional<int64_t> (*bytes_of)(int64_t k, int64_t n), Prepared& prepared);

}  // namespace tenon
