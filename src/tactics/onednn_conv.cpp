// onednn_conv: convolution over packed weights in oneDNN, in blocked or channels-last formats.
#include <algorithm>

#include "base/checked.h"
#include "base/cpu.h"
#include "onednn/params.h"
#include "ops/conv.h"
#include "tactics/claims.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

constexpr size_t kFirstExtra = 3;
constexpr int64_t kMaxAttribute = 1 << 12;

// A packing, and the formats of activations that it is for.
struct Variant {
  OnednnConvLayout layout;
  int64_t block;
  Format x, y;
};

struct Problem {
  ConvParams conv;
  std::vector<KernelCall::DimParam> dims;
  std::vector<int64_t> w;       // O, C / group, kernel…
  EpilogueClaim epilogue;
  bool volume() const { return w.size() == 5; }
  int64_t channels() const { return w[1] * conv.group; }
};

// "" or why the node cannot be claimed.
std::string read(NodeView node, const TargetInfo& target, Problem& p) {
  if (std::string refusal = onednn_refusal(target); !refusal.empty()) return refusal;
  const TensorType &x = node.input(0), &w = node.input(1);
  if (x.dtype != DType::f32) return "x must be f32, it is " + print(x);
  const auto shape = constant_shape(w.shape);
  if (!shape || !is_static_input(node, 1)) return "the weight must be constant";
  p.w = *shape;
  if (std::find(p.w.begin(), p.w.end(), 0) != p.w.end()) return "the weight is empty";
  auto params = conv_params(node, p.dims);
  if (!params) return params.error().text();
  p.conv = *params;
  for (int i = 0; i < kMaxSpatial; ++i) {
    const int64_t most = std::max({p.conv.strides[i], p.conv.dilations[i], p.conv.pads_begin[i], p.conv.pads_end[i],
                                   i + 2 < static_cast<int>(p.w.size()) ? p.w[static_cast<size_t>(i) + 2] : 1});
    if (most > kMaxAttribute) return fmt::format("attributes and kernel dims may be up to {}, one is {}", kMaxAttribute, most);
  }
  p.epilogue = claim_epilogue(node, kFirstExtra, node.output(0).shape, 1);
  return p.epilogue.refusal;
}

// The ways for which oneDNN has optimised code, by what its implementations take.
std::vector<Variant> variants(const Problem& p, const TargetInfo& target) {
  constexpr auto kBlocked = OnednnConvLayout::blocked, kPanels = OnednnConvLayout::panels,
                 kDepthwise = OnednnConvLayout::depthwise;
  std::vector<Variant> out;
  const bool wide = (target.cpu_features & kAvx512) != 0;
  const int64_t b = wide ? 16 : 8, group = p.conv.group, o = p.w[0] / group, c = p.w[1];
  const Format block = blocked(static_cast<uint8_t>(b));
  if (group > 1 && o == 1 && c == 1) {
    if (!p.volume()) out.push_back({kDepthwise, b, block, block});
    if (wide) out.push_back({kDepthwise, b, kChannelsLast, kChannelsLast});
    return out;
  }
  const bool whole = o % b == 0 && c % b == 0;
  if (group > 1) {
    if (whole) out.push_back({kBlocked, b, block, block});
    if (wide) out.push_back({kBlocked, b, kChannelsLast, kChannelsLast});
    return out;
  }
  if (c <= 3 && !p.volume()) out.push_back({kPanels, b, kLinear, block});
  if (c > 3 && (!p.volume() || whole)) out.push_back({kBlocked, b, block, block});
  if (!wide) return out;
  // Which panel oneDNN's brgemm convolution prefers depends on the shape; another one is repacked at each run.
  for (int64_t panel : {64, 48, 32, 16})
    if (o > 48 ? panel > 16 : panel == round_up(o, 16)) out.push_back({kPanels, panel, kChannelsLast, kChannelsLast});
  return out;
}

// Whether the epilogue begins by adding extra 0, of the output's dims, and reads it nowhere else.
bool begins_with_sum(const Problem& p) {
  const onednn::PostOpChain& chain = p.epilogue.chain;
  if (chain.count == 0 || chain.ops[0].kind != onednn::PostOpKind::add || chain.ops[0].input != 1) return false;
  if (p.epilogue.extras[0] != ExtraKind::same) return false;
  return std::none_of(chain.ops + 1, chain.ops + chain.count,
                      [](const onednn::PostOp& op) { return is_binary(op.kind) && op.input == 1; });
}

Claim claim(NodeView node, const TargetInfo& target) {
  Problem p;
  if (std::string refusal = read(node, target, p); !refusal.empty()) return Claim::refuse(std::move(refusal));
  OnednnConvParams params;
  params.conv = p.conv;
  params.w_rank = static_cast<int64_t>(p.w.size());
  std::copy(p.w.begin(), p.w.end(), params.w_dims);
  Claim out;
  for (const Variant& v : variants(p, target)) {
    const auto bytes = onednn_conv_bytes(v.layout, v.block, p.conv.group, params.w_rank, params.w_dims);
    if (!bytes) continue;
    params.layout = v.layout;
    params.block = v.block;
    Candidate candidate;
    candidate.config = fmt::format("{} of {}", v.layout == OnednnConvLayout::panels ? "panels" : "blocks", v.block);
    candidate.call = KernelCall::with(begins_with_sum(p) ? "onednn.conv_sum.f32" : "onednn.conv.f32", params);
    candidate.call.dims = p.dims;
    candidate.inputs.assign(node.input_count(), kLinear);
    candidate.inputs[0] = v.x;
    for (size_t e = 0; e < p.epilogue.extras.size(); ++e)
      if (p.epilogue.extras[e] == ExtraKind::same) candidate.inputs[kFirstExtra + e] = v.y;
    candidate.outputs.assign(1, v.y);
    const OnednnConvPackParams pack{p.conv.group, v.layout, v.block};
    candidate.packs.push_back({1, KernelCall::with("onednn.conv.pack", pack), *bytes});
    out.candidates.push_back(std::move(candidate));
  }
  if (out.candidates.empty()) out.refusal = "oneDNN has no optimised code for these groups and channels";
  return out;
}

}  // namespace

extern const Tactic k_onednn_conv;
const Tactic k_onednn_conv{"onednn_conv", "conv", claim};

}  // namespace tenon
