// cuda_pointwise: any expression program, in one generated kernel.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo& target) {
  Claim out = claim_cuda(node, target, "cuda.pointwise");
  if (out.candidates.empty()) return out;
  // From a smaller type to f32 and back: what stands at the ends of a network that is stored smaller.
  for (const Storage& storage : cuda_storages(node, target)) {
    if (storage.dtype == DType::none || node.output(0).dtype != DType::f32) continue;
    for (bool widens : {true, false}) {
      Candidate candidate = out.candidates[0];
      candidate.config = widens ? storage.name + " to f32" : "f32 to " + storage.name;
      for (size_t i = 0; widens && i < node.input_count(); ++i) candidate.inputs[i] = stored(node.input(i), storage, kLinear);
      if (!widens) candidate.outputs[0] = stored(node.output(0), storage, kLinear);
      out.candidates.push_back(std::move(candidate));
    }
  }
  if (has_nhwc(node.output(0))) add_formats(out, node, nhwc_inputs(node), {kChannelsLast});
  return out;
}

}  // namespace

extern const Tactic k_cuda_pointwise;
const Tactic k_cuda_pointwise{"cuda_pointwise", "pointwise", claim, "cuda"};

}  // namespace tenon
