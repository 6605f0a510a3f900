// The parameters of a pool node's kernels.
#pragma once

#include "ir/op_def.h"
#include "pool/params.h"

namespace tenon {

// `dims` receives the parameters that are symbolic.
Result<PoolParams> pool_params(NodeView view, std::vector<KernelCall::DimParam>& dims);

}  // namespace tenon
