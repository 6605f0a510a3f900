// cuda_scatter_elements, cuda_scatter_nd, cuda_cumsum, cuda_top_k, cuda_reverse_sequence, cuda_resize.
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

Claim claim_scatter_elements(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.scatter_elements"); }

Claim claim_scatter_nd(NodeView node, const TargetInfo& target) {
  const TensorType& indices = node.input(1);
  if (indices.rank() == 0 || !indices.shape.back().is_constant())
    return Claim::refuse("the indices' last dim must be constant, they are " + print(indices));
  return claim_cuda(node, target, "cuda.scatter_nd");
}

Claim claim_cumsum(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.cumsum"); }

Claim claim_top_k(NodeView node, const TargetInfo& target) {
  const auto axis = static_cast<size_t>(node.attrs().integer("axis"));
  const TensorType &x = node.input(0), &values = node.output(0);
  if (axis >= x.rank()) return Claim::refuse("the axis is none of x's");
  const bool is_short = x.shape[axis].is_constant() && x.shape[axis].value() <= 2048;
  if (!is_short && !(values.shape[axis].is_constant() && values.shape[axis].value() <= 1024))
    return Claim::refuse("keeps at most 1024 of a line in shared memory, or lines of at most 2048, not " + print(values) + " of " + print(x));
  return claim_cuda(node, target, "cuda.top_k");
}

Claim claim_reverse_sequence(NodeView node, const TargetInfo& target) { return claim_cuda(node, target, "cuda.reverse_sequence"); }

Claim claim_resize(NodeView node, const TargetInfo& target) {
  if (node.attrs().integer("antialias")) return Claim::refuse("does not filter against aliasing");
  Claim out = claim_cuda(node, target, "cuda.resize");
  if (has_nhwc(node.output(0))) add_formats(out, node, {kChannelsLast}, {kChannelsLast});
  return out;
}

}  // namespace

extern const Tactic k_cuda_scatter_elements, k_cuda_scatter_nd, k_cuda_cumsum, k_cuda_top_k, k_cuda_reverse_sequence, k_cuda_resize;
const Tactic k_cuda_scatter_elements{"cuda_scatter_elements", "scatter_elements", claim_scatter_elements, "cuda"};
const Tactic k_cuda_scatter_nd{"cuda_scatter_nd", "scatter_nd", claim_scatter_nd, "cuda"};
const Tactic k_cuda_cumsum{"cuda_cumsum", "cumsum", claim_cumsum, "cuda"};
const Tactic k_cuda_top_k{"cuda_top_k", "top_k", claim_top_k, "cuda"};
const Tactic k_cuda_reverse_sequence{"cuda_reverse_sequence", "reverse_sequence", claim_reverse_sequence, "cuda"};
const Tactic k_cuda_resize{"cuda_resize", "resize", claim_resize, "cuda"};

}  // namespace tenon
