// cuda_reduce, cuda_softmax, cuda_layer_norm, cuda_group_norm, cuda_pool.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

Claim claim_reduce(NodeView node, const TargetInfo& target) {
  Claim out = claim_cuda(node, target, "cuda.reduce");
  if (out.candidates.empty() || node.input(0).rank() < 3) return out;
  const bool keeps = node.attrs().integer("keep_dims", 1) != 0;
  std::vector<Format> inputs = nhwc_inputs(node);
  if (!keeps) {
    // The output has fewer dims: only what x is made of may be nhwc.
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = node.input(i).rank() == node.input(0).rank() && i == 0 ? kChannelsLast : kLinear;
  }
  if (inputs[0] != kChannelsLast) return out;
  add_formats(out, node, inputs, {keeps ? kChannelsLast : kLinear});
  return out;
}

Claim claim_softmax(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.softmax"); }

Claim claim_layer_norm(NodeView node, const TargetInfo& target) {
  Claim out = claim_cuda(node, target, "cuda.layer_norm");
  // Statistics stay f32.
  for (Candidate& candidate : out.candidates)
    for (size_t i = 1; i < candidate.outputs.size(); ++i) candidate.outputs[i] = Form(kLinear);
  return out;
}

Claim claim_group_norm(NodeView node, const TargetInfo& target) {
  if (node.input(0).rank() < 2 || !node.input(0).shape[1].is_constant())
    return Claim::refuse("the number of channels must be constant, x is " + print(node.input(0)));
  Claim out = claim_cuda(node, target, "cuda.group_norm");
  if (has_nhwc(node.output(0))) {
    std::vector<Format> inputs = nhwc_inputs(node);
    inputs[1] = inputs[2] = kLinear;
    add_formats(out, node, inputs, {kChannelsLast});
  }
  return out;
}

Claim claim_pool(NodeView node, const TargetInfo& target) {
  Claim out = claim_cuda(node, target, "cuda.pool");
  add_formats(out, node, {kChannelsLast}, {kChannelsLast, kLinear});
  return out;
}

}  // namespace

extern const Tactic k_cuda_reduce, k_cuda_softmax, k_cuda_layer_norm, k_cuda_group_norm, k_cuda_pool;
const Tactic k_cuda_reduce{"cuda_reduce", "reduce", claim_reduce, "cuda"};
const Tactic k_cuda_softmax{"cuda_softmax", "softmax", claim_softmax, "cuda"};
const Tactic k_cuda_layer_norm{"cuda_layer_norm", "layer_norm", claim_layer_norm, "cuda"};
const Tactic k_cuda_group_norm{"cuda_group_norm", "group_norm", claim_group_norm, "cuda"};
const Tactic k_cuda_pool{"cuda_pool", "pool", claim_pool, "cuda"};

}  // namespace tenon
