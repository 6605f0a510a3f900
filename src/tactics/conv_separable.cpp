// conv_separable: separable convolutions on channel-blocked f32 tensors, whose rows between the convolutions stay in the cache.
#include <algorithm>

#include "conv/layout.h"
#include "ops/separable_conv.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 448;  // of the depthwise convolution's output, computed together, at most
constexpr int64_t kMostRows = 16;
constexpr int64_t kPanel = 48;  // channels whose expanded rows lie in the cache where no product is behind

bool is_per_channel(const TensorType& extra, const TensorType& out) {
  for (size_t i = 0; i < extra.rank(); ++i)
    if (out.rank() - extra.rank() + i >= 2 && !extra.shape[i].is(1)) return false;
  return true;
}

// How many rows of output are computed together, where candidates are timed: what lies between the convolutions then leaves most
// of the second-level cache to the weights and to what is read and written.
int64_t rows_of(NodeView node, const SeparableParts& parts, const SeparableParams& params, const TargetInfo& target) {
  const auto in = typical_shape(node.input(0).shape, target), out = typical_shape(parts[kDepthwiseStage].out.shape, target);
  if (!in || !out) return 4;
  const ConvPackedParams& plane = params.stage[kDepthwiseStage];
  auto bytes = [&](int64_t rows) {
    const int64_t taps = plane.w_rank > 3 ? plane.w_dims[2] : 1;
    const int64_t ring = params.operands[kExpandStage] ? (rows - 1) * plane.conv.strides[0] + taps : 0;
    if (!params.operands[kProjectStage]) return ring * in->back() * 4 * kPanel;
    return (ring * in->back() + rows * out->back()) * plane.w_dims[0] * 4;
  };
  int64_t rows = kMostRows;
  while (rows > 2 && (rows * out->back() > kPixels || bytes(rows) > cache_to_cut_for(target.l2) * 3 / 8)) rows -= 2;
  return rows;
}

Claim claim(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  if (isa.lanes == 0) return Claim::refuse("needs AVX2");
  const TensorType &x = node.input(0), &y = node.output(0);
  if (x.dtype != DType::f32 || y.dtype != DType::f32) return Claim::refuse("x and the output must be f32, x is " + print(x));
  if (x.rank() > 4) return Claim::refuse("takes at most two spatial dims");
  auto parts = separable_parts(node);
  if (!parts) return Claim::refuse(parts.error().text());
  std::vector<KernelCall::DimParam> dims;
  auto params = separable_params(node, dims);
  if (!params) return Claim::refuse(params.error().text());
  const int last = params->operands[kProjectStage] ? kProjectStage : kDepthwiseStage;
  if (last == kDepthwiseStage && !params->operands[kExpandStage]) return Claim::refuse("a depthwise convolution alone");
  const Format block = blocked(static_cast<uint8_t>(isa.lanes));
  Candidate common;
  common.inputs.assign(node.input_count(), kLinear);
  common.inputs[0] = block;
  common.outputs = {block};
  for (int i = 0; i < kSeparableStages; ++i) {
    const SeparablePart& part = (*parts)[static_cast<size_t>(i)];
    if (part.inputs == 0) continue;
    if (!is_static_input(node, part.first_input)) return Claim::refuse("w must be constant");
    if (part.out.dtype != DType::f32) return Claim::refuse("what lies between the convolutions must be f32");
    for (size_t e = part.first_extra(); e < part.first_extra() + part.extras(); ++e) {
      const TensorType& extra = node.input(e);
      const bool full = i == last && extra.shape == part.out.shape;
      if (!full && !is_per_channel(extra, part.out))
        return Claim::refuse(fmt::format("the epilogue's operand {} must have one value per channel{}", print(extra),
                                         i == last ? " or the output's dims" : ""));
      if (full) common.inputs[e] = block;
    }
  }
  params->rows = rows_of(node, *parts, *params, target);
  Claim out;
  for (int64_t vectors : {2, 3}) {
    Candidate candidate = common;
    for (int i = 0; i < kSeparableStages; ++i) {
      const SeparablePart& part = (*parts)[static_cast<size_t>(i)];
      if (part.inputs == 0) continue;
      ConvPackedParams& stage = params->stage[i];
      const bool plane = i == kDepthwiseStage;
      stage.cache = cache_to_cut_for(target.l2);
      const ConvLayout layout = plane ? ConvLayout::depthwise : ConvLayout::blocked;
      ConvWeight weight{stage.conv.group, stage.w_dims[0] / stage.conv.group, stage.w_dims[1], 1};
      for (int64_t d = 2; d < stage.w_rank; ++d) weight.taps *= stage.w_dims[d];
      stage.vectors = plane ? 1 : std::clamp<int64_t>(ceil_div(stage.w_dims[0], isa.lanes), 1, i == kExpandStage ? vectors : 2);
      const auto bytes = conv_packed_bytes(layout, weight, isa.lanes);
      if (!bytes || *bytes == 0) return Claim::refuse("w is empty or too large");
      candidate.packs.push_back(
          {static_cast<uint32_t>(part.first_input),
           KernelCall::with("conv.pack.f32." + isa.name, ConvPackParams{stage.conv.group, layout, stage.vectors}), *bytes});
    }
    candidate.config = fmt::format("{} rows, {} channels", params->rows, vectors * isa.lanes);
    candidate.call = KernelCall::with("conv.separable.f32." + isa.name, *params);
    candidate.call.dims = dims;
    out.candidates.push_back(std::move(candidate));
    // Wider panels than there are channels are the same ones.
    const ConvPackedParams& expand = params->stage[kExpandStage];
    if (!params->operands[kExpandStage] || ceil_div(expand.w_dims[0], isa.lanes) <= vectors) break;
  }
  return out;
}

}  // namespace

extern const Tactic k_conv_separable;
const Tactic k_conv_separable{"conv_separable", "separable_conv", claim};

}  // namespace tenon
