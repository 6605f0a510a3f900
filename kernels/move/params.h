// Parameters of the kernels that move elements without looking at them.
#pragma once

#include <cstdint>

#include "base/limits.h"

namespace tenon {

// out dim i is in dim perm[i].
struct TransposeParams {
  int64_t rank = 0;
  int64_t perm[kMaxRank] = {};
};

// Element (i…) of the output is element (starts[d] + i_d * steps[d] …) of the input.
struct SliceParams {
  int64_t rank = 0;
  int64_t starts[kMaxRank] = {};
  int64_t steps[kMaxRank] = {};
};

struct ConcatParams {
  int64_t axis = 0;
};

enum class PadMode : int64_t { constant, reflect, edge, wrap };

// Element (i…) of the output is element (i_d - begins[d] …) of the input where there is one; `mode` says what stands
// elsewhere: the second input (0 if absent), the mirror image without the border twice, the nearest element, the
// tensor again.
struct PadParams {
  PadMode mode = PadMode::constant;
  int64_t rank = 0;
  int64_t begins[kMaxRank] = {};
};

// out[i] = start + i * step; in integers for integer types.
struct IotaParams {
  double start = 0, step = 1;
  int64_t start_dim = 0;  // added to start
};

inline constexpr int kMaxShapeValues = 64;

struct ShapeValueParams {
  int64_t count = 0;
  int64_t values[kMaxShapeValues] = {};
};

}  // namespace tenon
