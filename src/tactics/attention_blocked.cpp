// attention_blocked: the library's own fused f32 attention, a head's keys at a time.
#include "tactics/claims.h"
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  if (node.input(0).dtype != DType::f32) return Claim::refuse("operands must be f32, they are " + print(node.input(0)));
  return claim_linear(node, "attention.blocked.f32." + isa.name);
}

}  // namespace

extern const Tactic k_attention_blocked;
const Tactic k_attention_blocked{"attention_blocked", "attention", claim};

}  // namespace tenon
