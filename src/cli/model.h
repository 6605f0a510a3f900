// What the subcommands share: options, opening a model or a plan, its inputs and outputs.
#pragma once

#include <string>
#include <vector>

#include "cli/api.h"
#include "cli/text.h"

namespace CLI {
class App;
}

namespace tenon::cli {

// Options of every subcommand that builds or runs.
struct Common {
  std::string device = "cpu";
  int threads = 0;
  std::string timing_cache;
  bool no_onednn = false;
  int opt_level = 3;
  double deadline = 0;
  bool tf32 = true, fp16 = false, bf16 = false;
  std::vector<std::string> options;  // KEY=VALUE of tn_builder_config_set_option()
  bool verbose = false;
  bool json = false;
};
void add_common_options(CLI::App& app, Common& common);

// An input or output. Dims that the shapes of the inputs decide are -1; `symbols` names them where names are
// known.
struct Io {
  std::string name;
  tn_data_type type = TN_DATA_TYPE_NONE;
  std::vector<int64_t> dims;
  std::vector<std::string> symbols;
  bool is_input = true;
};

struct Ranges {
  Shapes min, opt, max;
};

// Fails for a name that is no input, suggesting the nearest.
Expected<void> check_input_names(const std::vector<Io>& ios, const Shapes& shapes, std::string_view flag);

// Completes `given` to dims for every input: those given, then those that equally named dims of other inputs
// say, then
// 1. Checks ranks and constant dims. `assumed` receives the inputs that got a 1, as NAME:DIMS.
Expected<Shapes> complete_shapes(const std::vector<Io>& ios, const Shapes& given,
                                 std::vector<std::string>& assumed);

// An ONNX model, opened with a builder whose messages go to standard error.
struct Model {
  Logger logger;
  Builder builder;
  Network network;
  std::vector<Io> ios;
};
Expected<Model> open_model(const std::string& path, const Common& common);

// The same, read and not imported.
struct ReadModel {
  Logger logger;
  Builder builder;
  OnnxModel model;
};
Expected<ReadModel> open_onnx_model(const std::string& path, const Common& common);

// ONNX models begin with protobuf's tag of ir_version; plans with their own mark.
Expected<bool> is_onnx(const std::string& path);

struct BuiltPlan {
  Blob plan, report;
  double seconds = 0;
};
// Builds with one profile, reading and writing the timing cache; shows progress on a terminal.
Expected<BuiltPlan> build(const Model& model, const Common& common, const Ranges& ranges);

// A loaded plan.
struct Loaded {
  Logger logger;
  Runtime runtime;
  Engine engine;
  std::vector<Io> ios;
};
Expected<Loaded> load(std::string_view plan, const Common& common);

// The warning line for inputs whose dynamic dims became 1; nothing where there are none.
void warn_assumed(const std::vector<std::string>& assumed);

}  // namespace tenon::cli
