// The loops of a matrix product: sizes and element steps of every operand, derived from checked arguments.
#pragma once

#include <span>

#include "common/epilogue.h"
#include "common/kernel.h"
#include "matmul/params.h"

namespace tenon {

struct MatmulGeometry {
  // Steps in elements; 0 where the operand repeats.
  struct Steps {
    int64_t batch[kMaxRank] = {};
    int64_t row = 0, col = 0;  // a: M, K; b: K, N; out and extras: M, N
  };
  int batch_rank = 0;
  int64_t batch[kMaxRank] = {};
  int64_t batch_count = 1;
  int64_t m = 0, n = 0, k = 0;
  Steps a, b, out;
  Steps extra[kMaxProgramInputs];

  // Offset of batch item `index` (row-major over `batch`).
  int64_t offset(const Steps& steps, int64_t index) const {
    int64_t at = 0;
    for (int i = batch_rank - 1; i >= 0; --i) {
      at += index % batch[i] * steps.batch[i];
      index /= batch[i];
    }
    return at;
  }
};

// Checks ranks, permutations, dims, the epilogue and the output. `b` gives b's dims (the step's input 1, or
// what a packed one was).
Status matmul_geometry(const MatmulParams& params, const Arg& a, const Arg& b, std::span<const Arg> extras,
                       const Arg& out, MatmulGeometry& geometry);

// Whether the first `rank` entries are a permutation of 0 … rank-1.
bool is_permutation(const int8_t* perm, int rank);

}  // namespace tenon
