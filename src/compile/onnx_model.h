// An ONNX model that has been read and not yet imported: weights may be given by the caller in place of the file, and it
// may be asked what of it is supported.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "ir/graph.h"
#include "onnx/model.h"
#include "onnx/tensor.h"

namespace tenon {

// Weights in place of the model's, by name.
using GivenInitializers = std::map<std::string, std::shared_ptr<const Constant>, std::less<>>;

// What an import found that goes on after problems: every node of the model, in order, those of called functions
// included, and what is wrong.
struct SurveyedNode {
  std::string name, op_type, domain;
  int64_t version = -1;             // of the op set; -1: the model imports none of the domain
  std::string place;                // "graph/node[3], byte 812"
  NodeId node;                      // in the graph; invalid: of calls of functions, and where it could not be added
  bool is_call = false;             // of a function of the model
  std::string unknown_input;        // the first input that comes from what could not be read
  std::vector<std::string> problems;
};
struct ImportSurvey {
  std::vector<SurveyedNode> nodes;
  std::vector<std::string> problems;  // of no node
};

// Views of a model become a graph at network level. With `survey` problems go there, and the graph is what could be read.
Result<Graph> import_views(const onnx::ModelView& model, onnx::Source source, const GivenInitializers& given,
                           ImportSurvey* survey, const Log& log);

// Immutable; any thread.
class OnnxModel {
 public:
  // The file is mapped; external data is opened beneath its folder only.
  static Result<std::unique_ptr<OnnxModel>> open(const std::string& path, const Limits& limits, Log log);
  // `owner` keeps the bytes; null: the caller does. External data is refused (there is no folder).
  static Result<std::unique_ptr<OnnxModel>> read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                                 const Limits& limits, Log log);

  // A weight in place of the model's, from the first of `bytes` on as a file's raw_data has it: of an initialiser or an
  // input, whose type and dims it must have, or of a name that nodes read and nothing makes. It keeps the owner of `bytes`.
  Result<std::shared_ptr<const Constant>> initializer(std::string_view name, DType dtype, std::span<const int64_t> dims,
                                                      Bytes bytes) const;

  Result<Graph> import(const GivenInitializers& given) const { return import_into(given, nullptr); }
  // With every problem as data in place of a failure.
  Result<Graph> survey(const GivenInitializers& given, ImportSurvey& survey) const { return import_into(given, &survey); }

  const onnx::ModelView& views() const { return views_; }

 private:
  OnnxModel(onnx::ModelView views, std::shared_ptr<const void> owner, const Limits& limits, Log log)
      : views_(std::move(views)), owner_(std::move(owner)), limits_(limits), log_(std::move(log)) {}
  Result<Graph> import_into(const GivenInitializers& given, ImportSurvey* survey) const;
  // What may be given, by name.
  struct Expected {
    const onnx::TensorView* initializer = nullptr;
    const onnx::ValueInfoView* input = nullptr;
  };
  void find_expected() const;

  std::string path_;  // "" of bytes
  onnx::ModelView views_;
  std::shared_ptr<const void> owner_;
  Limits limits_;
  Log log_;
  mutable std::once_flag expected_once_;
  mutable std::unordered_map<std::string_view, Expected> expected_;
};

}  // namespace tenon
