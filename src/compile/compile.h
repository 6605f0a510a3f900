// The compiler: a network becomes plan bytes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "ir/graph.h"
#include "tactics/timing_cache.h"

namespace tenon {

// Reads an ONNX model into a graph at network level. Weights stay views of the mapped file.
// `path`: external data is opened beneath the file's folder only. `bytes` are borrowed until the graph is destroyed
// unless `copy`; external data is then refused (there is no folder).
Result<Graph> import_onnx_file(const std::string& path, const Limits& limits, const Log& log);
Result<Graph> import_onnx_bytes(std::span<const std::byte> bytes, bool copy, const Limits& limits, const Log& log);

// The dims of the network's inputs for one profile: per input name, per dim.
struct ProfileShapes {
  std::vector<int64_t> min, opt, max;
};
using ShapeProfile = std::map<std::string, ProfileShapes, std::less<>>;

struct BuildConfig {
  std::string device = "cpu";
  int threads = 0;                                // 0: as many as this process may use
  std::vector<ShapeProfile> profiles;             // empty: dynamic dims become 1, with one warning
  std::shared_ptr<TimingCache> timing_cache;      // read and filled; null: a private one
  bool use_onednn = true;
  // Precisions that f32 work may use on a device that has them: TF32 rounds operands of products to 10 bits of mantissa,
  // f16 and bf16 store and multiply tensors so. Sums, norms, softmax and reductions stay in f32.
  bool allow_tf32 = true, allow_f16 = false, allow_bf16 = false;
  // 0 … 5: how many ways of each kind are timed for a node, from one to all.
  int optimization_level = 3;
  double deadline_seconds = 0;                    // after the build's begin, when the timing of kernels ends; 0: none
  std::string code_cache;                         // folder where compiled kernels are kept between builds; "" for none
  std::string timer = "real";                     // "real", or one of make_fake_timer's: the same costs in every run
  // Names, here and below, of what does not exist or cannot be left out are refused.
  std::set<std::string, std::less<>> disabled_passes;
  std::set<std::string, std::less<>> disabled_tactics;
  std::string forced_tactic;                      // every node it claims must take it; "" for none
  // After every pass: print, parse and print again must give the same text. (The verifier runs in any case.)
  bool check_passes = false;
  uint32_t masked_cpu_features = 0;               // CpuFeature bits that the plan must not use
  Limits limits;
  // Phase name, fraction done in [0, 1]; returns false to cancel. Called on the building thread.
  std::function<bool(std::string_view phase, double fraction)> progress;
  // Called with the graph after each pass (text dumps, verification in tests).
  std::function<Status(std::string_view pass, const Graph& graph)> after_pass;
};

// Whether a config's timer may be `name`.
bool is_build_timer(std::string_view name);

struct BuildResult {
  std::vector<std::byte> plan;
  std::string report;                             // JSON: see docs/build-report.md
};

// Builds a plan for this machine. The network is copied, never changed. Thread rule: concurrent builds are
// independent; a shared timing cache is internally synchronised.
Result<BuildResult> build_plan(const Graph& network, const BuildConfig& config, const Log& log);

}  // namespace tenon
