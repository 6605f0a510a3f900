// Parameters of the kernels that find sizes. The last output of each is i64[sizes]: how much of the others holds.
#pragma once

#include <cstdint>

namespace tenon {

struct UniqueParams {
  int64_t sorted = 1;  // 0: in order of first appearance
};

// boxes f32[B,N,4], scores f32[B,C,N], then of one element or absent: most per class i64, IoU threshold f32, score
// threshold f32 → i64[most,3] (batch, class, box), i64[1].
struct NonMaxSuppressionParams {
  int64_t center_point_box = 0;  // 1: boxes are centre, width and height, else two opposite corners
};

inline constexpr int64_t kMostSizes = 8;

// x i32 or i64 [k] → i64[k]: its elements; fails unless each is from 0 to the most.
struct ReadSizesParams {
  int64_t most[kMostSizes] = {};
};

}  // namespace tenon
