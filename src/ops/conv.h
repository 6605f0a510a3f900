// The parameters of conv and conv_transpose nodes' kernels.
#pragma once

#include "conv/params.h"
#include "ir/op_def.h"

namespace tenon {

// `dims` receives the parameters that are symbolic; their offsets also hold in structs that begin with a
// ConvParams.
Result<ConvParams> conv_params(NodeView view, std::vector<KernelCall::DimParam>& dims);

}  // namespace tenon
