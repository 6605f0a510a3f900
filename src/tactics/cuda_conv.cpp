// cuda_conv_cudnn, cuda_conv_transpose_cudnn: convolutions in cuDNN. cuda_conv_lt: those with a kernel of 1 as products in
// cuBLASLt.
#include <algorithm>

#include "cuda/gemm_epilogue.h"
#include "onednn/post_ops.h"
#include "ops/conv.h"
#include "tactics/cuda_product_claims.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

// Which the kernels leave to a step of their own.
bool has_tanh(const onednn::PostOpChain& chain) {
  return std::any_of(chain.ops, chain.ops + chain.count, [](const onednn::PostOp& op) {
    return op.kind == onednn::PostOpKind::tanh || op.kind == onednn::PostOpKind::gelu_tanh;
  });
}

Claim claim_cudnn(NodeView node, const TargetInfo& target, const char* kernel) {
  ConvProblem p;
  if (std::string refusal = read_conv(node, p); !refusal.empty()) return Claim::refuse(std::move(refusal));
  onednn::PostOpChain chain;
  std::string refusal;
  const bool fused = !p.other && onednn::match_post_ops(p.epilogue, chain, refusal) && !has_tanh(chain);
  Claim out;
  auto add = [&](const ProductPrecision& precision, Format format, bool apart, bool compiled, int plan) {
    Candidate c = conv_candidate(node, p, precision, format);
    c.config = fmt::format("{}{} {} {}{}", precision.name, format == kLinear ? " linear" : "", compiled ? "compiled at load" : "plan", plan,
                           apart ? ", epilogue apart" : "");
    c.call = KernelCall::with(kernel, CudaConvCudnnParams{p.conv, precision.math, plan, compiled, apart});
    c.call.dims = p.dims;
    out.candidates.push_back(std::move(c));
  };
  // Engines that compile when they are loaded take a second for each shape: for one shape only, and in the precisions in
  // which they are fast.
  bool one_shape = true;
  for (size_t i = 0; i < node.input_count(); ++i)
    one_shape = one_shape && (!node.has_input(i) || constant_shape(node.input(i).shape));
  const Shape& x = node.input(0).shape;
  const bool many_channels = !(x.size() > 1 && x[1].is_constant() && x[1].value() <= 4);
  // The heuristic's best first; a build that tries few tries fused ones and a split one.
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, false)) {
    const bool f32 = !precision.reduced() && node.input(0).dtype == DType::f32;
    // A plan takes some 50 ms to be made: of a precision that is the likely loser one.
    const bool reduced = target.allow_f16 || target.allow_bf16, loser = f32 && (reduced || (target.allow_tf32 && precision.math == CudaMath::exact));
    const int plans = loser ? 1 : 5;
    // Behind other layers a loser is not the one to keep the linear layout.
    const bool linear = f32 && !(loser && many_channels);
    for (int plan = 0; plan < plans; ++plan) {
      if (fused) add(precision, kChannelsLast, false, false, plan);
      if (linear && fused && plan < 3) add(precision, kLinear, false, false, plan);
      if (p.has_tail() && (plan % 2 == 1 || (loser && !fused))) {
        add(precision, kChannelsLast, true, false, plan / 2);
        if (linear) add(precision, kLinear, true, false, plan / 2);
      }
    }
    if (fused && one_shape && !f32)
      for (int plan = 0; plan < 4; ++plan) add(precision, kChannelsLast, false, true, plan);
  }
  return out;
}

Claim claim_conv(NodeView node, const TargetInfo& target) { return claim_cudnn(node, target, "cuda.conv.cudnn"); }
Claim claim_transposed(NodeView node, const TargetInfo& target) {
  return claim_cudnn(node, target, "cuda.conv_transpose.cudnn");
}

Claim claim_lt(NodeView node, const TargetInfo& target) {
  ConvProblem p;
  std::string refusal = read_conv(node, p);
  if (refusal.empty()) refusal = no_product(node, p);
  if (refusal.empty() && p.other) refusal = "extra operands must have the result's dims, one value a channel or one value";
  if (!refusal.empty()) return Claim::refuse(std::move(refusal));
  std::vector<cuda::ExtraRole> roles;
  for (ExtraKind kind : p.extras) roles.push_back({kind == ExtraKind::axis && !p.has_bias, kind == ExtraKind::same});
  cuda::GemmEpilogue epilogue;
  const bool apart = !match_gemm_epilogue(p.epilogue, roles, epilogue, refusal) || (p.has_bias && epilogue.alpha != 1);
  Claim out;
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, false))
    for (int algorithm = 0; algorithm < (precision.reduced() ? 6 : 3); ++algorithm) {
      Candidate c = conv_candidate(node, p, precision, kChannelsLast);
      c.config = fmt::format("{} algo {}{}", precision.name, algorithm, apart ? ", epilogue apart" : "");
      c.call = KernelCall::with("cuda.conv.lt", CudaConvLtParams{p.conv, precision.math, algorithm, apart});
      out.candidates.push_back(std::move(c));
    }
  return out;
}

}  // namespace

extern const Tactic k_cuda_conv_cudnn, k_cuda_conv_transpose_cudnn, k_cuda_conv_lt;
const Tactic k_cuda_conv_cudnn{"cuda_conv_cudnn", "conv", claim_conv, "cuda"};
const Tactic k_cuda_conv_transpose_cudnn{"cuda_conv_transpose_cudnn", "conv_transpose", claim_transposed, "cuda"};
const Tactic k_cuda_conv_lt{"cuda_conv_lt", "conv", claim_lt, "cuda"};

}  // namespace tenon
