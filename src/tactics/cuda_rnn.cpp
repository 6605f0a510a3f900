// cuda_rnn: recurrent layers on NVIDIA GPUs.
#include "cuda/rnn_params.h"

#include "ops/rnn.h"
#include "tactics/claims.h"
#include "tactics/cuda_claims.h"

namespace tenon {
namespace {

constexpr int64_t kMostHidden = int64_t{1} << 20;  // rows of w that the kernel's grid reaches
constexpr int kClusters = 90;                      // the first architecture whose blocks come in clusters

struct Way {
  int64_t rows, blocks;
};

// Clusters that hold r, the largest and the smallest that do, and a launch a step; each with few sequences a block and,
// unless the batch is small, with many. A build that tries few tries different ones.
std::vector<Way> ways(const RnnParams& params, DType element, const Dim& batch, const TargetInfo& target) {
  const bool few = batch.is_constant() && batch.value() <= 8;
  const auto size = static_cast<int64_t>(size_of(element));
  std::vector<Way> large, steps, small;
  for (int64_t rows : {8, 32}) {
    if (rows > 8 && few) continue;
    std::vector<int64_t> able;
    for (int64_t blocks : {1, 2, 4, 8}) {
      if (blocks > 1 && (target.architecture < kClusters || blocks > (params.hidden + 15) / 16)) continue;
      if (rnn_tile(params, size, rows, blocks, target.shared_memory).shared_bytes <= target.shared_memory) able.push_back(blocks);
    }
    if (!able.empty()) large.push_back({rows, able.back()});
    if (able.size() > 1) small.push_back({rows, able.front()});
    steps.push_back({rows, 0});
  }
  large.insert(large.end(), steps.begin(), steps.end());
  large.insert(large.end(), small.begin(), small.end());
  return large;
}

void add_candidates(NodeView node, const TargetInfo& target, const RnnParams& params, const Storage& storage, bool tf32, Claim& out) {
  const TensorType& x = node.input(0);
  const DType element = storage.dtype == DType::none ? x.dtype : storage.dtype;
  for (const Way& way : ways(params, element, x.shape[params.layout == 1 ? 0 : 1], target)) {
    Candidate candidate;
    candidate.config = fmt::format("{}{} {} x {}", name_of(element), tf32 ? " tf32" : "",
                                   way.blocks == 0 ? std::string("a launch a step") : fmt::format("{} blocks", way.blocks), way.rows);
    if (tf32) candidate.math = "tf32";
    CudaRnnParams own;
    own.rnn = params;
    own.math = tf32 ? CudaMath::tf32 : CudaMath::exact;
    own.rows = way.rows;
    own.blocks = way.blocks;
    candidate.call = KernelCall::with("cuda.rnn", own);
    for (size_t i = 0; i < node.input_count(); ++i)
      candidate.inputs.push_back(node.has_input(i) ? stored(node.input(i), storage, kLinear) : Form(kLinear));
    for (size_t i = 0; i < node.output_count(); ++i) candidate.outputs.push_back(stored(node.output(i), storage, kLinear));
    out.candidates.push_back(std::move(candidate));
  }
}

Claim claim(NodeView node, const TargetInfo& target) {
  const TensorType& x = node.input(0);
  if (x.dtype != DType::f32 && x.dtype != DType::f16 && x.dtype != DType::bf16)
    return Claim::refuse("takes f32, f16 and bf16, x is " + print(x));
  auto params = rnn_params(node);
  if (!params) return Claim::refuse(params.error().text());
  if (params->hidden > kMostHidden)
    return Claim::refuse(fmt::format("takes up to {} hidden units, there are {}", kMostHidden, params->hidden));
  Claim out;
  const std::vector<Storage> storages = cuda_storages(node, target);
  for (size_t i = 1; i < storages.size(); ++i) add_candidates(node, target, *params, storages[i], false, out);
  if (x.dtype == DType::f32 && target.allow_tf32) add_candidates(node, target, *params, storages[0], true, out);
  add_candidates(node, target, *params, storages[0], false, out);
  return out;
}

}  // namespace

extern const Tactic k_cuda_rnn;
const Tactic k_cuda_rnn{"cuda_rnn", "rnn", claim, "cuda"};

}  // namespace tenon
