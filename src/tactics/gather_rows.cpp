// gather by rows.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  return claim_linear(node, "gather.rows");
}

}  // namespace

extern const Tactic k_gather_rows;
const Tactic k_gather_rows{"gather_rows", "gather", claim};

}  // namespace tenon
