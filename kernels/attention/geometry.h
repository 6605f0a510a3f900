// The loops of attention: sizes and element steps of every operand, derived from checked arguments.
#pragma once

#include "attention/params.h"
#include "common/kernel.h"

namespace tenon {

struct AttentionGeometry {
  // In elements.
  struct Steps {
    int64_t first = 0;  // offset of the first element that is read
    int64_t batch = 0, head = 0, row = 0, col = 0;
  };
  int64_t batch = 0, heads = 0, kv_heads = 0;
  int64_t queries = 0, keys = 0;
  int64_t size = 0, value_size = 0;  // of a head of q and k, of one of v
  Steps q, k, v, out;
  Steps mask;                        // 0 where it repeats
  bool masked = false;
  // Query i sees keys below i + visible.
  int64_t visible = 0;
};

// Checks ranks, permutations, ranges of heads, dims and formats; types are the kernel's to check.
Status attention_geometry(const PrepareCall& call, const AttentionParams& params, AttentionGeometry& out);

}  // namespace tenon
