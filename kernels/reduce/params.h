// Parameters of the reduce kernels.
#pragma once

#include "base/limits.h"
#include "base/program.h"

namespace tenon {

enum class ReduceKind : int32_t {
  sum, mean, max, min, prod, sum_square, l1, l2, log_sum, log_sum_exp,
  arg_max, arg_min, arg_max_last, arg_min_last,  // one axis; i64 index of the first (last) extreme element
  count_
};

inline bool is_arg(ReduceKind kind) { return kind >= ReduceKind::arg_max; }

// inputs: the prologue's (x without one), the epilogue's extras; output: the reduced tensor.
// Over no elements: sums 0, prod 1, max and min the type's lowest and highest (floats: infinities), mean NaN.
struct ReduceParams {
  ReduceKind kind{};
  int32_t keep_dims = 1;
  uint64_t axes = 0;       // bit i: axis i is reduced
  Program prologue;
  Program epilogue;
};

}  // namespace tenon
