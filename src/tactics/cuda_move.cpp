// cuda_transpose, cuda_slice, cuda_expand, cuda_concat, cuda_pad, cuda_gather …: elements brought to other places.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

// Also between f32 and a smaller type: a transpose often stands between a network's input and its products.
Claim claim_transpose(NodeView node, const TargetInfo& target) {
  Claim out = claim_cuda(node, target, "cuda.transpose");
  for (size_t i = 0, count = out.candidates.size(); i < count; ++i) {
    if (out.candidates[i].inputs[0].dtype == DType::none) continue;
    for (const bool widens : {false, true}) {
      Candidate candidate = out.candidates[i];
      candidate.config = widens ? candidate.config + " to f32" : "f32 to " + candidate.config;
      (widens ? candidate.outputs[0] : candidate.inputs[0]).dtype = DType::none;
      out.candidates.push_back(std::move(candidate));
    }
  }
  return out;
}
Claim claim_expand(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.expand"); }

// Ops whose input and output may both be nhwc.
Claim claim_either(NodeView node, const TargetInfo& target, std::string_view kernel) {
  Claim out = claim_cuda(node, target, kernel);
  if (node.output(0).rank() < 4) return out;
  std::vector<Format> inputs;
  for (size_t i = 0; i < node.input_count(); ++i)
    inputs.push_back(node.input(i).rank() == node.output(0).rank() ? kChannelsLast : kLinear);
  add_formats(out, node, inputs, {kChannelsLast});
  return out;
}
Claim claim_slice(NodeView node, const TargetInfo& target) { return claim_either(node, target, "cuda.slice"); }
Claim claim_concat(NodeView node, const TargetInfo& target) { return claim_either(node, target, "cuda.concat"); }
Claim claim_pad(NodeView node, const TargetInfo& target) { return claim_either(node, target, "cuda.pad"); }

Claim claim_gather(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.gather"); }
Claim claim_gather_elements(NodeView node, const TargetInfo& target) {
  return claim_cuda(node, target, "cuda.gather_elements");
}
Claim claim_gather_nd(NodeView node, const TargetInfo& target) {
  const TensorType& indices = node.input(1);
  if (indices.rank() == 0 || !indices.shape.back().is_constant())
    return Claim::refuse("the indices' last dim must be constant, they are " + print(indices));
  return claim_cuda(node, target, "cuda.gather_nd");
}
Claim claim_iota(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.iota"); }
Claim claim_shape_value(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.shape_value"); }

}  // namespace

extern const Tactic k_cuda_transpose, k_cuda_expand, k_cuda_slice, k_cuda_concat, k_cuda_pad, k_cuda_gather,
    k_cuda_gather_elements, k_cuda_gather_nd, k_cuda_iota, k_cuda_shape_value;
const Tactic k_cuda_transpose{"cuda_transpose", "transpose", claim_transpose, "cuda"};
const Tactic k_cuda_expand{"cuda_expand", "expand", claim_expand, "cuda"};
const Tactic k_cuda_slice{"cuda_slice", "slice", claim_slice, "cuda"};
const Tactic k_cuda_concat{"cuda_concat", "concat", claim_concat, "cuda"};
const Tactic k_cuda_pad{"cuda_pad", "pad", claim_pad, "cuda"};
const Tactic k_cuda_gather{"cuda_gather", "gather", claim_gather, "cuda"};
const Tactic k_cuda_gather_elements{"cuda_gather_elements", "gather_elements", claim_gather_elements, "cuda"};
const Tactic k_cuda_gather_nd{"cuda_gather_nd", "gather_nd", claim_gather_nd, "cuda"};
const Tactic k_cuda_iota{"cuda_iota", "iota", claim_iota, "cuda"};
const Tactic k_cuda_shape_value{"cuda_shape_value", "shape_value", claim_shape_value, "cuda"};

}  // namespace tenon
