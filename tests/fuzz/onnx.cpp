// ONNX bytes → graph → plan → engine → outputs. Whatever the bytes: an error with a message, or a plan that
// loads and may be run. With TENON_FUZZ_PLANS in the environment the plans are written into that folder:
// seeds for the target `plan`.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/hash.h"
#include "compile/capability.h"
#include "compile/compile.h"
#include "compile/export_onnx.h"
#include "fuzz/onnx_mutator.h"
#include "support/small_runs.h"

namespace {

using namespace tenon;

// Small, so that a hostile model meets a limit rather than the fuzzer's memory and time.
Limits small_limits() {
  Limits limits;
  limits.nodes = 400;
  limits.model_records = 20000;
  limits.tensor_elements = 1 << 20;
  limits.tensor_bytes = 1 << 22;
  limits.fold_bytes = 1 << 24;
  return limits;
}

// What is run is smaller still: a product of two tensors takes the time of their sizes' product.
Limits run_limits() {
  Limits limits = small_limits();
  limits.tensor_bytes = 1 << 14;
  limits.arena_bytes = 1 << 20;
  limits.fold_bytes = 1 << 18;
  return limits;
}

// An error without text says nothing, and an internal one says that something was let through.
void expect_reason(const Error& error, const char* stage) {
  if (!error.message.empty() && error.code != Code::internal) return;
  std::fprintf(stderr, "%s: %s\n", stage, error.text().c_str());
  std::abort();
}

// Batch-like dims are 1 to 3.
ShapeProfile profile_of(const Graph& graph) {
  ShapeProfile profile;
  for (ValueId id : graph.inputs) {
    ProfileShapes shapes;
    for (const Dim& dim : graph.value(id).type.shape) {
      shapes.min.push_back(dim.is_constant() ? dim.value() : 1);
      shapes.opt.push_back(dim.is_constant() ? dim.value() : 2);
      shapes.max.push_back(dim.is_constant() ? dim.value() : 3);
    }
    profile.emplace(graph.value(id).name, std::move(shapes));
  }
  return profile;
}

// Whether the survey of the model says that it is supported; whatever the model, there is one once it is
// read.
bool survey(std::span<const std::byte> bytes) {
  auto model = OnnxModel::read(bytes, nullptr, small_limits(), Log());
  if (!model) return false;
  auto text = model_capability(**model, {}, false), json = model_capability(**model, {}, true);
  if (text && json && text->supported == json->supported) return text->supported;
  std::fprintf(stderr, "there is no survey: %s\n", text ? "the forms differ" : text.error().text().c_str());
  std::abort();
}

// What is written of a network is read back.
void write_and_read(const Graph& graph) {
  auto made = export_onnx(graph, "");
  if (!made) return expect_reason(made.error(), "export");
  auto again = import_onnx_bytes(made->model, false, Limits(), Log());
  if (again && again->order().size() >= graph.order().size()) return;
  std::fprintf(stderr, "what was written is not read back: %s\n",
               again ? "nodes are missing" : again.error().text().c_str());
  std::abort();
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Of four changes, three are to the model that the bytes are, one is to the bytes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  fuzz::Random random(seed);
  if (random.below(4) == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::string made = fuzz::mutate_onnx(std::string(reinterpret_cast<const char*>(data), size), random);
  if (made.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(made.begin(), made.end(), data);
  return made.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const bool supported = survey(bytes);
  auto graph = import_onnx_bytes(bytes, false, small_limits(), Log());
  if (!graph) {
    expect_reason(graph.error(), "import");
    if (!supported) return 0;
    std::fprintf(stderr, "a model that is said to be supported is not imported: %s\n",
                 graph.error().text().c_str());
    std::abort();
  }
  write_and_read(*graph);
  BuildConfig config;
  config.threads = 1;
  config.timer = "fake";
  config.use_onednn = false;
  config.check_passes = true;
  config.limits = run_limits();
  config.profiles = {profile_of(*graph)};
  auto built = build_plan(*graph, config, Log());
  if (!built) {
    expect_reason(built.error(), "build");
    return 0;
  }
  if (const char* folder = std::getenv("TENON_FUZZ_PLANS")) {
    std::ofstream file(fmt::format("{}/{:016x}", folder, hash_bytes(built->plan)), std::ios::binary);
    file.write(reinterpret_cast<const char*>(built->plan.data()),
               static_cast<std::streamsize>(built->plan.size()));
  }
  EngineOptions options;
  options.limits = run_limits();
  auto engine = Engine::load(built->plan, options, Log());
  if (!engine) {
    std::fprintf(stderr, "a plan that was just built does not load: %s\n", engine.error().text().c_str());
    std::abort();
  }
  if (!test::may_run_long((*engine)->plan())) (void)test::run_anything(**engine);
  return 0;
}
