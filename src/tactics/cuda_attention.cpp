// cuda_attention_flash: the library's own fused attention on NVIDIA GPUs.
#include <algorithm>

#include "attention/params.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

struct Tile {
  int32_t warps_m, warps_n, keys;
  bool wgmma = false;
};

// Tiles for heads whose rows take up to `row_bytes`: what fits registers and shared memory. Few queries in all want
// small tiles whose warps share the keys, many want large ones.
struct Policy {
  int64_t row_bytes;
  Tile tiles[9];
};
// Small and large ones by turns, so that a build that tries few tries both.
constexpr Policy kPolicies[] = {
    {128, {{1, 4, 128}, {4, 1, 64, true}, {2, 4, 256}, {8, 1, 64, true}, {2, 4, 128}, {4, 1, 64}, {8, 1, 64}, {12, 1, 64, true}, {8, 1, 128, true}}},
    {256, {{1, 4, 128}, {8, 1, 64, true}, {2, 2, 64}, {4, 1, 64, true}, {4, 1, 64}, {8, 1, 64}, {12, 1, 64, true}}},
    {512, {{1, 4, 64}, {2, 2, 64}, {4, 1, 32}}},
    {1024, {{1, 2, 32}, {4, 1, 16}}},
};

std::string refusal(NodeView node, const AttentionParams& params, int64_t& row_elements) {
  for (auto [input, perm] : {std::pair(0, params.perm_q), std::pair(2, params.perm_v)}) {
    const Dim& size = node.input(static_cast<size_t>(input)).shape[static_cast<size_t>(perm[3])];
    if (!size.is_constant()) return fmt::format("the size of a head is {}, it must be constant", size.text());
    if (size.value() < 1 || size.value() > 256) return fmt::format("the size of a head is {}, it may be 1 to 256", size.value());
    row_elements = std::max(row_elements, size.value());
  }
  if (!(params.scale >= 1e-6 && params.scale <= 1e6)) return fmt::format("the scale is {}, it may be 1e-6 to 1e6", params.scale);
  return {};
}

void add_candidates(NodeView node, const TargetInfo& target, const AttentionParams& params, DType element, bool tf32,
                    int64_t row_elements, Claim& out) {
  const DType own = node.input(0).dtype;
  const Form form = element == own ? Form(kLinear) : Form(element, kLinear);
  const int64_t row_bytes = row_elements * static_cast<int64_t>(size_of(element));
  for (const Policy& policy : kPolicies) {
    if (row_bytes > policy.row_bytes) continue;
    for (const Tile& tile : policy.tiles) {
      if (tile.warps_m == 0 || (tile.wgmma && (size_of(element) != 2 || target.architecture != 90))) continue;
      const AttentionFlashParams flash{params, tile.warps_m, tile.warps_n, tile.keys, tf32 ? 1 : 0, tile.wgmma ? 1 : 0};
      Candidate candidate;
      if (tf32) candidate.math = "tf32";
      candidate.config = fmt::format("{}{} {}x{}x{}{}", name_of(element), tf32 ? " tf32" : "", tile.warps_m, tile.warps_n,
                                     tile.keys, tile.wgmma ? " by warpgroups" : "");
      candidate.call = KernelCall::with("cuda.attention.flash", flash);
      candidate.inputs.assign(node.input_count(), form);
      if (node.input_count() > 3) candidate.inputs[3] = kLinear;  // the mask: read once, and its range matters
      candidate.outputs = {form};
      out.candidates.push_back(std::move(candidate));
    }
    return;
  }
}

Claim claim(NodeView node, const TargetInfo& target) {
  const DType type = node.input(0).dtype;
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16)
    return Claim::refuse("operands must be f32, f16 or bf16, they are " + print(node.input(0)));
  auto call = node.node().op->reference(node);
  if (!call) return Claim::refuse(call.error().text());
  AttentionParams params;
  std::memcpy(&params, call->params.data(), sizeof params);
  int64_t row_elements = 0;
  if (std::string reason = refusal(node, params, row_elements); !reason.empty()) return Claim::refuse(std::move(reason));
  Claim out;
  if (type != DType::f32) {
    add_candidates(node, target, params, type, false, row_elements, out);
    return out;
  }
  if (target.allow_f16) add_candidates(node, target, params, DType::f16, false, row_elements, out);
  if (target.allow_bf16) add_candidates(node, target, params, DType::bf16, false, row_elements, out);
  if (target.allow_tf32) add_candidates(node, target, params, DType::f32, true, row_elements, out);
  add_candidates(node, target, params, DType::f32, false, row_elements, out);
  return out;
}

}  // namespace

extern const Tactic k_cuda_attention_flash;
const Tactic k_cuda_attention_flash{"cuda_attention_flash", "attention", claim, "cuda"};

}  // namespace tenon
