// softmax_rows: the library's own f32 softmax along any axis, with its programs.
#include "ops/prologue.h"
#include "tactics/claims.h"
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  auto x = apply_prologue(node);
  if (!x) return Claim::refuse(x.error().text());
  if (x->dtype != DType::f32 || node.output(0).dtype != DType::f32)
    return Claim::refuse(fmt::format("x and output must be f32, they are {} and {}", print(*x), print(node.output(0))));
  return claim_linear(node, "softmax.rows.f32." + isa.name);
}

}  // namespace

extern const Tactic k_softmax_rows;
const Tactic k_softmax_rows{"softmax_rows", "softmax", claim};

}  // namespace tenon
