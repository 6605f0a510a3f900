// rnn_packed: f32 recurrent layers whose constant weights are packed when the plan is made.
#include "rnn/packed.h"

#include "ops/rnn.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

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
  candidate.call = KernelCall::with("rnn.packed.f32." + isa.name, *params);
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
  return {{std::move(candidate)}, {}};
}

}  // namespace

extern const Tactic k_rnn_packed;
const Tactic k_rnn_packed{"rnn_packed", "rnn", claim};

}  // namespace tenon
