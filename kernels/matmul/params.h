// Parameters of the matmul kernels.
#pragma once

#include "base/limits.h"
#include "base/program.h"
#include "gemm/cache.h"

namespace tenon {

// inputs: a, b, the epilogue's extras; output: the result.
// Operands, transposed by perm_a and perm_b, are [batch…, M, K] and [batch…, K, N]; batch dims broadcast. The
// result [batch…, M, N] goes through the epilogue (extras broadcast to it), then is transposed by perm_out.
struct MatmulParams {
  int8_t perm_a[kMaxRank] = {0, 1, 2, 3, 4, 5, 6, 7};
  int8_t perm_b[kMaxRank] = {0, 1, 2, 3, 4, 5, 6, 7};
  int8_t perm_out[kMaxRank] = {0, 1, 2, 3, 4, 5, 6, 7};
  Program epilogue;
};

// As MatmulParams; where `packed`, input b is the u8 blob that matmul.pack_b made of a [K, N] constant.
struct MatmulPackedParams {
  MatmulParams matmul;
  int64_t packed = 0;    // 0 or 1
  int64_t k = 0, n = 0;  // of the packed b
  int64_t b_rank = 0;    // of b before it was packed
  int64_t vectors = 0;   // width of a panel of b in vector registers
  int64_t together = 0;  // 0 or 1: whether threads make blocks of rows together where they may (shares_blocks in gemm/split.h)
  int64_t cache = kUsualCache;  // what blocks of a are cut for
};

// matmul.pack_b.<f32 or bf16>.<isa>: input b f32, whose batch dims are all 1; output u8[packed_b_bytes].
struct MatmulPackParams {
  int8_t perm_b[kMaxRank] = {0, 1, 2, 3, 4, 5, 6, 7};
  int64_t vectors = 0;
};

}  // namespace tenon
