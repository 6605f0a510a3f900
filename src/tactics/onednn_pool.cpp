// onednn_pool: max and average pooling in oneDNN in every format, and means and maxima over all spatial dims.
#include "base/cpu.h"
#include "onednn/params.h"
#include "ops/pool.h"
#include "tactics/onednn_claims.h"

namespace tenon {
namespace {

std::vector<Format> formats(const TargetInfo& target) {
  return {blocked(target.cpu_features & kAvx512 ? 16 : 8), kChannelsLast, kLinear};
}

Claim claim_pool(NodeView node, const TargetInfo& target) {
  if (std::string refusal = onednn_refusal(target); !refusal.empty()) return Claim::refuse(std::move(refusal));
  const TensorType& x = node.input(0);
  if (x.dtype != DType::f32) return Claim::refuse("x must be f32, it is " + print(x));
  if (node.output_count() > 1) return Claim::refuse("oneDNN gives no indices of maxima");
  std::vector<KernelCall::DimParam> dims;
  auto params = pool_params(node, dims);
  if (!params) return Claim::refuse(params.error().text());
  if (params->kind == PoolKind::lp) return Claim::refuse("oneDNN has no lp pooling");
  if (params->kind == PoolKind::average && params->ceil_mode && params->count_include_pad)
    return Claim::refuse("oneDNN averages do not count padding that ceil_mode adds");
  if (!dims.empty()) return Claim::refuse("the pads must be constant");
  for (size_t i = 0; i + 2 < x.rank(); ++i) {
    const int64_t reach = params->dilations[i] * (params->kernel[i] - 1) + 1;
    if (params->pads_begin[i] >= reach || params->pads_end[i] >= reach || params->kernel[i] > 4096 ||
        params->strides[i] > 4096)
      return Claim::refuse("kernel dims and strides may be up to 4096, and pads must be smaller than the window");
    if (params->dilations[i] != 1) return Claim::refuse("oneDNN has no optimised code for dilations");
  }
  Claim out;
  for (Format format : formats(target)) {
    Candidate candidate;
    candidate.call = KernelCall::with("onednn.pool.f32", *params);
    candidate.inputs = {format};
    candidate.outputs = {format};
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

// reduce over exactly the spatial dims.
Claim claim_global(NodeView node, const TargetInfo& target) {
  if (std::string refusal = onednn_refusal(target); !refusal.empty()) return Claim::refuse(std::move(refusal));
  const TensorType& x = node.input(0);
  const std::string kind = node.attrs().text("kind");
  if (kind != "mean" && kind != "max") return Claim::refuse("oneDNN pooling gives means and maxima only");
  if (x.dtype != DType::f32) return Claim::refuse("x must be f32, it is " + print(x));
  if (!node.attrs().program("prologue").empty() || !node.attrs().program("epilogue").empty())
    return Claim::refuse("oneDNN pooling takes no fused programs here");
  const std::vector<int64_t> axes = node.attrs().integers("axes");
  bool spatial = x.rank() >= 3 && x.rank() <= 5 && axes.size() == x.rank() - 2;
  for (size_t i = 0; spatial && i < axes.size(); ++i) spatial = axes[i] == static_cast<int64_t>(i) + 2;
  if (!spatial) return Claim::refuse("the axes must be all spatial dims of 1 to 3");
  OnednnGlobalPoolParams params;
  params.kind = kind == "mean" ? PoolKind::average : PoolKind::max;
  Claim out;
  for (Format format : formats(target)) {
    // One element a channel lies the same in every format, but for the padding lanes.
    const bool padded = format.layout == Layout::blocked &&
                        !(x.shape[1].is_constant() && x.shape[1].value() % format.block == 0);
    if (padded && node.output(0).rank() != x.rank()) continue;
    Candidate candidate;
    candidate.call = KernelCall::with("onednn.global_pool.f32", params);
    candidate.inputs = {format};
    candidate.outputs = {padded ? format : kLinear};
    out.candidates.push_back(candidate);
    if (padded || format == kLinear || node.output(0).rank() != x.rank()) continue;
    candidate.outputs = {format};
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

extern const Tactic k_onednn_pool, k_onednn_global_pool;
const Tactic k_onednn_pool{"onednn_pool", "pool", claim_pool};
const Tactic k_onednn_global_pool{"onednn_global_pool", "reduce", claim_global};

}  // namespace tenon
