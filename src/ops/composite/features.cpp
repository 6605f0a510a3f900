// Operators of ai.onnx.ml on features: ArrayFeatureExtractor, Binarizer.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// The elements of the last axis that the indices name; of a vector, as a matrix of one row.
Status expand_array_feature_extractor(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const size_t rank = node.rank(0);
  if (rank == 0) return fail(Code::invalid_model, "ArrayFeatureExtractor takes a tensor of 1 dim or more, not a scalar");
  TN_ASSIGN(ValueId at, reshape(node.build(), node.input(1), {element_count(node.type(1).shape)}));
  TN_ASSIGN(ValueId y, node.add(kGather, {node.input(0), at}, {{"axis", static_cast<int64_t>(rank) - 1}}));
  if (rank == 1) {
    TN_ASSIGN(y, along(node, y, 1, 2));
  }
  node.output(0, y);
  return {};
}

Status expand_binarizer(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const DType type = node.type(0).dtype;
  const std::string x = is_float(type) ? "x0" : "cast(x0):f64";
  TN_ASSIGN(ValueId y, add_formula(node, fmt::format("cast(gt({}, {})):{}", x, node.attrs().number("threshold"), name_of(type)),
                                   {node.input(0)}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"ArrayFeatureExtractor", 1, expand_array_feature_extractor, "ai.onnx.ml"},
                             {"Binarizer", 1, expand_binarizer, "ai.onnx.ml"}};

}  // namespace

extern const OpFile features_ops = {nullptr, kRows};

}  // namespace tenon
