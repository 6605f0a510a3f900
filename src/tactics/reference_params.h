// For kernels that take the parameters of their op's reference kernel.
#pragma once

#include "tactics/tactic.h"

namespace tenon {

// Claims the node for `kernel`, with the reference's parameters, on linear tensors.
inline Claim claim_linear(NodeView node, std::string_view kernel) {
  auto call = node.node().op->reference(node);
  if (!call) return Claim::refuse(call.error().text());
  Candidate candidate;
  candidate.call = std::move(*call);
  candidate.call.kernel = kernel;
  candidate.inputs.assign(node.input_count(), kLinear);
  candidate.outputs.assign(node.output_count(), kLinear);
  return {{std::move(candidate)}, {}};
}

}  // namespace tenon
