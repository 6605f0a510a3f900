// pad by rows.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  if (node.input(0).rank() == 0) return Claim::refuse("a tensor without dims has no rows");
  return claim_linear(node, "pad.rows");
}

}  // namespace

extern const Tactic k_pad_rows;
const Tactic k_pad_rows{"pad_rows", "pad", claim};

}  // namespace tenon
