// pointwise_tile: the library's own elementwise kernel, one pass over any program.
#include "tactics/claims.h"
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  return claim_linear(node, "pointwise.tile." + isa.name);
}

}  // namespace

extern const Tactic k_pointwise_tile;
const Tactic k_pointwise_tile{"pointwise_tile", "pointwise", claim};

}  // namespace tenon
