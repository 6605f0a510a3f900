// layer_norm_rows and group_norm_rows: the library's own f32 normalisations.
#include <algorithm>
#include <optional>

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

// Formats for channel-blocked tensors: extras have the output's dims, or one value per channel.
std::optional<std::vector<Form>> blocked_inputs(const NodeView& node, int lanes) {
  const TensorType& out = node.output(0);
  if (out.rank() < 4 || !out.shape[1].is_constant()) return std::nullopt;
  const int64_t per_group = out.shape[1].value() / std::max<int64_t>(1, node.attrs().integer("groups"));
  if (per_group < 1 || (per_group % lanes != 0 && lanes % per_group != 0)) return std::nullopt;
  const Format block = blocked(static_cast<uint8_t>(lanes));
  std::vector<Form> formats = {block, kLinear, kLinear};
  for (size_t i = 3; i < node.input_count(); ++i) {
    const TensorType& extra = node.input(i);
    const bool full = extra.shape == out.shape;
    for (size_t k = 0; !full && k < extra.rank(); ++k)
      if (out.rank() - extra.rank() + k >= 2 && !extra.shape[k].is(1)) return std::nullopt;
    formats.push_back(full ? block : kLinear);
  }
  return formats;
}

Claim claim_group_norm(NodeView node, const TargetInfo& target) {
  Claim out = claim_f32(node, target, "group_norm");
  if (out.candidates.empty()) return out;
  const InstructionSet isa = instruction_set(target);
  if (auto formats = blocked_inputs(node, isa.lanes)) {
    Candidate candidate = out.candidates[0];
    candidate.config = "blocked";
    candidate.call.kernel = "group_norm.blocked.f32." + isa.name;
    candidate.inputs = std::move(*formats);
    candidate.outputs = {blocked(static_cast<uint8_t>(isa.lanes))};
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

extern const Tactic k_layer_norm_rows, k_group_norm_rows;
const Tactic k_layer_norm_rows{"layer_norm_rows", "layer_norm", claim_layer_norm};
const Tactic k_group_norm_rows{"group_norm_rows", "group_norm", claim_group_norm};

}  // namespace tenon
