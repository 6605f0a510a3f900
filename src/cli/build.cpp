// `tenon build`: an ONNX model becomes a plan.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/model.h"

namespace tenon::cli {
namespace {

struct BuildOptions {
  Common common;
  std::string model, output, report;
  std::string shapes, min_shapes, opt_shapes, max_shapes;
};

// The three shapes of every input. What is missing of an input's three comes from the others: opt from max,
// then min; min and max from opt.
Expected<Ranges> ranges_of(const std::vector<Io>& ios, const BuildOptions& options,
                           std::vector<std::string>& assumed) {
  CLI_ASSIGN(all, parse_shapes("--shapes", options.shapes));
  CLI_ASSIGN(min, parse_shapes("--min-shapes", options.min_shapes));
  CLI_ASSIGN(opt, parse_shapes("--opt-shapes", options.opt_shapes));
  CLI_ASSIGN(max, parse_shapes("--max-shapes", options.max_shapes));
  CLI_TRY(check_input_names(ios, all, "--shapes"));
  CLI_TRY(check_input_names(ios, min, "--min-shapes"));
  CLI_TRY(check_input_names(ios, opt, "--opt-shapes"));
  CLI_TRY(check_input_names(ios, max, "--max-shapes"));
  for (Shapes* each : {&min, &opt, &max}) each->insert(all.begin(), all.end());
  opt.insert(max.begin(), max.end());
  opt.insert(min.begin(), min.end());
  min.insert(opt.begin(), opt.end());
  max.insert(opt.begin(), opt.end());
  std::vector<std::string> ignored;
  CLI_ASSIGN(all_min, complete_shapes(ios, min, assumed));
  CLI_ASSIGN(all_opt, complete_shapes(ios, opt, ignored));
  CLI_ASSIGN(all_max, complete_shapes(ios, max, ignored));
  return Ranges{std::move(all_min), std::move(all_opt), std::move(all_max)};
}

Expected<void> run_build(const BuildOptions& options) {
  std::error_code ignored;
  if (std::filesystem::equivalent(options.model, options.output, ignored))
    return fail(kExitUsage, "--output {} is the model itself: name another file", options.output);
  CLI_ASSIGN(model, open_model(options.model, options.common));
  std::vector<std::string> assumed;
  CLI_ASSIGN(ranges, ranges_of(model.ios, options, assumed));
  warn_assumed(assumed);
  CLI_ASSIGN(built, build(model, options.common, ranges));
  if (auto saved = check(tn_blob_save(built.plan.get(), options.output.c_str())); !saved)
    return fail(kExitOutput, "{}", saved.error().message);
  CLI_ASSIGN(plan, bytes_of(built.plan));
  if (!options.report.empty()) {
    CLI_ASSIGN(report, bytes_of(built.report));
    CLI_TRY(write_file(options.report, report));
  }
  if (options.common.json) {
    nlohmann::ordered_json json{{"model", options.model},
                                {"plan", options.output},
                                {"plan_bytes", plan.size()},
                                {"build_seconds", built.seconds}};
    for (const auto& [name, dims] : ranges.opt)
      json["profile"][name] = {{"min", ranges.min.at(name)}, {"opt", dims}, {"max", ranges.max.at(name)}};
    std::puts(json_text(json).c_str());
  } else {
    std::printf("%s: %s, built in %s\n", options.output.c_str(), bytes_text(plan.size()).c_str(),
                time_text(built.seconds).c_str());
  }
  return {};
}

}  // namespace

Command add_build(CLI::App& app) {
  auto options = std::make_shared<BuildOptions>();
  CLI::App* parser = app.add_subcommand("build", "build a plan for this machine from an ONNX model");
  parser->add_option("model", options->model, "MODEL.onnx")->required();
  parser->add_option("-o,--output", options->output, "file for the plan")->required();
  parser->add_option("--shapes", options->shapes,
                     "dims of inputs, for a plan of just these: NAME:1x3x224x224,…");
  parser->add_option("--min-shapes", options->min_shapes, "smallest dims of inputs");
  parser->add_option("--opt-shapes", options->opt_shapes, "dims that the plan is tuned for");
  parser->add_option("--max-shapes", options->max_shapes, "largest dims of inputs");
  parser->add_option("--report", options->report, "file for the build report (JSON)");
  add_common_options(*parser, options->common);
  return {parser, [options] { return run_build(*options); }};
}

}  // namespace tenon::cli
