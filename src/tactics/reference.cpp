// The last resort: every op's reference kernel, on linear tensors. Slow, right, and there for every node. On a device
// that is not the host it is a host step, between copies.
#include "tactics/tactic.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  const OpDef& op = *node.node().op;
  if (!op.reference) return Claim::refuse("the op has no reference kernel");
  auto call = op.reference(node);
  if (!call) return Claim::refuse(call.error().text());
  Candidate candidate;
  candidate.call = std::move(*call);
  const Form form = target.device == "cpu" ? kLinear : kHostLinear;
  candidate.inputs.assign(node.input_count(), form);
  candidate.outputs.assign(node.output_count(), form);
  return {{std::move(candidate)}, {}};
}

}  // namespace

extern const Tactic k_reference;
const Tactic k_reference{"reference", "", claim, ""};

}  // namespace tenon
