// conv_linear, conv_transpose_product: f32 convolutions of linear tensors as products; constant weights are
// packed when the plan is made.
#include <algorithm>

#include "conv/layout.h"
#include "ops/conv.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target, const char* kernel, ConvLayout layout) {
  const TensorType &x = node.input(0), &w = node.input(1);
  if (x.dtype != DType::f32 || node.output(0).dtype != DType::f32)
    return Claim::refuse("x and the output must be f32, x is " + print(x));
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  Candidate out;
  auto params = conv_params(node, out.call.dims);
  if (!params) return Claim::refuse(params.error().text());
  ConvPackedParams packed;
  packed.conv = *params;
  const auto shape = constant_shape(w.shape);
  if (shape && is_static_input(node, 1)) {
    const bool turned = layout == ConvLayout::transposed;
    ConvWeight weight{params->group, (*shape)[0], (*shape)[1], 1};
    if (turned) std::swap(weight.og, weight.cg);
    (turned ? weight.cg : weight.og) /= params->group;
    for (size_t i = 2; i < shape->size(); ++i) weight.taps *= (*shape)[i];
    const auto bytes = conv_packed_bytes(layout, weight, isa.lanes);
    if (!bytes || *bytes == 0) return Claim::refuse("w is empty or too large");
    packed.w_rank = static_cast<int64_t>(shape->size());
    std::copy(shape->begin(), shape->end(), packed.w_dims);
    out.packs.push_back(
        {1, KernelCall::with("conv.pack.f32." + isa.name, ConvPackParams{params->group, layout, 1}), *bytes});
  }
  KernelCall call = KernelCall::with(fmt::format("{}.f32.{}", kernel, isa.name), packed);
  call.dims = std::move(out.call.dims);
  out.call = std::move(call);
  out.inputs.assign(node.input_count(), kLinear);
  out.outputs = {kLinear};
  return {{std::move(out)}, {}};
}

Claim claim_linear(NodeView node, const TargetInfo& target) {
  const TensorType& y = node.output(0);
  for (size_t i = 3; i < node.input_count(); ++i) {
    const TensorType& extra = node.input(i);
    bool all = true, none = true;
    for (size_t d = 2; d < y.rank(); ++d) {
      const size_t skipped = y.rank() - extra.rank();
      const Dim own = d < skipped ? Dim(1) : extra.shape[d - skipped];
      all &= own == y.shape[d];
      none &= own.is(1);
    }
    if (!all && !none)
      return Claim::refuse(fmt::format(
          "the epilogue's operand {} must have all of the output's spatial dims or none", print(extra)));
  }
  return claim(node, target, "conv.linear", ConvLayout::linear);
}

Claim claim_transposed(NodeView node, const TargetInfo& target) {
  return claim(node, target, "conv_transpose.product", ConvLayout::transposed);
}

}  // namespace

extern const Tactic k_conv_linear, k_conv_transpose_product;
const Tactic k_conv_linear{"conv_linear", "conv", claim_linear};
const Tactic k_conv_transpose_product{"conv_transpose_product", "conv_transpose", claim_transposed};

}  // namespace tenon
