// The parameters of an rnn node's kernels.
#pragma once

#include "ir/op_def.h"
#include "rnn/params.h"

namespace tenon {

Result<RnnParams> rnn_params(NodeView view);

}  // namespace tenon
