// rnn_packed: f32 recurrent layers whose constant weights are packed when the plan is made.
#include "rnn/packed.h"

#include "base/checked.h"
#include "ops/rnn.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

// The likeliest first; one where the layer is not timed with few sequences.
std::vector<RnnDivision> divisions(NodeView node, const TargetInfo& target, const RnnParams& params, int64_t directions) {
  constexpr int64_t kWorthABarrier = 64 << 10, kLarge = 512 << 10;  // bytes of a direction's recurrent weights
  const int64_t bytes = checked_mul(rnn_gates(params.kind) * 4 * params.hidden, params.hidden).value_or(INT64_MAX);
  if (target.threads == 1 || bytes < kWorthABarrier) return {RnnDivision::sequences};
  const auto x = typical_shape(node.input(0).shape, target);
  const int64_t batch = x ? (*x)[params.layout ? 0 : 1] : 1;
  if (batch >= target.threads) return {bytes > kLarge && directions < target.threads ? RnnDivision::steps : RnnDivision::sequences};
  std::vector<RnnDivision> out = {RnnDivision::sequences, RnnDivision::steps};
  if (batch * directions < target.threads && bytes > kLarge) std::swap(out[0], out[1]);
  if (directions > 1) out.push_back(RnnDivision::turns);
  return out;
}

Claim claim(NodeView node, const TargetInfo& target) {
  const TensorType& x = node.input(0);
  if (x.dtype != DType::f32) return Claim::refuse("x must be f32, it is " + print(x));
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  auto params = rnn_params(node);
  if (!params) return Claim::refuse(params.error().text());
  const int64_t directions = params->direction == RnnDirection::bidirectional ? 2 : 1;
  for (int64_t i = 0; i < directions * rnn_functions(params->kind); ++i)
    if (!has_packed_rnn(params->functions[i].kind))
      return Claim::refuse("an activation is not relu, tanh or sigmoid");

  Candidate candidate;
  candidate.inputs.assign(node.input_count(), kLinear);
  candidate.outputs.assign(node.output_count(), kLinear);
  for (uint32_t input : {1u, 2u}) {
    if (!is_static_input(node, input)) return Claim::refuse("w and r must be constant");
    const auto shape = constant_shape(node.input(input).shape);
    if (!shape) return Claim::refuse("w and r must have constant dims");
    const auto bytes =
        packed_rnn_bytes(directions, rnn_gates(params->kind), params->hidden, (*shape)[2], isa.lanes);
    if (!bytes || *bytes == 0) return Claim::refuse("w or r cannot be packed: " + print(node.input(input)));
    const RnnPackParams pack{params->kind, input == 2 && rnn_two_segments(*params), isa.lanes};
    candidate.packs.push_back({input, KernelCall::with("rnn.pack.f32", pack), *bytes});
  }
  static constexpr const char* kNames[] = {"threads by sequences", "threads by units", "threads by units, directions in turn"};
  Claim out;
  for (RnnDivision division : divisions(node, target, *params, directions)) {
    out.candidates.push_back(candidate);
    out.candidates.back().config = kNames[static_cast<int>(division)];
    out.candidates.back().call = KernelCall::with("rnn.packed.f32." + isa.name, RnnPackedParams{*params, division});
  }
  return out;
}

}  // namespace

extern const Tactic k_rnn_packed;
const Tactic k_rnn_packed{"rnn_packed", "rnn", claim};

}  // namespace tenon
