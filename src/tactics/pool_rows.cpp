// pool_rows: the library's own f32 max and average pooling, on linear and on channel-blocked tensors.
#include "ops/pool.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  if (node.input(0).dtype != DType::f32) return Claim::refuse("x must be f32, it is " + print(node.input(0)));
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  if (node.output_count() > 1) return Claim::refuse("yields no indices");
  Claim out;
  std::vector<KernelCall::DimParam> dims;
  auto params = pool_params(node, dims);
  if (!params) return Claim::refuse(params.error().text());
  if (params->kind == PoolKind::lp) return Claim::refuse("takes max and average only");
  for (const char* layout : {"blocked", "linear"}) {
    const Format format = layout[0] == 'b' ? blocked(static_cast<uint8_t>(isa.lanes)) : kLinear;
    Candidate candidate;
    candidate.config = layout;
    candidate.call = KernelCall::with(fmt::format("pool.{}.f32.{}", layout, isa.name), *params);
    candidate.call.dims = dims;
    candidate.inputs = {format};
    candidate.outputs = {format};
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

extern const Tactic k_pool_rows;
const Tactic k_pool_rows{"pool_rows", "pool", claim};

}  // namespace tenon
