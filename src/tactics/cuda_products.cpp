// cuda_matmul_gemv, cuda_conv_depthwise: what libraries are slow at. cuda_matmul_tile, cuda_conv_direct,
// cuda_conv_transpose_direct: products of any kind, without a library, where nothing else computes them.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

Claim claim_matmul(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.matmul.tile"); }

Claim claim_convolution(NodeView node, const TargetInfo& target, std::string_view kernel) {
  Claim out = claim_cuda(node, target, kernel);
  std::vector<Format> inputs = nhwc_inputs(node);
  inputs[0] = kChannelsLast;
  for (size_t i = 1; i < inputs.size() && i < 3; ++i) inputs[i] = kLinear;
  add_formats(out, node, inputs, {kChannelsLast});
  return out;
}
Claim claim_conv(NodeView node, const TargetInfo& target) { return claim_convolution(node, target, "cuda.conv.direct"); }
Claim claim_conv_transpose(NodeView node, const TargetInfo& target) {
  return claim_convolution(node, target, "cuda.conv_transpose.direct");
}

// Rows of the product that every shape has; 0 when that is no constant.
int64_t constant_rows(NodeView node) {
  const TensorType& y = node.output(0);
  const auto perm = node.attrs().integers("perm_out");
  int64_t rows = 1;
  for (size_t i = 0; i < y.rank(); ++i) {
    const bool column = perm.empty() ? i + 1 == y.rank() : perm[i] + 1 == static_cast<int64_t>(y.rank());
    if (column) continue;
    if (!y.shape[i].is_constant() || y.shape[i].value() < 1 || y.shape[i].value() > 16) return 0;
    rows *= y.shape[i].value();
  }
  return rows;
}

Claim claim_gemv(NodeView node, const TargetInfo& target) {
  if (node.input(0).dtype != DType::f32 && node.input(0).dtype != DType::f16 && node.input(0).dtype != DType::bf16)
    return Claim::refuse("takes f32, f16 and bf16, a is " + print(node.input(0)));
  const int64_t rows = constant_rows(node);
  if (rows < 1 || rows > 16) return Claim::refuse("takes 1 to 16 rows, constant; the output is " + print(node.output(0)));
  const TensorType& b = node.input(1);
  const auto perm = node.attrs().integers("perm_b");
  for (size_t i = 0; i + 2 < b.rank(); ++i)
    if (!b.shape[perm.empty() ? i : static_cast<size_t>(perm[i])].is(1))
      return Claim::refuse("takes one matrix b for all rows, it is " + print(b));
  for (const TensorType* type : {&node.input(0), &b})
    for (const Dim& dim : type->shape)
      if (!dim.is_constant()) return Claim::refuse("takes constant dims, one operand is " + print(*type));
  return claim_cuda(node, target, "cuda.matmul.gemv");
}

// One filter a channel, two spatial dims.
Claim claim_depthwise(NodeView node, const TargetInfo& target) {
  const TensorType &x = node.input(0), &w = node.input(1);
  if (x.dtype != DType::f32 && x.dtype != DType::f16 && x.dtype != DType::bf16)
    return Claim::refuse("takes f32, f16 and bf16, x is " + print(x));
  if (x.rank() != 4) return Claim::refuse("takes two spatial dims, x is " + print(x));
  if (!constant_shape(w.shape) || !w.shape[1].is(1) || !w.shape[0].is(node.attrs().integer("group", 1)) || !(x.shape[1] == w.shape[0]))
    return Claim::refuse("takes one filter a channel, w is " + print(w));
  if (w.shape[2].value() * w.shape[3].value() > 121) return Claim::refuse("takes filters of up to 121 taps, w is " + print(w));
  for (int64_t step : node.attrs().integers("strides"))
    if (step > 8) return Claim::refuse("takes strides up to 8");
  for (int64_t step : node.attrs().integers("dilations"))
    if (step > 16) return Claim::refuse("takes dilations up to 16");
  Claim all = claim_convolution(node, target, "cuda.conv.depthwise"), out;
  for (Candidate& candidate : all.candidates)
    if (candidate.inputs[0].format == kChannelsLast) out.candidates.push_back(std::move(candidate));
  if (out.candidates.empty()) out.refusal = all.refusal;
  return out;
}

// Few input channels, as a network begins with: also from a linear f32 x to a smaller nhwc output.
Claim claim_first(NodeView node, const TargetInfo& target) {
  const TensorType &x = node.input(0), &w = node.input(1);
  if (x.dtype != DType::f32 && x.dtype != DType::f16 && x.dtype != DType::bf16)
    return Claim::refuse("takes f32, f16 and bf16, x is " + print(x));
  if (x.rank() != 4 || !constant_shape(w.shape) || node.attrs().integer("group", 1) != 1 || w.shape[1].value() > 8)
    return Claim::refuse("takes two spatial dims, one group and at most 8 input channels, not " + print(x) + " by " + print(w));
  const int64_t taps = w.shape[2].value() * w.shape[3].value();
  if (w.shape[3].value() > 16 || w.shape[1].value() * taps * 32 > 40 << 10)
    return Claim::refuse("takes filters of up to 16 columns that fit shared memory, w is " + print(w));
  for (int64_t step : node.attrs().integers("strides"))
    if (step > 8) return Claim::refuse("takes strides up to 8");
  for (int64_t step : node.attrs().integers("dilations"))
    if (step != 1) return Claim::refuse("takes no dilation");
  Claim all = claim_convolution(node, target, "cuda.conv.first"), out;
  for (Candidate& candidate : all.candidates) {
    if (candidate.outputs[0].format != kChannelsLast) continue;
    out.candidates.push_back(candidate);
    out.candidates.back().inputs[0].format = kLinear;
    out.candidates.back().config += " from linear";
    if (candidate.inputs[0].dtype != DType::none) {
      out.candidates.push_back(out.candidates.back());
      out.candidates.back().inputs[0].dtype = DType::none;
      out.candidates.back().config += " f32";
    }
    out.candidates.push_back(std::move(candidate));
  }
  if (out.candidates.empty()) out.refusal = all.refusal;
  return out;
}

}  // namespace

extern const Tactic k_cuda_matmul_gemv, k_cuda_conv_depthwise, k_cuda_conv_first, k_cuda_matmul_tile, k_cuda_conv_direct, k_cuda_conv_transpose_direct;
const Tactic k_cuda_matmul_gemv{"cuda_matmul_gemv", "matmul", claim_gemv, "cuda"};
const Tactic k_cuda_conv_depthwise{"cuda_conv_depthwise", "conv", claim_depthwise, "cuda"};
const Tactic k_cuda_conv_first{"cuda_conv_first", "conv", claim_first, "cuda"};
const Tactic k_cuda_matmul_tile{"cuda_matmul_tile", "matmul", claim_matmul, "cuda", true};
const Tactic k_cuda_conv_direct{"cuda_conv_direct", "conv", claim_conv, "cuda", true};
const Tactic k_cuda_conv_transpose_direct{"cuda_conv_transpose_direct", "conv_transpose", claim_conv_transpose, "cuda", true};

}  // namespace tenon
