// The parameters of conv and conv_transpose nodes' kernels.
#pragma once

#include "conv/params.h"
#include "ir/op_def.h"
#include "ops/window.h"

namespace tenon {

// Of f32 and the like: what a convolution gives before its epilogue. `x` and `w` have as many dims.
Result<TensorType> conv_result(const TensorType& x, const TensorType& w, int64_t group, const WindowAttrs& window);

// `dims` receives the parameters that are symbolic; their offsets also hold in structs that begin with a
// ConvParams.
Result<ConvParams> conv_params(NodeView view, std::vector<KernelCall::DimParam>& dims);

}  // namespace tenon
