// concat by rows, in any format that keeps each input's channels together.
#include "tactics/reference_params.h"

namespace tenon {
namespace {

// Along the channels, each input must fill its blocks.
bool fills_blocks(NodeView node, int64_t block) {
  for (size_t i = 0; i < node.input_count(); ++i) {
    const Dim& channels = node.input(i).shape[1];
    if (!channels.is_constant() || channels.value() % block != 0) return false;
  }
  return true;
}

Claim claim(NodeView node, const TargetInfo&) {
  Claim out = claim_linear(node, "concat.rows");
  if (out.candidates.empty() || node.output(0).rank() < 3) return out;
  const Candidate linear = out.candidates[0];
  auto offer = [&](Format format) {
    Candidate candidate = linear;
    candidate.config = name_of(format);
    candidate.inputs.assign(node.input_count(), format);
    candidate.outputs.assign(1, format);
    out.candidates.push_back(std::move(candidate));
  };
  offer(kChannelsLast);
  for (uint8_t block : {uint8_t{8}, uint8_t{16}})
    if (node.attrs().integer("axis") != 1 || fills_blocks(node, block)) offer(blocked(block));
  return out;
}

}  // namespace

extern const Tactic k_concat_rows;
const Tactic k_concat_rows{"concat_rows", "concat", claim};

}  // namespace tenon
