// The parameters of a matmul node's kernels.
#pragma once

#include "ir/op_def.h"
#include "matmul/params.h"

namespace tenon {

Result<MatmulParams> matmul_params(NodeView view);

}  // namespace tenon
