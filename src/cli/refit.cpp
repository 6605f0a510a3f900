// `tenon refit`: a plan with another model's weights, without a build.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/model.h"

namespace tenon::cli {
namespace {

struct RefitOptions {
  Common common;
  std::string plan, onnx, output;
};

Expected<void> refuse_missing(const Refitter& refitter) {
  size_t count = 0;
  CLI_TRY(check(tn_refitter_get_missing_count(refitter.get(), &count)));
  if (count == 0) return {};
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(count, 10); ++i) {
    CLI_ASSIGN(name,
               text_of([&](auto... out) { return tn_refitter_get_missing_name(refitter.get(), i, out...); }));
    names.push_back(std::move(name));
  }
  return fail(kExitInput, "the model lacks {} weights that the plan has combined with others: {}{}", count,
              fmt::join(names, ", "), count > names.size() ? ", …" : "");
}

Expected<void> run_refit(const RefitOptions& options) {
  Blob plan;
  CLI_TRY(check(tn_blob_create_from_file(options.plan.c_str(), plan.out())));
  CLI_ASSIGN(bytes, bytes_of(plan));
  CLI_ASSIGN(loaded, load(bytes, options.common));
  CLI_ASSIGN(model, open_model(options.onnx, options.common));
  Refitter refitter;
  CLI_TRY(check(tn_refitter_create(loaded.engine.get(), refitter.out())));
  size_t all = 0, set = 0;
  CLI_TRY(check(tn_refitter_get_weight_count(refitter.get(), &all)));
  CLI_TRY(check(tn_refitter_set_weights_from_network(refitter.get(), model.network.get(), &set)));
  CLI_TRY(refuse_missing(refitter));
  if (set == 0 && all > 0)
    return fail(kExitInput, "{} has none of the {} weights of {}", options.onnx, all, options.plan);
  if (set < all)
    std::fprintf(stderr, "warning: %zu of %zu weights are not in %s and stay as they are\n", all - set, all,
                 options.onnx.c_str());
  CLI_TRY(check(tn_refitter_apply(refitter.get())));
  Blob refitted;
  CLI_TRY(check(tn_engine_serialize(loaded.engine.get(), refitted.out())));
  if (auto saved = check(tn_blob_save(refitted.get(), options.output.c_str())); !saved)
    return fail(kExitOutput, "{}", saved.error().message);
  if (options.common.json)
    std::puts(json_text({{"plan", options.output}, {"weights", all}, {"set", set}}).c_str());
  else
    std::printf("%s: %zu of %zu weights set\n", options.output.c_str(), set, all);
  return {};
}

}  // namespace

Command add_refit(CLI::App& app) {
  auto options = std::make_shared<RefitOptions>();
  CLI::App* parser = app.add_subcommand("refit", "give a plan the weights of another ONNX model");
  parser->add_option("plan", options->plan, "PLAN")->required();
  parser->add_option("--onnx", options->onnx, "model with the new weights, of the same structure")
      ->required();
  parser->add_option("-o,--output", options->output, "file for the new plan")->required();
  parser->add_flag("--verbose", options->common.verbose, "more messages");
  parser->add_flag("--json", options->common.json, "result as one JSON object on standard output");
  return {parser, [options] { return run_refit(*options); }};
}

}  // namespace tenon::cli
