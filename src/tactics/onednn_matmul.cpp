// onednn_matmul: products in oneDNN; a constant b is packed when the plan is made.
#include <algorithm>

#include "base/checked.h"
#include "base/cpu.h"
#include "onednn/params.h"
#include "ops/matmul.h"
#include "tactics/claims.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

constexpr size_t kFirstExtra = 2;

// Whether the permuted operand's batch dims and its row dim lie as one dim would.
bool rows_are_one(const int8_t* perm, size_t rank) {
  for (size_t i = 0; i + 2 < rank; ++i)
    if (perm[i + 1] != perm[i] + 1) return false;
  return true;
}

// Whether rows or columns are next to each other in memory.
bool is_matrix(const int8_t* perm, size_t rank) {
  return perm[rank - 1] == static_cast<int8_t>(rank - 1) || perm[rank - 2] == static_cast<int8_t>(rank - 1);
}

void invert(const int8_t* perm, size_t rank, int8_t* out) {
  for (size_t i = 0; i < rank; ++i) out[perm[i]] = static_cast<int8_t>(i);
}

struct Problem {
  MatmulParams params;
  EpilogueClaim epilogue;
  size_t rank = 0;          // of the result
  bool packable = false;    // b is one constant matrix
  int64_t k = 0, n = 0;
};

void read_b(NodeView node, Problem& p) {
  const TensorType& b = node.input(1);
  const auto shape = constant_shape(b.shape);
  if (!shape || !is_static_input(node, 1)) return;
  p.packable = true;
  for (size_t i = 0; i + 2 < b.rank(); ++i) p.packable &= (*shape)[static_cast<size_t>(p.params.perm_b[i])] == 1;
  p.k = (*shape)[static_cast<size_t>(p.params.perm_b[b.rank() - 2])];
  p.n = (*shape)[static_cast<size_t>(p.params.perm_b[b.rank() - 1])];
  p.packable &= p.k > 0 && p.n > 0;
}

// The result's dims before perm_out.
Shape logical_result(NodeView node, const int8_t* perm_out) {
  const Shape& stored = node.output(0).shape;
  Shape out(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) out[static_cast<size_t>(perm_out[i])] = stored[i];
  return out;
}

std::string read(NodeView node, const TargetInfo& target, Problem& p) {
  if (std::string refusal = onednn_refusal(target); !refusal.empty()) return refusal;
  const TensorType &a = node.input(0), &b = node.input(1);
  if (a.dtype != DType::f32) return "operands must be f32, they are " + print(a);
  auto params = matmul_params(node);
  if (!params) return params.error().text();
  p.params = *params;
  p.rank = node.output(0).rank();
  if (!is_matrix(p.params.perm_a, a.rank()) || !is_matrix(p.params.perm_b, b.rank()))
    return "the last dim in memory of a and b must be a row or column of their matrices";
  if (p.params.perm_out[p.rank - 1] != static_cast<int8_t>(p.rank - 1)) return "the output's last dim must be N";
  p.epilogue = claim_epilogue(node, kFirstExtra, logical_result(node, p.params.perm_out), p.rank - 1);
  if (!p.epilogue.refusal.empty()) return p.epilogue.refusal;
  read_b(node, p);
  int8_t out_order[kMaxRank];
  invert(p.params.perm_out, p.rank, out_order);
  const bool one_a = rows_are_one(p.params.perm_a, a.rank()) && a.rank() == p.rank;
  p.packable = p.packable && one_a && rows_are_one(out_order, p.rank) && (target.cpu_features & kAvx512);
  return {};
}

Candidate candidate_of(NodeView node, const Problem& p, int64_t panel) {
  OnednnMatmulParams params;
  params.matmul = p.params;
  params.panel = panel;
  Candidate out;
  out.config = panel ? fmt::format("panels of {}", panel) : "plain";
  if (panel) {
    params.k = p.k;
    params.n = p.n;
    params.b_rank = static_cast<int64_t>(node.input(1).rank());
    OnednnMatmulPackParams pack;
    std::copy(p.params.perm_b, p.params.perm_b + kMaxRank, pack.perm_b);
    pack.panel = panel;
    out.packs.push_back({1, KernelCall::with("onednn.matmul.pack", pack), *onednn_matmul_bytes(panel, p.k, p.n)});
  }
  out.call = KernelCall::with("onednn.matmul.f32", params);
  out.inputs.assign(node.input_count(), kLinear);
  out.outputs.assign(1, kLinear);
  return out;
}

Claim claim(NodeView node, const TargetInfo& target) {
  Problem p;
  if (std::string refusal = read(node, target, p); !refusal.empty()) return Claim::refuse(std::move(refusal));
  Claim out;
  if (!p.packable) {
    out.candidates.push_back(candidate_of(node, p, 0));
    return out;
  }
  for (int64_t panel : {64, 48, 32, 16})
    if ((p.n > 48 ? panel > 16 : panel == round_up(p.n, 16)) && onednn_matmul_bytes(panel, p.k, p.n))
      out.candidates.push_back(candidate_of(node, p, panel));
  if (out.candidates.empty()) out.refusal = "b is too large to be packed";
  return out;
}

}  // namespace

extern const Tactic k_onednn_matmul;
const Tactic k_onednn_matmul{"onednn_matmul", "matmul", claim};

}  // namespace tenon
