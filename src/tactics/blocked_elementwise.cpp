// pointwise_blocked, reduce_blocked: what stands between convolutions, on channel-blocked f32 tensors.
#include <algorithm>

#include "ops/ops.h"
#include "pointwise/params.h"
#include "reduce/params.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

// A tensor that convolutions pass on: [N, C, spatial…] with C constant and at least half a block.
std::string refuse_tensor(const TensorType& type, int lanes) {
  if (type.dtype != DType::f32) return "tensors must be f32, one is " + print(type);
  if (type.rank() < 4) return "tensors must have at least 4 dims, one is " + print(type);
  if (!type.shape[1].is_constant() || 2 * type.shape[1].value() < lanes)
    return fmt::format("channels must be constant and at least {}, they are {}", lanes / 2,
                       type.shape[1].text());
  return {};
}

// Whether the operand has one value per channel, or one at all.
bool is_per_channel(const TensorType& operand, const TensorType& out) {
  const size_t skipped = out.rank() - operand.rank();
  for (size_t i = 0; i < operand.rank(); ++i)
    if (skipped + i >= 2 && !operand.shape[i].is(1)) return false;
  return true;
}

// Such an operand may be blocked itself.
bool is_channel_vector(const TensorType& operand, const TensorType& out) {
  return operand.rank() == out.rank() && operand.shape[1] == out.shape[1] &&
         (operand.shape[0].is(1) || operand.shape[0] == out.shape[0]);
}

Claim claim_pointwise(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  const TensorType& out = node.output(0);
  if (std::string why = refuse_tensor(out, isa.lanes); !why.empty()) return Claim::refuse(why);
  const Format block = blocked(static_cast<uint8_t>(isa.lanes));
  PointwiseParams params;
  params.program = node.attrs().program("program");
  Candidate linear_vectors;
  linear_vectors.config = "channel values linear";
  linear_vectors.call = KernelCall::with("pointwise.blocked.f32." + isa.name, params);
  linear_vectors.outputs = {block};
  Candidate blocked_vectors = linear_vectors;
  blocked_vectors.config = "channel values blocked";
  bool full = false, vectors = false;
  for (size_t i = 0; i < node.input_count(); ++i) {
    const TensorType& in = node.input(i);
    const bool same = in.shape == out.shape;
    if (!same && !is_per_channel(in, out))
      return Claim::refuse(
          fmt::format("operand {} must have the output's dims or one value per channel", print(in)));
    const bool vector =
        !same && is_channel_vector(in, out) && in.dtype == DType::f32 && !is_static_input(node, i);
    if (same && in.dtype != DType::f32)
      return Claim::refuse("full operands must be f32, one is " + print(in));
    full |= same;
    vectors |= vector;
    linear_vectors.inputs.push_back(same ? block : kLinear);
    blocked_vectors.inputs.push_back(same || vector ? block : kLinear);
  }
  if (!full) return Claim::refuse("no operand has the output's dims");
  Claim claim{{std::move(linear_vectors)}, {}};
  if (vectors) claim.candidates.push_back(std::move(blocked_vectors));
  return claim;
}

Claim claim_reduce(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  if (node.attrs().has("prologue") || node.attrs().has("epilogue")) return Claim::refuse("takes no programs");
  const TensorType& x = node.input(0);
  if (std::string why = refuse_tensor(x, isa.lanes); !why.empty()) return Claim::refuse(why);
  const std::string kind = node.attrs().text("kind");
  const ReduceKind kinds[] = {ReduceKind::sum, ReduceKind::mean, ReduceKind::max};
  const char* const names[] = {"sum", "mean", "max"};
  const auto* name = std::find(std::begin(names), std::end(names), kind);
  if (name == std::end(names)) return Claim::refuse("takes sum, mean and max only, not " + kind);
  const std::vector<int64_t> axes = node.attrs().integers("axes");
  bool spatial = axes.size() + 2 == x.rank();
  for (size_t i = 0; spatial && i < axes.size(); ++i) spatial = axes[i] == static_cast<int64_t>(i) + 2;
  if (!spatial) return Claim::refuse("takes all dims from 2 on only");
  ReduceParams params;
  params.kind = kinds[name - names];
  params.keep_dims = node.output(0).rank() == x.rank();
  for (int64_t axis : axes) params.axes |= uint64_t{1} << axis;
  const Format block = blocked(static_cast<uint8_t>(isa.lanes));
  Claim claim;
  for (Format format : {kLinear, block}) {
    if (format == block && !params.keep_dims) continue;
    Candidate candidate;
    candidate.config = name_of(format);
    candidate.call = KernelCall::with("reduce.blocked.f32." + isa.name, params);
    candidate.inputs = {block};
    candidate.outputs = {format};
    claim.candidates.push_back(std::move(candidate));
  }
  return claim;
}

}  // namespace

extern const Tactic k_pointwise_blocked, k_reduce_blocked;
const Tactic k_pointwise_blocked{"pointwise_blocked", "pointwise", claim_pointwise};
const Tactic k_reduce_blocked{"reduce_blocked", "reduce", claim_reduce};

}  // namespace tenon
