// matmul_packed: the library's own f32 product over packed panels; a constant b is packed when the plan is
// made.
#include <algorithm>

#include "matmul/packed.h"
#include "ops/matmul.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  const TensorType &a = node.input(0), &b = node.input(1);
  if (a.dtype != DType::f32) return Claim::refuse("operands must be f32, they are " + print(a));
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  auto params = matmul_params(node);
  if (!params) return Claim::refuse(params.error().text());

  MatmulPackedParams packed;
  packed.matmul = *params;
  packed.b_rank = static_cast<int64_t>(b.rank());
  const int8_t* perm = params->perm_b;
  const auto shape = constant_shape(b.shape);
  int64_t bytes = 0;
  if (shape && is_static_input(node, 1)) {
    const size_t batch = b.rank() - 2;
    bool one_matrix = true;
    for (size_t i = 0; i < batch; ++i) one_matrix &= (*shape)[static_cast<size_t>(perm[i])] == 1;
    packed.k = (*shape)[static_cast<size_t>(perm[batch])];
    packed.n = (*shape)[static_cast<size_t>(perm[batch + 1])];
    const auto size = packed_b_bytes(packed.k, packed.n, isa.lanes);
    if (one_matrix && size && *size > 0) bytes = *size;
  }
  packed.packed = bytes > 0;
  if (!packed.packed) packed.k = packed.n = packed.b_rank = 0;

  Claim out;
  for (int64_t vectors : {2, isa.lanes == 16 ? 4 : 3}) {
    packed.vectors = vectors;
    Candidate candidate;
    candidate.config = fmt::format("{} columns", vectors * isa.lanes);
    candidate.call = KernelCall::with("matmul.packed.f32." + isa.name, packed);
    candidate.inputs.assign(node.input_count(), kLinear);
    candidate.outputs.assign(1, kLinear);
    if (bytes > 0) {
      MatmulPackParams pack;
      std::copy(perm, perm + kMaxRank, pack.perm_b);
      pack.vectors = vectors;
      candidate.packs.push_back({1, KernelCall::with("matmul.pack_b.f32." + isa.name, pack), bytes});
    }
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

extern const Tactic k_matmul_packed;
const Tactic k_matmul_packed{"matmul_packed", "matmul", claim};

}  // namespace tenon
