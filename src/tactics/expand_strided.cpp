// expand by rows.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  return claim_linear(node, "expand.strided");
}

}  // namespace

extern const Tactic k_expand_strided;
const Tactic k_expand_strided{"expand_strided", "expand", claim};

}  // namespace tenon
