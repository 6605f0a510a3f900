// cuda_matmul_lt: products in cuBLASLt.
#include "cuda/gemm_epilogue.h"
#include "ops/matmul.h"
#include "tactics/cuda_product_claims.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

constexpr size_t kFirstExtra = 2;

bool is_identity(const int8_t* perm, size_t rank) {
  for (size_t i = 0; i < rank; ++i)
    if (perm[i] != static_cast<int8_t>(i)) return false;
  return true;
}

// The result's dims before perm_out.
Shape logical_result(NodeView node, const int8_t* perm_out) {
  const Shape& stored = node.output(0).shape;
  Shape out(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) out[static_cast<size_t>(perm_out[i])] = stored[i];
  return out;
}

struct Problem {
  MatmulParams params;
  bool apart = false;      // cuBLASLt does not apply the epilogue
  bool may_apart = false;  // a pointwise kernel behind the product can
};

std::string read(NodeView node, Problem& p) {
  if (std::string refusal = product_refusal(node); !refusal.empty()) return refusal;
  auto params = matmul_params(node);
  if (!params) return params.error().text();
  p.params = *params;
  const size_t rank = node.output(0).rank();
  const int8_t* perm = p.params.perm_out;
  const auto innermost = static_cast<size_t>(perm[rank - 1]);
  if (innermost + 2 < rank) return "the output's innermost dim must be M or N, it is a batch dim";
  const Shape result = logical_result(node, perm);
  bool thin = true;   // each extra operand lies along one dim
  std::vector<cuda::ExtraRole> roles;
  for (size_t i = kFirstExtra; i < node.input_count(); ++i) {
    const ExtraKind kind = extra_kind(node.input(i).shape, result, rank - 1);
    thin = thin && (kind == ExtraKind::scalar || kind == ExtraKind::axis);
    roles.push_back({kind == ExtraKind::axis && innermost == rank - 1, kind == ExtraKind::same});
  }
  cuda::GemmEpilogue epilogue;
  std::string refusal;
  p.apart = !match_gemm_epilogue(cuda::widened(p.params.epilogue), roles, epilogue, refusal);
  p.may_apart = !p.params.epilogue.empty() && (thin || is_identity(perm, rank));
  if (p.apart && !p.may_apart) return refusal + ", nor a pointwise kernel behind a permuted result";
  return {};
}

Claim claim_lt(NodeView node, const TargetInfo& target) {
  Problem p;
  if (std::string refusal = read(node, p); !refusal.empty()) return Claim::refuse(std::move(refusal));
  Claim out;
  auto add = [&](const ProductPrecision& precision, int algorithm, bool apart) {
    Candidate c;
    c.math = precision.math_name();
    c.config = fmt::format("{} algo {}{}", precision.name, algorithm, apart ? ", epilogue apart" : "");
    c.call = KernelCall::with("cuda.matmul.lt", CudaMatmulLtParams{p.params, precision.math, algorithm, apart});
    for (size_t i = 0; i < node.input_count(); ++i)
      c.inputs.push_back(i < kFirstExtra ? Form(precision.in, kLinear) : extra_form(node.input(i), precision, kLinear));
    c.outputs.push_back(Form(precision.out, kLinear));
    out.candidates.push_back(std::move(c));
  };
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, true)) {
    const int count = precision.reduced() && precision.out != DType::none ? 8 : 4;
    for (int algorithm = 0; algorithm < count; ++algorithm) {
      add(precision, algorithm, p.apart);
      // Fused and split race, so that a fusion that loses is undone.
      if (algorithm == 2 && !p.apart && p.may_apart) add(precision, 0, true);
    }
  }
  return out;
}

}  // namespace

extern const Tactic k_cuda_matmul_lt;
const Tactic k_cuda_matmul_lt{"cuda_matmul_lt", "matmul", claim_lt, "cuda"};

}  // namespace tenon
