// matmul_packed, matmul_strassen: the library's own f32 products over packed panels, of operands as they are or, where that is
// allowed, rounded to bf16; a constant b is packed when the plan is made.
#include <algorithm>

#include "matmul/packed.h"
#include "ops/matmul.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

// A product of f32 rows by b; where b is a constant [k, n], `packed.packed` is set.
std::string read(NodeView node, const TargetInfo& target, InstructionSet& isa, MatmulPackedParams& packed) {
  const TensorType &a = node.input(0), &b = node.input(1);
  if (a.dtype != DType::f32) return "operands must be f32, they are " + print(a);
  isa = instruction_set(target);
  if (isa.lanes == 0) return "needs AVX2";
  auto params = matmul_params(node);
  if (!params) return params.error().text();
  packed.matmul = *params;
  packed.cache = cache_to_cut_for(target.l2);
  const auto shape = constant_shape(b.shape);
  if (!shape || !is_static_input(node, 1)) return {};
  const size_t batch = b.rank() - 2;
  for (size_t i = 0; i < batch; ++i)
    if ((*shape)[static_cast<size_t>(params->perm_b[i])] != 1) return {};
  packed.k = (*shape)[static_cast<size_t>(params->perm_b[batch])];
  packed.n = (*shape)[static_cast<size_t>(params->perm_b[batch + 1])];
  packed.b_rank = static_cast<int64_t>(b.rank());
  packed.packed = 1;
  return {};
}

// By a constant b: rows where the product is timed; none where they are not known.
int64_t typical_rows(NodeView node, const TargetInfo& target, const MatmulPackedParams& params) {
  const auto a = typical_shape(node.input(0).shape, target);
  std::optional<int64_t> count = a && params.packed && params.k > 0 ? std::optional<int64_t>(1) : std::nullopt;
  for (size_t i = 0; count && i < a->size(); ++i) count = checked_mul(*count, (*a)[i]);
  return count.value_or(0) / std::max<int64_t>(params.k, 1);
}

// `bytes`: of packed b, by the kernel `pack`; 0: b is not packed. `math`: as a candidate's.
Candidate candidate(NodeView node, const InstructionSet& isa, MatmulPackedParams params, const ProductCut& cut, const char* kernel,
                    const char* pack, int64_t bytes, std::string_view math = {}) {
  const std::string suffix = fmt::format(".{}.{}", math.empty() ? "f32" : math, isa.name);
  params.vectors = cut.vectors;
  params.together = cut.together;
  params.packed = bytes > 0;
  if (!params.packed) params.k = params.n = params.b_rank = 0;
  Candidate out;
  out.config = fmt::format("{}{}{} columns{}", math, math.empty() ? "" : ", ", cut.vectors * isa.lanes,
                           cut.together ? ", rows together" : "");
  out.math = math;
  out.call = KernelCall::with(kernel + suffix, params);
  out.inputs.assign(node.input_count(), kLinear);
  out.outputs.assign(1, kLinear);
  if (params.packed) {
    MatmulPackParams packing;
    std::copy(params.matmul.perm_b, params.matmul.perm_b + kMaxRank, packing.perm_b);
    packing.vectors = cut.vectors;
    out.packs.push_back({1, KernelCall::with(pack + suffix, packing), bytes});
  }
  return out;
}

Claim claim(NodeView node, const TargetInfo& target) {
  InstructionSet isa;
  MatmulPackedParams params;
  if (std::string why = read(node, target, isa, params); !why.empty()) return Claim::refuse(why);
  const int64_t bytes = params.packed ? packed_b_bytes(params.k, params.n, isa.lanes).value_or(0) : 0;
  Claim out;
  const int64_t rows = typical_rows(node, target, params);
  auto cuts = [&](int64_t group) {
    const int64_t depth = std::min(ceil_div(params.k, group), kPackedDepth);
    return product_cuts(isa, {1, rows, packed_rows_at_once(depth, params.cache), params.n}, target.threads);
  };
  for (const ProductCut& cut : cuts(1))
    out.candidates.push_back(candidate(node, isa, params, cut, "matmul.packed", "matmul.pack_b", bytes));
  if (!multiplies_pairs(target)) return out;
  const int64_t pair_bytes = params.packed ? packed_b_bytes(params.k, params.n, isa.lanes, 2).value_or(0) : 0;
  for (const ProductCut& cut : cuts(2))
    out.candidates.push_back(candidate(node, isa, params, cut, "matmul.packed", "matmul.pack_b", pair_bytes, "bf16"));
  return out;
}

Claim claim_strassen(NodeView node, const TargetInfo& target) {
  InstructionSet isa;
  MatmulPackedParams params;
  if (std::string why = read(node, target, isa, params); !why.empty()) return Claim::refuse(why);
  if (!params.packed) return Claim::refuse("b must be one constant matrix");
  const auto bytes = strassen_b_bytes(params.k, params.n, isa.lanes);
  if (!bytes || params.k < kLeastStrassen || params.n < kLeastStrassen)
    return Claim::refuse(fmt::format("k must be a multiple of {}, k and n at least {}, b is {} x {}", 2 * isa.lanes,
                                     kLeastStrassen, params.k, params.n));
  Claim out;
  const ProductSize size{1, typical_rows(node, target, params), strassen_rows_at_once(params.k, isa.lanes, params.cache),
                         strassen_half(params.n, isa.lanes)};
  for (const ProductCut& cut : product_cuts(isa, size, target.threads))
    out.candidates.push_back(candidate(node, isa, params, cut, "matmul.strassen", "matmul.pack_strassen", *bytes));
  return out;
}

}  // namespace

extern const Tactic k_matmul_packed, k_matmul_strassen;
const Tactic k_matmul_packed{"matmul_packed", "matmul", claim};
const Tactic k_matmul_strassen{"matmul_strassen", "matmul", claim_strassen};

}  // namespace tenon
