// `tenon inspect`: what a plan or a model is made of.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands.h"
#include "cli/model.h"

namespace tenon::cli {
namespace {

struct InspectOptions {
  Common common;
  std::string model;
  bool capability = false;
};

Expected<void> print_document(const Blob& document) {
  CLI_ASSIGN(text, bytes_of(document));
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::putchar('\n');
  return {};
}

// Prints the whole survey, then fails if something is not supported: the exit code says it, and the document
// why.
Expected<void> run_capability(const InspectOptions& options, tn_document_format format) {
  CLI_ASSIGN(onnx, is_onnx(options.model));
  if (!onnx) return fail(kExitUsage, "{} is no ONNX model: --capability is about those", options.model);
  CLI_ASSIGN(model, open_onnx_model(options.model, options.common));
  Blob document;
  int32_t supported = 0;
  CLI_TRY(check(tn_onnx_model_get_capability(model.model.get(), format, &supported, document.out())));
  CLI_TRY(print_document(document));
  if (!supported) return tl::unexpected(Failure{kExitModel, ""});
  return {};
}

Expected<void> run_inspect(const InspectOptions& options) {
  const tn_document_format format = options.common.json ? TN_DOCUMENT_FORMAT_JSON : TN_DOCUMENT_FORMAT_TEXT;
  if (options.capability) return run_capability(options, format);
  Blob document;
  CLI_ASSIGN(onnx, is_onnx(options.model));
  if (onnx) {
    CLI_ASSIGN(model, open_model(options.model, options.common));
    CLI_TRY(check(tn_network_get_information(model.network.get(), format, document.out())));
  } else {
    Blob plan;
    CLI_TRY(check(tn_blob_create_from_file(options.model.c_str(), plan.out())));
    CLI_ASSIGN(bytes, bytes_of(plan));
    Inspector inspector;
    CLI_TRY(check(tn_engine_inspector_create_from_plan(bytes.data(), bytes.size(), inspector.out())));
    CLI_TRY(check(tn_engine_inspector_get_information(inspector.get(), format, document.out())));
  }
  return print_document(document);
}

}  // namespace

Command add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* parser = app.add_subcommand("inspect", "say what a plan or an ONNX model is made of");
  parser->add_option("model", options->model, "PLAN or MODEL.onnx")->required();
  parser->add_flag(
      "--capability", options->capability,
      "say for each node of an ONNX model whether and how it is supported; exit code 3 if one is not");
  parser->add_flag("--verbose", options->common.verbose, "more messages");
  parser->add_flag("--json", options->common.json, "one JSON object on standard output");
  return {parser, [options] { return run_inspect(*options); }};
}

}  // namespace tenon::cli
