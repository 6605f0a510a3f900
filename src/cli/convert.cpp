// `tenon convert`: a model or a plan written as an ONNX model.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/model.h"

namespace tenon::cli {
namespace {

struct ConvertOptions {
  Common common;
  std::string input, output, weights, report;
  int profile = 0;
};

Expected<void> save(const Blob& blob, const std::string& path) {
  if (auto saved = check(tn_blob_save(blob.get(), path.c_str())); !saved)
    return fail(kExitOutput, "{}", saved.error().message);
  return {};
}

Expected<Blob> convert_network(const ConvertOptions& options) {
  if (!options.report.empty())
    return fail(kExitUsage, "--report goes with a plan; {} is an ONNX model", options.input);
  CLI_ASSIGN(model, open_model(options.input, options.common));
  Blob onnx, weights;
  if (options.weights.empty()) {
    CLI_TRY(check(tn_network_serialize_to_onnx(model.network.get(), nullptr, onnx.out(), nullptr)));
    return onnx;
  }
  // Models find external data beneath their own folder only.
  const std::filesystem::path target(options.weights);
  if (target.has_parent_path())
    return fail(kExitUsage, "--weights is {}; expected a file's name: it is written beside {}",
                options.weights, options.output);
  CLI_TRY(check(
      tn_network_serialize_to_onnx(model.network.get(), options.weights.c_str(), onnx.out(), weights.out())));
  CLI_TRY(save(weights, (std::filesystem::path(options.output).parent_path() / target).string()));
  return onnx;
}

Expected<Blob> convert_plan(const ConvertOptions& options) {
  if (!options.weights.empty())
    return fail(kExitUsage, "--weights goes with an ONNX model; {} is a plan", options.input);
  Blob plan, report, onnx;
  CLI_TRY(check(tn_blob_create_from_file(options.input.c_str(), plan.out())));
  CLI_ASSIGN(bytes, bytes_of(plan));
  std::string_view told;
  if (!options.report.empty()) {
    CLI_TRY(check(tn_blob_create_from_file(options.report.c_str(), report.out())));
    CLI_ASSIGN(text, bytes_of(report));
    told = text;
    if (told.empty()) return fail(kExitInput, "{} is empty; expected a build report", options.report);
  }
  Inspector inspector;
  CLI_TRY(check(tn_engine_inspector_create_from_plan(bytes.data(), bytes.size(), inspector.out())));
  CLI_TRY(check(tn_engine_inspector_serialize_to_onnx(inspector.get(), options.profile, told.data(),
                                                      told.size(), onnx.out())));
  return onnx;
}

Expected<void> run_convert(const ConvertOptions& options) {
  CLI_ASSIGN(is_model, is_onnx(options.input));
  CLI_ASSIGN(onnx, is_model ? convert_network(options) : convert_plan(options));
  CLI_TRY(save(onnx, options.output));
  CLI_ASSIGN(bytes, bytes_of(onnx));
  if (options.common.json)
    std::puts(
        json_text({{"model", options.output}, {"bytes", bytes.size()}, {"from", is_model ? "model" : "plan"}})
            .c_str());
  else
    std::printf("%s: %s\n", options.output.c_str(), bytes_text(bytes.size()).c_str());
  return {};
}

}  // namespace

Command add_convert(CLI::App& app) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* parser = app.add_subcommand("convert", "write a model, or a plan to look at, as an ONNX model");
  parser->add_option("input", options->input, "MODEL.onnx, or PLAN")->required();
  parser->add_option("-o,--output", options->output, "file for the ONNX model")->required();
  parser->add_option("--weights", options->weights,
                     "of a model: name of a file beside the output for its larger weights");
  parser->add_option("--report", options->report, "of a plan: its build's report, for tactics and times");
  parser->add_option("--profile", options->profile, "of a plan: number of the profile")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  parser->add_flag("--verbose", options->common.verbose, "more messages");
  parser->add_flag("--json", options->common.json, "result as one JSON object on standard output");
  return {parser, [options] { return run_convert(*options); }};
}

}  // namespace tenon::cli
