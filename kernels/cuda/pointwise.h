// One pointwise launch: other kernels end or begin with one.
#pragma once

#include "base/program.h"
#include "cuda/generate/operand.h"

namespace tenon::cuda {

// The space's operands: the reads in order, then the output, which is dense in the order of the loops. `reads` are the
// call's inputs in order.
struct PointwisePlan {
  Space space;
  Program program;
  std::vector<Operand> reads;
  Arg out;
  std::string entry = "tenon_pointwise";
  std::vector<int64_t> bases = {};   // of the reads: where each begins, in elements; the first ones may be enough
};

Status add_pointwise(Session& session, const PointwisePlan& plan, LaunchState& state);

}  // namespace tenon::cuda
