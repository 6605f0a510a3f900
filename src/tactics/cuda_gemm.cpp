// cuda_matmul_mma, cuda_matmul_wgmma: the library's own products on tensor cores. Any epilogue; operands stored as f16 or
// bf16. cuda_conv_mma, cuda_conv_wgmma: convolutions with a kernel of 1 as such. Which tiles are worth a trial follows from a model of their time.
#include <algorithm>

#include "base/checked.h"
#include "ops/matmul.h"
#include "tactics/claims.h"
#include "tactics/cuda_product_claims.h"

namespace tenon {
namespace {

constexpr size_t kFirstExtra = 2;
constexpr size_t kTrials = 6;

struct Extents {
  int64_t m = 1, n = 1, k = 1, batch = 1;
};

// Of the product where it will be timed, batch dims that b does not have in M.
std::optional<Extents> extents_of(NodeView node, const MatmulParams& params, const TargetInfo& target) {
  const auto a = typical_shape(node.input(0).shape, target), b = typical_shape(node.input(1).shape, target),
             y = typical_shape(node.output(0).shape, target);
  if (!a || !b || !y) return std::nullopt;
  Extents out;
  const size_t ra = a->size(), rb = b->size();
  out.m = (*a)[static_cast<size_t>(params.perm_a[ra - 2])];
  out.k = (*a)[static_cast<size_t>(params.perm_a[ra - 1])];
  out.n = (*b)[static_cast<size_t>(params.perm_b[rb - 1])];
  int64_t results = 1, own = 1;
  for (int64_t d : *y) results *= d;
  for (size_t i = 0; i + 2 < rb; ++i) own *= (*b)[static_cast<size_t>(params.perm_b[i])];
  if (results == 0 || out.k == 0) return std::nullopt;
  const int64_t batch = results / (out.m * out.n);
  (own == 1 ? out.m : out.batch) *= batch;
  return out;
}

struct Trial {
  int tile;
  int parts;
  double nanoseconds = 0;
};

// What a tile takes, by the rates of one multiprocessor: tensor cores 7500 operations a nanosecond (mma.sync about half),
// 64 bytes a nanosecond from the L2 cache, and what a block takes to begin and end, its epilogue included.
double model(const GemmTile& t, int parts, const Extents& e, int multiprocessors) {
  const double steps = static_cast<double>(ceil_div(ceil_div(e.k, parts), t.bk));
  const double compute = 2.0 * t.bm * t.bn * t.bk / (t.wgmma ? 7000 : 3500), bytes = 2.0 * (t.bm + t.bn) * t.bk / 64;
  const int resident = t.bm * t.bn > 128 * 128 || (t.wgmma && t.stages * (t.bm + t.bn) * t.bk * 2 > 112 << 10) ? 1 : 2;
  const int64_t blocks = ceil_div(e.m, t.rows()) * ceil_div(e.n, t.columns()) * e.batch * parts;
  const auto waves = static_cast<double>(ceil_div(blocks, int64_t{multiprocessors} * resident));
  const double shared = blocks > multiprocessors ? resident : 1;
  const double end = 600 + t.bm * t.bn * (t.stays ? 0.06 : 0.12) + (parts > 1 ? 400 + 60 * parts : 0);
  return waves * (end + steps * std::max({compute * shared, bytes * shared, 60.0}));
}

std::vector<Trial> trials(bool wgmma, const std::optional<Extents>& extents, int multiprocessors) {
  std::vector<Trial> out;
  for (int tile = 0; tile < static_cast<int>(std::size(kGemmTiles)); ++tile) {
    const GemmTile& t = kGemmTiles[tile];
    if (t.wgmma != wgmma) continue;
    for (int parts = 1; parts <= (t.stays ? 1 : kMaxGemmParts); parts *= 2) {
      if (!extents) {
        if (parts == 1 || (parts == 4 && t.bm <= 64)) out.push_back({tile, parts});
        continue;
      }
      if (parts > 1 && extents->k < int64_t{parts} * t.bk) break;
      out.push_back({tile, parts, model(t, parts, *extents, multiprocessors)});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Trial& x, const Trial& y) { return x.nanoseconds < y.nanoseconds; });
  if (extents && out.size() > kTrials) out.resize(kTrials);
  return out;
}

// Of this device and these types none of the kernels can be had: why; "" if they can.
std::string refusal_of(NodeView node, const TargetInfo& target, bool wgmma) {
  if (std::string refusal = product_refusal(node); !refusal.empty()) return refusal;
  if (wgmma && target.architecture != 90)
    return fmt::format("wgmma needs architecture 90, the target has {}", target.architecture);
  return {};
}

constexpr char kNoReduced[] = "tensor cores take f16 or bf16, which the target does not allow";

std::string config_of(const ProductPrecision& precision, const Trial& trial) {
  const GemmTile& t = kGemmTiles[trial.tile];
  return fmt::format("{} {}x{}{}{}{}{}", precision.name, t.bm, t.bn, t.swap ? " swapped" : "", t.wgmma ? fmt::format(" {} stages", t.stages) : "",
                     t.stays ? ", stays" : "",
                     trial.parts > 1 ? fmt::format(", K in {}", trial.parts) : "");
}

// `add(precision, trial)` for each way worth a trial.
template <class F>
void for_each_way(NodeView node, const TargetInfo& target, bool wgmma, const std::optional<Extents>& extents, bool wide_results, F&& add) {
  const bool own = node.input(0).dtype != DType::f32;
  for (const ProductPrecision& precision : product_precisions(node.input(0).dtype, target, wide_results)) {
    if (!own && !precision.reduced()) continue;
    for (const Trial& trial : trials(wgmma, extents, std::max(1, target.multiprocessors)))
      if (trial.parts == 1 || target.architecture >= 90) add(precision, trial);   // parts are the blocks of a cluster
  }
}

Claim claim(NodeView node, const TargetInfo& target, bool wgmma) {
  if (std::string refusal = refusal_of(node, target, wgmma); !refusal.empty()) return Claim::refuse(std::move(refusal));
  auto params = matmul_params(node);
  if (!params) return Claim::refuse(params.error().text());
  Claim out;
  for_each_way(node, target, wgmma, extents_of(node, *params, target), true, [&](const ProductPrecision& precision, const Trial& trial) {
    Candidate c;
    c.config = config_of(precision, trial);
    c.call = KernelCall::with(wgmma ? "cuda.matmul.wgmma" : "cuda.matmul.mma", CudaGemmParams{*params, trial.tile, trial.parts});
    for (size_t i = 0; i < node.input_count(); ++i)
      c.inputs.push_back(i < kFirstExtra ? Form(precision.in, kLinear) : extra_form(node.input(i), precision, kLinear));
    c.outputs.push_back(Form(precision.out, kLinear));
    out.candidates.push_back(std::move(c));
  });
  if (out.candidates.empty()) out.refusal = kNoReduced;
  return out;
}

std::optional<Extents> extents_of(NodeView node, const TargetInfo& target) {
  const auto x = typical_shape(node.input(0).shape, target), w = typical_shape(node.input(1).shape, target);
  if (!x || !w) return std::nullopt;
  Extents out;
  for (size_t i = 0; i < x->size(); ++i)
    if (i != 1) out.m *= (*x)[i];
  out.n = (*w)[0];
  out.k = (*w)[1];
  if (out.m == 0 || out.n == 0 || out.k == 0) return std::nullopt;
  return out;
}

Claim claim_conv(NodeView node, const TargetInfo& target, bool wgmma) {
  ConvProblem p;
  std::string refusal = refusal_of(node, target, wgmma);
  if (refusal.empty()) refusal = read_conv(node, p);
  if (refusal.empty()) refusal = no_product(node, p);
  if (refusal.empty() && p.other) refusal = "extra operands must have the result's dims, one value a channel or one value";
  if (!refusal.empty()) return Claim::refuse(std::move(refusal));
  Claim out;
  for_each_way(node, target, wgmma, extents_of(node, target), false, [&](const ProductPrecision& precision, const Trial& trial) {
    Candidate c = conv_candidate(node, p, precision, kChannelsLast);
    c.config = config_of(precision, trial);
    c.call = KernelCall::with(wgmma ? "cuda.conv.wgmma" : "cuda.conv.mma", CudaConvGemmParams{p.conv, trial.tile, trial.parts});
    out.candidates.push_back(std::move(c));
  });
  if (out.candidates.empty()) out.refusal = kNoReduced;
  return out;
}

Claim claim_mma(NodeView node, const TargetInfo& target) { return claim(node, target, false); }
Claim claim_wgmma(NodeView node, const TargetInfo& target) { return claim(node, target, true); }
Claim claim_conv_mma(NodeView node, const TargetInfo& target) { return claim_conv(node, target, false); }
Claim claim_conv_wgmma(NodeView node, const TargetInfo& target) { return claim_conv(node, target, true); }

}  // namespace

extern const Tactic k_cuda_matmul_mma, k_cuda_matmul_wgmma, k_cuda_conv_mma, k_cuda_conv_wgmma;
const Tactic k_cuda_matmul_mma{"cuda_matmul_mma", "matmul", claim_mma, "cuda"};
const Tactic k_cuda_matmul_wgmma{"cuda_matmul_wgmma", "matmul", claim_wgmma, "cuda"};
const Tactic k_cuda_conv_mma{"cuda_conv_mma", "conv", claim_conv_mma, "cuda"};
const Tactic k_cuda_conv_wgmma{"cuda_conv_wgmma", "conv", claim_conv_wgmma, "cuda"};

}  // namespace tenon
