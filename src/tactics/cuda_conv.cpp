// cuda_conv_cudnn, cuda_conv_transpose_cudnn: convolutions in cuDNN. cuda_conv_lt: those with a kernel of 1 as products in
// cuBLASLt.
#include "cuda/gemm_epilogue.h"
#include "onednn/post_ops.h"
#include "ops/conv.h"
#include "tactics/cuda_product_claims.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

constexpr size_t kBias = 2, kFirstExtra = 3;

struct Problem {
  ConvParams conv;
  std::vector<KernelCall::DimParam> dims;
  std::vector<ExtraKind> extras;
  Program epilogue;            // f32
  bool has_bias = false;
  bool other = false;          // an extra operand has neither the output's dims, nor one value a channel, nor one value
  bool has_tail() const { return has_bias || !epilogue.empty(); }
};

std::string read(NodeView node, Problem& p) {
  if (std::string refusal = product_refusal(node); !refusal.empty()) return refusal;
  auto params = conv_params(node, p.dims);
  if (!params) return params.error().text();
  p.conv = *params;
  p.epilogue = cuda::widened(p.conv.epilogue);
  p.has_bias = node.has_input(kBias);
  for (size_t i = kFirstExtra; i < node.input_count(); ++i) {
    p.extras.push_back(extra_kind(node.input(i).shape, node.output(0).shape, 1));
    p.other = p.other || p.extras.back() == ExtraKind::other;
  }
  return {};
}

// x, w and the result in one format, extras of the result's dims too.
Candidate candidate_of(NodeView node, const Problem& p, const ProductPrecision& precision, Format format) {
  Candidate c;
  for (size_t i = 0; i < node.input_count(); ++i) {
    const bool same = i >= kFirstExtra && p.extras[i - kFirstExtra] == ExtraKind::same;
    if (i < kBias) c.inputs.push_back(Form(precision.in, format));
    else c.inputs.push_back(extra_form(node.input(i), precision, same ? format : kLinear));
  }
  c.outputs.push_back(Form(precision.out, format));
  return c;
}

Claim claim_cudnn(NodeView node, const TargetInfo& target, const char* kernel) {
  Problem p;
  if (std::string refusal = read(node, p); !refusal.empty()) return Claim::refuse(std::move(refusal));
  onednn::PostOpChain chain;
  std::string refusal;
  const bool fused = !p.other && onednn::match_post_ops(p.epilogue, chain, refusal);
  Claim out;
  auto add = [&](const ProductPrecision& precision, Format format, bool apart, bool compiled, int plans) {
    for (int plan = 0; plan < plans; ++plan) {
      Candidate c = candidate_of(node, p, precision, format);
      c.config = fmt::format("{} {} {}{}", precision.name, compiled ? "compiled at load" : "plan", plan, apart ? ", epilogue apart" : "");
      c.call = KernelCall::with(kernel, CudaConvCudnnParams{p.conv, precision.math, plan, compiled, apart});
      c.call.dims = p.dims;
      out.candidates.push_back(std::move(c));
    }
  };
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, false)) {
    const bool f32 = !precision.reduced() && node.input(0).dtype == DType::f32;
    if (fused) {
      add(precision, kChannelsLast, false, false, 5);
      add(precision, kChannelsLast, false, true, 4);
      if (f32) add(precision, kLinear, false, false, 3);
    }
    if (p.has_tail()) {
      add(precision, kChannelsLast, true, false, 4);
      if (f32) add(precision, kLinear, true, false, 2);
    }
  }
  return out;
}

Claim claim_conv(NodeView node, const TargetInfo& target) { return claim_cudnn(node, target, "cuda.conv.cudnn"); }
Claim claim_transposed(NodeView node, const TargetInfo& target) {
  return claim_cudnn(node, target, "cuda.conv_transpose.cudnn");
}

// "" or why the convolution is no product of matrices.
std::string product_of(NodeView node, const Problem& p) {
  if (p.conv.group != 1) return fmt::format("a product has one group, the convolution has {}", p.conv.group);
  if (!p.dims.empty()) return "the pads must be constant";
  const Shape& w = node.input(1).shape;
  for (size_t i = 2; i < w.size(); ++i) {
    if (!w[i].is(1)) return "a product needs a kernel of 1, w is " + print(node.input(1));
    if (p.conv.strides[i - 2] != 1 || p.conv.pads_begin[i - 2] != 0 || p.conv.pads_end[i - 2] != 0)
      return "a product needs strides of 1 and no pads";
  }
  return {};
}

Claim claim_lt(NodeView node, const TargetInfo& target) {
  Problem p;
  std::string refusal = read(node, p);
  if (refusal.empty()) refusal = product_of(node, p);
  if (refusal.empty() && p.other) refusal = "extra operands must have the result's dims, one value a channel or one value";
  if (!refusal.empty()) return Claim::refuse(std::move(refusal));
  std::vector<cuda::ExtraRole> roles;
  for (ExtraKind kind : p.extras) roles.push_back({kind == ExtraKind::axis && !p.has_bias, kind == ExtraKind::same});
  cuda::GemmEpilogue epilogue;
  const bool apart = !match_gemm_epilogue(p.epilogue, roles, epilogue, refusal) || (p.has_bias && epilogue.alpha != 1);
  Claim out;
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, false))
    for (int algorithm = 0; algorithm < (precision.reduced() ? 6 : 3); ++algorithm) {
      Candidate c = candidate_of(node, p, precision, kChannelsLast);
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
