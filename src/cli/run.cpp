// `tenon run`: one run of a model or plan.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/session.h"

namespace tenon::cli {
namespace {

struct RunOptions {
  Common common;
  InputOptions inputs;
  std::string model, output_dir;
};

// First elements of a tensor of a type that people read, or "".
std::string preview(const BoundTensor& tensor) {
  std::string out;
  const int64_t count = std::min<int64_t>(tensor.array.count(), 5);
  for (int64_t i = 0; i < count; ++i) {
    const unsigned char* at =
        tensor.array.bytes.data() + static_cast<size_t>(i) * tn_data_type_get_size(tensor.type);
    if (tensor.type == TN_DATA_TYPE_FLOAT32) {
      float value;
      std::memcpy(&value, at, 4);
      out += fmt::format(" {:.6g}", value);
    } else if (tensor.type == TN_DATA_TYPE_INT64) {
      int64_t value;
      std::memcpy(&value, at, 8);
      out += fmt::format(" {}", value);
    } else if (tensor.type == TN_DATA_TYPE_INT32) {
      int32_t value;
      std::memcpy(&value, at, 4);
      out += fmt::format(" {}", value);
    } else if (tensor.type == TN_DATA_TYPE_STRING) {
      constexpr size_t kShown = 40;
      tn_string value;
      std::memcpy(&value, at, sizeof value);
      out += fmt::format(" \"{}{}\"", std::string_view(value.data, std::min(value.size, kShown)), value.size > kShown ? "…" : "");
    } else {
      return "";
    }
  }
  return out + (tensor.array.count() > count ? " …" : "");
}

Expected<nlohmann::ordered_json> write_outputs(const Session& session, const std::string& folder) {
  auto list = nlohmann::ordered_json::array();
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail(kExitOutput, "cannot create {}: {}", folder, error.message());
  }
  for (size_t i = 0; i < session.outputs.size(); ++i) {
    const BoundTensor& tensor = session.outputs[i];
    nlohmann::ordered_json entry{
        {"name", tensor.name}, {"type", tn_data_type_get_name(tensor.type)}, {"shape", tensor.array.shape}};
    if (!folder.empty()) {
      if (tensor.array.descr.empty())
        return fail(kExitOutput, "output {} is {}, which .npy files do not have", tensor.name,
                    tn_data_type_get_name(tensor.type));
      const std::string file = std::to_string(i) + ".npy";
      CLI_TRY(write_npy(folder + "/" + file, tensor.array));
      entry["file"] = file;
    }
    list.push_back(std::move(entry));
  }
  if (!folder.empty()) CLI_TRY(write_file(folder + "/outputs.json", json_text(list, 1) + "\n"));
  return list;
}

Expected<void> run_run(const RunOptions& options) {
  CLI_ASSIGN(session, open_session(options.model, options.common, options.inputs));
  CLI_TRY(check(tn_execution_context_run(session.context.get())));
  CLI_TRY(take_found_shapes(session));
  CLI_ASSIGN(outputs, write_outputs(session, options.output_dir));
  if (options.common.json) {
    nlohmann::ordered_json json{{"model", options.model}, {"outputs", outputs}};
    for (const BoundTensor& input : session.inputs)
      json["inputs"].push_back(
          {{"name", input.name}, {"type", tn_data_type_get_name(input.type)}, {"shape", input.array.shape}});
    if (!options.output_dir.empty()) json["output_dir"] = options.output_dir;
    std::puts(json_text(json).c_str());
    return {};
  }
  for (const BoundTensor& tensor : session.inputs)
    std::printf("input  %s %s %s\n", tensor.name.c_str(), tn_data_type_get_name(tensor.type),
                shape_text(tensor.array.shape).c_str());
  for (const BoundTensor& tensor : session.outputs)
    std::printf("output %s %s %s:%s\n", tensor.name.c_str(), tn_data_type_get_name(tensor.type),
                shape_text(tensor.array.shape).c_str(), preview(tensor).c_str());
  return {};
}

}  // namespace

Command add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* parser = app.add_subcommand("run", "run an ONNX model or a plan once");
  parser->add_option("model", options->model, "MODEL.onnx or PLAN")->required();
  add_input_options(*parser, options->inputs);
  parser->add_option("--output-dir", options->output_dir, "folder for 0.npy, 1.npy, … and outputs.json");
  add_common_options(*parser, options->common);
  return {parser, [options] { return run_run(*options); }};
}

}  // namespace tenon::cli
