// slice by rows.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  return claim_linear(node, "slice.strided");
}

}  // namespace

extern const Tactic k_slice_strided;
const Tactic k_slice_strided{"slice_strided", "slice", claim};

}  // namespace tenon
