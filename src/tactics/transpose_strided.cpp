// transpose by tiles and rows.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

Claim claim(NodeView node, const TargetInfo&) {
  return claim_linear(node, "transpose.strided");
}

}  // namespace

extern const Tactic k_transpose_strided;
const Tactic k_transpose_strided{"transpose_strided", "transpose", claim};

}  // namespace tenon
