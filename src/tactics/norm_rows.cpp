// layer_norm_rows and group_norm_rows: the library's own f32 normalisations.
#include "tactics/claims.h"
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim_f32(NodeView node, const TargetInfo& target, std::string_view family) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  if (node.input(0).dtype != DType::f32 || node.output(0).dtype != DType::f32)
    return Claim::refuse(fmt::format("x and output must be f32, they are {} and {}", print(node.input(0)),
                                     print(node.output(0))));
  return claim_linear(node, fmt::format("{}.rows.f32.{}", family, isa.name));
}

// Whether a scale or bias has exactly the normalised dims.
bool is_row(const NodeView& node, size_t i, size_t axis) {
  if (!node.has_input(i)) return true;
  const Shape &x = node.input(0).shape, &vector = node.input(i).shape;
  if (vector.size() < x.size() - axis) return false;
  for (size_t k = 0; k < vector.size(); ++k) {
    const size_t at = x.size() - vector.size() + k;
    if (at < axis ? !vector[k].is(1) : !(vector[k] == x[at])) return false;
  }
  return true;
}

Claim claim_layer_norm(NodeView node, const TargetInfo& target) {
  const auto axis = static_cast<size_t>(node.attrs().integer("axis"));
  if (!is_row(node, 1, axis) || !is_row(node, 2, axis))
    return Claim::refuse("scale and bias must have the normalised dims");
  return claim_f32(node, target, "layer_norm");
}

Claim claim_group_norm(NodeView node, const TargetInfo& target) { return claim_f32(node, target, "group_norm"); }

}  // namespace

extern const Tactic k_layer_norm_rows, k_group_norm_rows;
const Tactic k_layer_norm_rows{"layer_norm_rows", "layer_norm", claim_layer_norm};
const Tactic k_group_norm_rows{"group_norm_rows", "group_norm", claim_group_norm};

}  // namespace tenon
