// separable_conv nodes: their convolutions, and the parameters of their kernels.
#pragma once

#include <array>

#include "conv/params.h"
#include "ir/op_def.h"

namespace tenon {

// How a separable_conv node's attributes name the convolutions, in the order of SeparableStage.
inline constexpr std::string_view kSeparableEpilogues[kSeparableStages] = {"expand_epilogue", "depthwise_epilogue",
                                                                           "project_epilogue"};

// One of its convolutions. It reads x, and w, bias (or absent) and the epilogue's extras, which are `inputs` of the node's inputs
// from `first_input` on; none: it is not there.
struct SeparablePart {
  size_t first_input = 0, inputs = 0;
  TensorType out;  // behind the epilogue
  size_t first_extra() const { return first_input + 2; }
  size_t extras() const { return inputs > 2 ? inputs - 2 : 0; }
};
using SeparableParts = std::array<SeparablePart, kSeparableStages>;

// Refuses what makes no sense.
Result<SeparableParts> separable_parts(NodeView view);

// Weights have constant dims. `rows` is 0 and weights are not packed; `dims` receives the parameters that are symbolic.
Result<SeparableParams> separable_params(NodeView view, std::vector<KernelCall::DimParam>& dims);

}  // namespace tenon
