// One launch that moves the elements of a tensor.
#pragma once

#include "cuda/pointwise.h"

namespace tenon::cuda {

// The space's operands: input 0 of the call, then output 0, which is dense in the order of the loops.
struct MovePlan {
  Space space;
  DType from = DType::none, to = DType::none;
  int64_t base = 0;          // of the input's elements, the first that is read
  bool moves_base = false;   // the base may differ from shape to shape
};

Status add_move(Session& session, const MovePlan& plan, LaunchState& state);

}  // namespace tenon::cuda
