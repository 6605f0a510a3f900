// Operators that pass their input on, and constants.
#include <cstring>

#include "ops/composite/texts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status onnx_identity(OnnxNode& node) {
  node.output(0, node.value(0));
  return {};
}

// Inference: nothing is dropped, and the mask is all true.
Status onnx_dropout(OnnxNode& node) {
  if (node.version() >= 12 && node.has(2)) {
    TN_ASSIGN(double training, node.scalar(2, "training_mode"));
    double ratio = 0.5;
    if (node.has(1)) {
      TN_ASSIGN(ratio, node.scalar(1, "ratio"));
    }
    if (training != 0 && ratio != 0)
      return fail(Code::unsupported, "Dropout: training_mode is set; only inference is supported");
  }
  node.output(0, node.input(0));
  if (!node.has_output(1)) return {};
  ValueId one = node.build().scalar(node.version() < 10 ? node.type(0).dtype : DType::boolean, 1);
  TN_ASSIGN(ValueId mask, expand(node.build(), one, node.type(0).shape));
  node.output(1, mask);
  return {};
}

template <class T>
ValueId constant(OnnxNode& node, DType dtype, Shape shape, const std::vector<T>& values) {
  return node.build().constant({dtype, std::move(shape), kLinear}, std::as_bytes(std::span(values)));
}

std::vector<float> narrowed(const std::vector<double>& values) { return {values.begin(), values.end()}; }

Status onnx_constant(OnnxNode& node) {
  const Attrs& attrs = node.attrs();
  auto length = [](const auto& values) { return Shape{Dim(static_cast<int64_t>(values.size()))}; };
  if (auto tensor = attrs.get<std::shared_ptr<const Constant>>("value")) {
    node.output(0, node.build().constant(std::move(tensor)));
  } else if (attrs.has("value_float")) {
    node.output(0, node.build().scalar(DType::f32, attrs.number("value_float")));
  } else if (attrs.has("value_floats")) {
    std::vector<float> values = narrowed(attrs.get<std::vector<double>>("value_floats"));
    Shape shape = length(values);
    node.output(0, constant(node, DType::f32, std::move(shape), values));
  } else if (attrs.has("value_int")) {
    node.output(0, constant(node, DType::i64, {}, std::vector<int64_t>{attrs.integer("value_int")}));
  } else if (attrs.has("value_ints")) {
    node.output(0, node.build().constant_integers(attrs.integers("value_ints")));
  } else if (attrs.has("value_string")) {
    node.output(0, text_constant(node, {}, {attrs.text("value_string")}));
  } else if (attrs.has("value_strings")) {
    const auto texts = attrs.get<std::vector<std::string>>("value_strings");
    node.output(0, text_constant(node, length(texts), texts));
  } else {
    return fail(Code::unsupported, "Constant: sparse tensors are not supported");
  }
  return {};
}

constexpr OnnxRow kRows[] = {
    {"Identity", 1, onnx_identity, "", true}, {"Dropout", 1, onnx_dropout}, {"Constant", 1, onnx_constant}};

}  // namespace

const OpFile identity_ops{nullptr, kRows};

}  // namespace tenon
