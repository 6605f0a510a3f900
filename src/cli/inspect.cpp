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
};

Expected<void> run_inspect(const InspectOptions& options) {
  const tn_document_format format = options.common.json ? TN_DOCUMENT_FORMAT_JSON : TN_DOCUMENT_FORMAT_TEXT;
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
  CLI_ASSIGN(text, bytes_of(document));
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::putchar('\n');
  return {};
}

}  // namespace

Command add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* parser = app.add_subcommand("inspect", "say what a plan or an ONNX model is made of");
  parser->add_option("model", options->model, "PLAN or MODEL.onnx")->required();
  parser->add_flag("--verbose", options->common.verbose, "more messages");
  parser->add_flag("--json", options->common.json, "one JSON object on standard output");
  return {parser, [options] { return run_inspect(*options); }};
}

}  // namespace tenon::cli
