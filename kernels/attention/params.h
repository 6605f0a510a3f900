// Parameters of the attention kernels.
#pragma once

#include <cstdint>

namespace tenon {

enum class Causal : int32_t {
  none = 0,
  first = 1,  // query i sees keys 0 … i
  last = 2,   // query i sees keys 0 … i + keys - queries: the last query sees all
};

// inputs: q, k, v, a mask (may be absent); output: the result.
// An operand, transposed by its permutation, is [batch, heads, length, size]; of its heads, those of its range are
// read, so that q, k and v may be parts of one tensor. q's heads are a multiple of k's, which are v's: query head h
// reads head h / (heads of q / heads of k).
// weights = softmax(scale * q k^T + mask) along the keys, the mask broadcast to [batch, heads, queries, keys];
// result = weights v, [batch, heads of q, queries, size of v], transposed by perm_out.
struct AttentionParams {
  struct Heads {
    int64_t first = 0;
    int64_t count = 0;  // 0: all
  };
  int8_t perm_q[4] = {0, 1, 2, 3};
  int8_t perm_k[4] = {0, 1, 2, 3};
  int8_t perm_v[4] = {0, 1, 2, 3};
  int8_t perm_out[4] = {0, 1, 2, 3};
  Heads heads_q, heads_k, heads_v;
  double scale = 1;
  Causal causal = Causal::none;
  int32_t zero_masked = 0;  // a line of weights without a number (every key masked) counts as zeros
};

// cuda.attention.flash: inputs, output and meaning as attention's; elements f32, f16 or bf16, the mask any of these.
// A block takes 16 * warps_m queries, and `keys` keys at a time, which it divides among warps_n warps.
struct AttentionFlashParams {
  AttentionParams attention;
  int32_t warps_m = 4, warps_n = 1, keys = 64;
  int32_t tf32 = 0;  // of f32 elements: 1 for one product of tf32 operands, 0 for products as exact as f32
  int32_t wgmma = 0; // 1: products by warpgroups (sm_90a, 16-bit elements, warps_n 1)
  int32_t reserved = 0;
};

// linear_attention: q heads share the states of kv heads.
struct LinearAttentionParams {
  int64_t q_heads = 1;
  int64_t kv_heads = 1;
  double scale = 1;
};

}  // namespace tenon
