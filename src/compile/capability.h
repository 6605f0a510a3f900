// What of ONNX is supported: one operator, or every node of a model, without building anything.
#pragma once

#include <string>
#include <string_view>

#include "compile/onnx_model.h"

namespace tenon {

// A document and what it says in a word.
struct Capability {
  bool supported = false;  // the operator at that version; every node of the model that an output needs
  std::string document;
};

// docs/onnx-import.md describes the documents, which are JSON or, for people, text.
Capability operator_capability(std::string_view domain, std::string_view op_type, int64_t version, bool json);
// Fails only where the model cannot be surveyed at all: no memory.
Result<Capability> model_capability(const OnnxModel& model, const GivenInitializers& given, bool json);

}  // namespace tenon
