// cuda_matmul_tile, cuda_conv_direct, cuda_conv_transpose_direct: products of any kind, without a library.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

Claim claim_matmul(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.matmul.tile"); }

Claim claim_convolution(NodeView node, const TargetInfo& target, std::string_view kernel) {
  Claim out = claim_cuda(node, target, kernel);
  std::vector<Format> inputs = nhwc_inputs(node);
  inputs[0] = kChannelsLast;
  for (size_t i = 1; i < inputs.size() && i < 3; ++i) inputs[i] = kLinear;
  add_formats(out, node, inputs, {kChannelsLast});
  return out;
}
Claim claim_conv(NodeView node, const TargetInfo& target) { return claim_convolution(node, target, "cuda.conv.direct"); }
Claim claim_conv_transpose(NodeView node, const TargetInfo& target) {
  return claim_convolution(node, target, "cuda.conv_transpose.direct");
}

}  // namespace

extern const Tactic k_cuda_matmul_tile, k_cuda_conv_direct, k_cuda_conv_transpose_direct;
const Tactic k_cuda_matmul_tile{"cuda_matmul_tile", "matmul", claim_matmul, "cuda"};
const Tactic k_cuda_conv_direct{"cuda_conv_direct", "conv", claim_conv, "cuda"};
const Tactic k_cuda_conv_transpose_direct{"cuda_conv_transpose_direct", "conv_transpose", claim_conv_transpose, "cuda"};

}  // namespace tenon
