// Parameters of the pooling kernels.
#pragma once

#include <cstdint>

namespace tenon {

enum class PoolKind : int64_t { max = 0, average = 1, lp = 2 };

// input: x [N,C,spatial…], one to three spatial dims; outputs: y [, i64 indices of the maxima in the whole of
// x].
struct PoolParams {
  PoolKind kind = PoolKind::max;
  int64_t kernel[3] = {1, 1, 1};
  int64_t strides[3] = {1, 1, 1};
  int64_t dilations[3] = {1, 1, 1};
  int64_t pads_begin[3] = {};
  int64_t pads_end[3] = {};
  int64_t ceil_mode = 0;          // a window may start inside and reach past the end
  int64_t count_include_pad = 0;  // average: padding counts in the divisor
  int64_t p = 2;                  // lp
  int64_t storage_order = 0;      // indices count the spatial dims 0: row-major, 1: column-major
};

}  // namespace tenon
