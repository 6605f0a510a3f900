// What the tactics of the oneDNN module's kernels share. They claim by the parameters alone: no oneDNN header here.
#pragma once

#include <string>

#include "onednn/post_ops.h"
#include "tactics/tactic.h"

namespace tenon {

// Why no oneDNN kernel can be claimed at all on this target; "" if they can.
std::string onednn_refusal(const TargetInfo& target);

// How an extra operand lies against what the epilogue is applied to.
enum class ExtraKind : uint8_t {
  same,     // the same dims
  axis,     // one value per index of one axis, 1 elsewhere
  scalar,   // one element
  other,    // anything else, or it depends on symbols
};
ExtraKind extra_kind(const Shape& extra, const Shape& result, size_t axis);

// The chain of post-ops of the node's epilogue; refuses, saying why, what oneDNN cannot do with the extras, which are
// the node's inputs from `first_extra` on.
struct EpilogueClaim {
  onednn::PostOpChain chain;
  std::vector<ExtraKind> extras;
  std::string refusal;
};
EpilogueClaim claim_epilogue(NodeView node, size_t first_extra, const Shape& result, size_t axis);

}  // namespace tenon
