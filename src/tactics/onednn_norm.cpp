// onednn_softmax and onednn_layer_norm: without fused programs.
#include "onednn/params.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

Candidate linear_candidate(NodeView node, KernelCall call) {
  Candidate out;
  out.call = std::move(call);
  out.inputs.assign(node.input_count(), kLinear);
  out.outputs.assign(node.output_count(), kLinear);
  return out;
}

std::string common_refusal(NodeView node, const TargetInfo& target) {
  if (std::string refusal = onednn_refusal(target); !refusal.empty()) return refusal;
  if (node.input(0).dtype != DType::f32) return "x must be f32, it is " + print(node.input(0));
  if (!node.attrs().program("prologue").empty() || !node.attrs().program("epilogue").empty())
    return "oneDNN takes no fused programs here";
  return {};
}

Claim claim_softmax(NodeView node, const TargetInfo& target) {
  if (std::string refusal = common_refusal(node, target); !refusal.empty()) return Claim::refuse(std::move(refusal));
  if (node.attrs().integer("axis") + 1 != static_cast<int64_t>(node.input(0).rank()))
    return Claim::refuse("oneDNN has optimised code for the last axis only");
  OnednnSoftmaxParams params;
  params.axis = node.attrs().integer("axis");
  params.log = node.attrs().integer("log");
  return {{linear_candidate(node, KernelCall::with("onednn.softmax.f32", params))}, {}};
}

Claim claim_layer_norm(NodeView node, const TargetInfo& target) {
  if (std::string refusal = common_refusal(node, target); !refusal.empty()) return Claim::refuse(std::move(refusal));
  if (node.output_count() != 1) return Claim::refuse("oneDNN gives no mean and deviation here");
  const TensorType& x = node.input(0);
  OnednnLayerNormParams params;
  params.axis = node.attrs().integer("axis");
  params.epsilon = node.attrs().number("epsilon", 1e-5);
  if (params.axis < 0 || static_cast<size_t>(params.axis) >= x.rank()) return Claim::refuse("axis must name a dim");
  const Shape normalised(x.shape.begin() + params.axis, x.shape.end());
  for (size_t i : {size_t{1}, size_t{2}})
    if (!node.has_input(i) || node.input(i).dtype != DType::f32 || node.input(i).shape != normalised)
      return Claim::refuse("scale and bias must be there, f32 and of the normalised dims");
  if (node.input_count() != 3) return Claim::refuse("oneDNN takes no extra operands here");
  return {{linear_candidate(node, KernelCall::with("onednn.layer_norm.f32", params))}, {}};
}

}  // namespace

extern const Tactic k_onednn_softmax, k_onednn_layer_norm;
const Tactic k_onednn_softmax{"onednn_softmax", "softmax", claim_softmax};
const Tactic k_onednn_layer_norm{"onednn_layer_norm", "layer_norm", claim_layer_norm};

}  // namespace tenon
