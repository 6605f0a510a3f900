// resize by rows: nearest for every element type, the interpolating modes for float32.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

// Channels of the formats that keep them together must not be resized.
bool keeps_channels(NodeView node) {
  return node.input(0).rank() >= 3 && node.input(0).shape[1] == node.output(0).shape[1];
}

Claim claim(NodeView node, const TargetInfo&) {
  if (node.input(0).rank() == 0) return Claim::refuse("a tensor without dims has no rows");
  if (node.attrs().text("coordinate_mode") == "tf_crop_and_resize")
    return Claim::refuse("tf_crop_and_resize extrapolates");
  const bool nearest = node.attrs().text("mode") == "nearest";
  if (!nearest && node.input(0).dtype != DType::f32)
    return Claim::refuse(fmt::format("{} is interpolated by the reference only", name_of(node.input(0).dtype)));
  Claim out = claim_linear(node, nearest ? "resize.nearest_rows" : "resize.rows.f32");
  if (out.candidates.empty() || !keeps_channels(node)) return out;
  const Candidate linear = out.candidates[0];
  for (Format format : {kChannelsLast, blocked(8), blocked(16)}) {
    Candidate candidate = linear;
    candidate.config = name_of(format);
    candidate.inputs.assign(1, format);
    candidate.outputs.assign(1, format);
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

extern const Tactic k_resize_rows;
const Tactic k_resize_rows{"resize_rows", "resize", claim};

}  // namespace tenon
