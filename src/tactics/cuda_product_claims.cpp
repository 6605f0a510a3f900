#include "tactics/cuda_product_claims.h"

#include "cuda/gemm_epilogue.h"
#include "ops/conv.h"

namespace tenon {
namespace {

constexpr size_t kBias = 2, kFirstExtra = 3;

bool is_small_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace

std::vector<ProductPrecision> product_precisions(DType type, const TargetInfo& target, bool wide_results) {
  std::vector<ProductPrecision> out;
  if (!is_small_float(type)) return out;
  out.push_back({DType::none, DType::none, CudaMath::exact, std::string(name_of(type))});
  if (type != DType::f32) return out;
  if (target.allow_tf32) out.push_back({DType::none, DType::none, CudaMath::tf32, "tf32"});
  for (DType reduced : {DType::f16, DType::bf16}) {
    if (!(reduced == DType::f16 ? target.allow_f16 : target.allow_bf16)) continue;
    out.push_back({reduced, reduced, CudaMath::exact, std::string(name_of(reduced))});
    if (wide_results) out.push_back({reduced, DType::none, CudaMath::exact, std::string(name_of(reduced)) + " to f32"});
  }
  return out;
}

Form extra_form(const TensorType& type, const ProductPrecision& precision, Format format) {
  return Form(type.dtype == DType::f32 ? precision.out : DType::none, format);
}

std::string product_refusal(NodeView node) {
  if (!is_small_float(node.input(0).dtype)) return "operands must be f32, f16 or bf16, they are " + print(node.input(0));
  const DType result = node.output(0).dtype;
  if (result != node.input(0).dtype) return "the result must have the type of the operands, it is " + print(node.output(0));
  return {};
}

std::string read_conv(NodeView node, ConvProblem& p) {
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

Candidate conv_candidate(NodeView node, const ConvProblem& p, const ProductPrecision& precision, Format format) {
  Candidate c;
  c.math = precision.math_name();
  for (size_t i = 0; i < node.input_count(); ++i) {
    const bool same = i >= kFirstExtra && p.extras[i - kFirstExtra] == ExtraKind::same;
    if (i < kBias) c.inputs.push_back(Form(precision.in, format));
    else c.inputs.push_back(extra_form(node.input(i), precision, same ? format : kLinear));
  }
  c.outputs.push_back(Form(precision.out, format));
  return c;
}

std::string no_product(NodeView node, const ConvProblem& p) {
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

}  // namespace tenon
