// The last resort: every op's reference kernel, on linear tensors. Slow, right, and there for every node.
#include "tactics/tactic.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  const OpDef& op = *node.node().op;
  if (!op.reference) return Claim::refuse("the op has no reference kernel");
  auto call = op.reference(node);
  if (!call) return Claim::refuse(call.error().text());
  Candidate candidate;
  candidate.call = std::move(*call);
  candidate.inputs.assign(node.input_count(), kLinear);
  candidate.outputs.assign(node.output_count(), kLinear);
  return {{std::move(candidate)}, {}};
}

}  // namespace

extern const Tactic k_reference;
const Tactic k_reference{"reference", "", claim};

}  // namespace tenon
