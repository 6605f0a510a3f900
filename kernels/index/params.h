// Parameters of the kernels that take or place elements where an index tensor says. Index values are i32 or i64;
// negative ones count from the end.
#pragma once

#include <cstdint>

namespace tenon {

struct GatherParams {          // gather, gather_elements
  int64_t axis = 0;
};

struct GatherNdParams {
  int64_t batch_dims = 0;
};

enum class ScatterReduction : int64_t { none, add, mul, max, min };

struct ScatterElementsParams {
  int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::none;
};

struct ScatterNdParams {
  ScatterReduction reduction = ScatterReduction::none;
};

struct CumsumParams {
  int64_t axis = 0;
  int64_t exclusive = 0;
  int64_t reverse = 0;
  int64_t product = 0;     // products in the place of sums
};

struct TopKParams {
  int64_t axis = 0;
  int64_t largest = 1;
};

struct ReverseSequenceParams {
  int64_t batch_axis = 1;
  int64_t time_axis = 0;
};

}  // namespace tenon
