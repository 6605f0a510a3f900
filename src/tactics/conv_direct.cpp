// conv_blocked, conv_first, conv_depthwise, conv_winograd, conv_winograd_line, conv_strassen, conv_transpose_blocked: the library's own f32
// convolutions to channel-blocked outputs, with weights packed when the plan is made; conv_blocked and conv_winograd also with operands
// rounded to bf16.
#include <algorithm>

#include "conv/layout.h"
#include "matmul/packed.h"
#include "matmul/params.h"
#include "ops/conv.h"
#include "ops/ops.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

// A conv node with constant f32 weights, in numbers.
struct Problem {
  InstructionSet isa;
  ConvWeight weight;
  ConvPackedParams params;
  std::vector<KernelCall::DimParam> dims;
  std::vector<Format> extras;  // formats of the inputs from 3 on
};

bool is_per_channel(const TensorType& extra, const TensorType& out) {
  const size_t skipped = out.rank() - extra.rank();
  for (size_t i = 0; i < extra.rank(); ++i)
    if (skipped + i >= 2 && !extra.shape[i].is(1)) return false;
  return true;
}

// Why the node is none; empty when `out` is filled.
std::string read(NodeView node, const TargetInfo& target, Problem& out) {
  const TensorType &x = node.input(0), &w = node.input(1), &y = node.output(0);
  if (x.dtype != DType::f32 || y.dtype != DType::f32) return "x and the output must be f32, x is " + print(x);
  out.isa = instruction_set(target);
  if (out.isa.lanes == 0) return "needs AVX2";
  const auto shape = constant_shape(w.shape);
  if (!shape || !is_static_input(node, 1)) return "w must be constant";
  auto params = conv_params(node, out.dims);
  if (!params) return params.error().text();
  out.params.conv = *params;
  out.params.cache = cache_to_cut_for(target.l2);
  out.weight = {params->group, (*shape)[0] / params->group, (*shape)[1], 1};
  if (node.node().op == &kConvTranspose) std::swap(out.weight.og, out.weight.cg);
  for (size_t i = 2; i < shape->size(); ++i) out.weight.taps *= (*shape)[i];
  out.params.w_rank = static_cast<int64_t>(shape->size());
  std::copy(shape->begin(), shape->end(), out.params.w_dims);
  for (size_t i = 3; i < node.input_count(); ++i) {
    const TensorType& extra = node.input(i);
    const bool full = extra.shape == y.shape;
    if (!full && !is_per_channel(extra, y))
      return fmt::format("the epilogue's operand {} must have the output's dims or one value per channel",
                         print(extra));
    out.extras.push_back(full ? blocked(static_cast<uint8_t>(out.isa.lanes)) : kLinear);
  }
  return {};
}

// `math`: as a candidate's.
Candidate candidate(NodeView node, const Problem& problem, const char* kernel, ConvLayout layout,
                    int64_t vectors, int64_t rows, int64_t bytes, std::string_view math, bool together) {
  const std::string suffix = fmt::format("{}.{}", math.empty() ? "f32" : math, problem.isa.name);
  const Format block = blocked(static_cast<uint8_t>(problem.isa.lanes));
  ConvPackedParams params = problem.params;
  params.vectors = vectors;
  params.rows = rows;
  params.together = together;
  Candidate out;
  out.config = fmt::format("{}{}{} channels{}", math, math.empty() ? "" : ", ", vectors * problem.isa.lanes, together ? ", rows together" : "");
  out.math = math;
  out.call = KernelCall::with(fmt::format("{}.{}.{}", node.node().op->name, kernel, suffix), params);
  out.call.dims = problem.dims;
  out.inputs.assign(node.input_count(), kLinear);
  out.inputs[0] = layout == ConvLayout::first ? kLinear : block;
  std::copy(problem.extras.begin(), problem.extras.end(),
            out.inputs.begin() + std::min<ptrdiff_t>(3, static_cast<ptrdiff_t>(out.inputs.size())));
  out.outputs = {block};
  const ConvPackParams pack{problem.params.conv.group, layout, vectors};
  out.packs.push_back({1, KernelCall::with("conv.pack." + suffix, pack), bytes});
  return out;
}

bool is_depthwise(const Problem& p) { return p.weight.group > 1 && p.weight.cg == 1 && p.weight.og == 1; }

Claim claim(NodeView node, const TargetInfo& target, const char* kernel, ConvLayout layout,
            std::string (*refusal)(const Problem&), std::span<const int64_t> choices, int64_t rows = 0,
            std::string_view math = {}, bool together = false) {
  Problem problem;
  if (std::string why = read(node, target, problem); !why.empty()) return Claim::refuse(why);
  if (std::string why = refusal(problem); !why.empty()) return Claim::refuse(why);
  const auto bytes = conv_packed_bytes(layout, problem.weight, problem.isa.lanes, math == "bf16" ? 2 : 1);
  if (!bytes || *bytes == 0) return Claim::refuse("w is empty or too large");
  const int64_t blocks = ceil_div(problem.weight.og, problem.isa.lanes);
  Claim out;
  for (int64_t vectors : choices)
    if (vectors <= blocks || out.candidates.empty())
      out.candidates.push_back(
          candidate(node, problem, kernel, layout, std::min(vectors, std::max<int64_t>(blocks, 1)), rows, *bytes, math, together));
  return out;
}

// Further ways to compute what `out` claims.
void add(Claim& out, Claim more) {
  if (!out.candidates.empty()) std::move(more.candidates.begin(), more.candidates.end(), std::back_inserter(out.candidates));
}

std::string refuse_blocked(const Problem& p) {
  if (p.weight.group == 1)
    return p.weight.cg <= 4 ? "fewer input channels than half a block: conv_first takes them" : "";
  if (p.weight.cg % p.isa.lanes == 0 && p.weight.og % p.isa.lanes == 0) return {};
  return fmt::format("channels of a group must be a multiple of {}, they are {} to {}", p.isa.lanes,
                     p.weight.cg, p.weight.og);
}

std::string refuse_blocked_pairs(const Problem& p) {
  if (p.weight.group > 1 && p.weight.cg % (2 * p.isa.lanes) != 0) return "channels of a group must be pairs of blocks";
  return refuse_blocked(p);
}

std::string refuse_first(const Problem& p) {
  if (p.weight.group == 1 && p.weight.cg <= 4) return {};
  return fmt::format("takes at most 4 input channels in one group, there are {} in {}",
                     p.weight.cg * p.weight.group, p.weight.group);
}

std::string refuse_depthwise(const Problem& p) {
  if (!is_depthwise(p)) return "not one channel a group";
  return p.params.w_rank <= 4 ? "" : "takes at most two spatial dims";
}

Claim claim_blocked(NodeView node, const TargetInfo& target) {
  // Wider panels broadcast each input less often, narrower ones hold more pixels.
  static constexpr int64_t kWide[] = {2, 3, 4};
  Claim out = claim(node, target, "blocked", ConvLayout::blocked, refuse_blocked, kWide);
  if (multiplies_pairs(target)) add(out, claim(node, target, "blocked", ConvLayout::blocked, refuse_blocked_pairs, kWide, 0, "bf16"));
  return out;
}

// The fewest panels, as equal as they can be: each reads the input anew.
Claim claim_first(NodeView node, const TargetInfo& target) {
  Problem problem;
  if (std::string why = read(node, target, problem); !why.empty()) return Claim::refuse(why);
  const int64_t blocks = std::max<int64_t>(1, ceil_div(problem.weight.og, problem.isa.lanes));
  const int64_t vectors = ceil_div(blocks, ceil_div(blocks, 4));
  return claim(node, target, "first", ConvLayout::first, refuse_first, {&vectors, 1});
}

Claim claim_depthwise(NodeView node, const TargetInfo& target) {
  static constexpr int64_t kOne[] = {1};
  return claim(node, target, "depthwise", ConvLayout::depthwise, refuse_depthwise, kOne);
}

std::string refuse_winograd(const Problem& p) {
  const ConvParams& conv = p.params.conv;
  if (p.params.w_rank != 4 || p.params.w_dims[2] != 3 || p.params.w_dims[3] != 3) return "the filter is not 3 x 3";
  if (p.weight.group != 1) return "takes one group";
  for (int i = 0; i < 2; ++i)
    if (conv.strides[i] != 1 || conv.dilations[i] != 1) return "takes no strides and dilations";
  return p.weight.cg < p.isa.lanes ? fmt::format("fewer than {} input channels", p.isa.lanes) : "";
}

// Tiles of 4 x 4 outputs multiply least; those of 2 x 2 waste less where the output is small.
Claim claim_winograd(NodeView node, const TargetInfo& target) {
  static constexpr int64_t kWide[] = {2, 3};
  Claim out;
  for (int64_t m : {4, 2}) {
    const ConvLayout layout = m == 4 ? ConvLayout::winograd4 : ConvLayout::winograd2;
    Claim one = claim(node, target, "winograd", layout, refuse_winograd, kWide, m);
    if (m == 2 && multiplies_pairs(target)) add(one, claim(node, target, "winograd", layout, refuse_winograd, kWide, m, "bf16"));
    if (one.candidates.empty()) return one;
    for (Candidate& c : one.candidates) {
      c.config = fmt::format("tiles of {} x {}, {}", m, m, c.config);
      out.candidates.push_back(std::move(c));
    }
  }
  return out;
}

std::string refuse_winograd_line(const Problem& p) {
  const ConvParams& conv = p.params.conv;
  const auto *dims = p.params.w_dims + 2, *end = p.params.w_dims + p.params.w_rank;
  if (p.weight.taps < 3 || p.weight.taps > 7 || *std::max_element(dims, end) != p.weight.taps)
    return "the filter does not extend along one dim, 3 to 7";
  if (p.weight.group != 1) return "takes one group";
  for (int64_t i = 0; i < end - dims; ++i) {
    if (conv.strides[i] != 1 || conv.dilations[i] != 1) return "takes no strides and dilations";
    if (dims[i] == 1 && (conv.pads_begin[i] != 0 || conv.pads_end[i] != 0)) return "takes pads only along the filter";
  }
  return p.weight.cg < p.isa.lanes ? fmt::format("fewer than {} input channels", p.isa.lanes) : "";
}

// Of 8 values a tile, or 6: two outputs at least.
Claim claim_winograd_line(NodeView node, const TargetInfo& target) {
  static constexpr int64_t kWide[] = {2, 3, 4};
  Problem problem;
  if (std::string why = read(node, target, problem); !why.empty()) return Claim::refuse(why);
  Claim out;
  for (int64_t n : {8, 6}) {
    const int64_t m = n + 1 - problem.weight.taps;
    if (m < 2 && n == 6) break;
    Claim one = claim(node, target, "winograd_line", n == 8 ? ConvLayout::winograd_line8 : ConvLayout::winograd_line6,
                      refuse_winograd_line, kWide, m);
    if (one.candidates.empty()) return one;
    for (Candidate& c : one.candidates) {
      c.config = fmt::format("tiles of {}, {}", m, c.config);
      out.candidates.push_back(std::move(c));
    }
  }
  return out;
}

std::string refuse_strassen(const Problem& p) {
  if (p.weight.group != 1 || p.weight.taps != 1) return "takes one tap and one group";
  const ConvParams& conv = p.params.conv;
  for (int64_t i = 0; i + 2 < p.params.w_rank; ++i)
    if (conv.strides[i] != 1 || conv.pads_begin[i] != 0 || conv.pads_end[i] != 0) return "takes no strides and pads";
  if (p.weight.cg % (2 * p.isa.lanes) == 0 && p.weight.cg >= kLeastStrassen && p.weight.og >= kLeastStrassen) return {};
  return fmt::format("input channels must be a multiple of {}, and both at least {}, they are {} to {}", 2 * p.isa.lanes, kLeastStrassen,
                     p.weight.cg, p.weight.og);
}

// The product that a convolution of one tap is: pixels by channels.
ProductSize strassen_size(NodeView node, const TargetInfo& target, const InstructionSet& isa) {
  const auto x = typical_shape(node.input(0).shape, target), w = constant_shape(node.input(1).shape);
  if (isa.lanes == 0 || !x || !w || (*w)[1] < 2 * isa.lanes) return {};
  ProductSize out{(*x)[0], 1, strassen_rows_at_once((*w)[1], isa.lanes, cache_to_cut_for(target.l2)), strassen_half((*w)[0], isa.lanes)};
  for (size_t i = 2; i < x->size(); ++i) out.rows = checked_mul(out.rows, (*x)[i]).value_or(0);
  return out;
}

Claim claim_strassen(NodeView node, const TargetInfo& target) {
  const InstructionSet isa = instruction_set(target);
  // w as a matrix: one tap, input channels by output channels.
  MatmulPackParams pack;
  const auto rank = static_cast<int>(node.input(1).rank());
  for (int i = 0; i < rank; ++i) pack.perm_b[i] = static_cast<int8_t>(i + 2 < rank ? i + 2 : rank - 1 - i);
  Claim out;
  for (const ProductCut& cut : product_cuts(isa, strassen_size(node, target, isa), target.threads)) {
    Claim one = claim(node, target, "strassen", ConvLayout::strassen, refuse_strassen, {&cut.vectors, 1}, 0, {}, cut.together);
    if (one.candidates.empty()) return one;
    pack.vectors = cut.vectors;
    one.candidates[0].packs[0].call = KernelCall::with("matmul.pack_strassen.f32." + isa.name, pack);
    out.candidates.push_back(std::move(one.candidates[0]));
  }
  return out;
}

std::string refuse_transposed(const Problem& p) {
  if (p.weight.group == 1 || (p.weight.cg % p.isa.lanes == 0 && p.weight.og % p.isa.lanes == 0)) return {};
  return fmt::format("channels of a group must be a multiple of {}, they are {} to {}", p.isa.lanes, p.weight.cg, p.weight.og);
}

Claim claim_transposed(NodeView node, const TargetInfo& target) {
  static constexpr int64_t kWide[] = {2, 3, 4};
  return claim(node, target, "blocked", ConvLayout::transposed_blocked, refuse_transposed, kWide);
}

}  // namespace

extern const Tactic k_conv_strassen, k_conv_transpose_blocked;
const Tactic k_conv_strassen{"conv_strassen", "conv", claim_strassen};
const Tactic k_conv_transpose_blocked{"conv_transpose_blocked", "conv_transpose", claim_transposed};
extern const Tactic k_conv_blocked, k_conv_first, k_conv_depthwise, k_conv_winograd, k_conv_winograd_line;
const Tactic k_conv_blocked{"conv_blocked", "conv", claim_blocked};
const Tactic k_conv_first{"conv_first", "conv", claim_first};
const Tactic k_conv_depthwise{"conv_depthwise", "conv", claim_depthwise};
const Tactic k_conv_winograd{"conv_winograd", "conv", claim_winograd};
const Tactic k_conv_winograd_line{"conv_winograd_line", "conv", claim_winograd_line};

}  // namespace tenon
