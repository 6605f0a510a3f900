#include "tactics/onednn_claims.h"

#include "base/cpu.h"

namespace tenon {

std::string onednn_refusal(const TargetInfo& target) {
  if (target.onednn.empty()) return "the oneDNN module is not there";
  if (!(target.cpu_features & kAvx2)) return "oneDNN is used with AVX2 and later";
  return {};
}

ExtraKind extra_kind(const Shape& extra, const Shape& result, size_t axis) {
  if (extra == result) return ExtraKind::same;
  if (extra.size() > result.size()) return ExtraKind::other;
  const size_t skipped = result.size() - extra.size();
  bool scalar = true;
  for (size_t i = 0; i < extra.size(); ++i) {
    if (extra[i].is(1)) continue;
    scalar = false;
    if (skipped + i != axis || !(extra[i] == result[axis])) return ExtraKind::other;
  }
  return scalar ? ExtraKind::scalar : ExtraKind::axis;
}

EpilogueClaim claim_epilogue(NodeView node, size_t first_extra, const Shape& result, size_t axis) {
  EpilogueClaim out;
  if (!onednn::match_post_ops(node.attrs().program("epilogue"), out.chain, out.refusal)) return out;
  if (node.output(0).dtype != DType::f32) {
    out.refusal = "the result must be f32, it is " + print(node.output(0));
    return out;
  }
  for (size_t i = first_extra; i < node.input_count(); ++i) {
    const ExtraKind kind = extra_kind(node.input(i).shape, result, axis);
    if (kind == ExtraKind::other) {
      out.refusal = "extra operand " + print(node.input(i)) +
                    " must have the result's dims, or one value along its channels or columns, or one value";
      return out;
    }
    out.extras.push_back(kind);
  }
  return out;
}

}  // namespace tenon
