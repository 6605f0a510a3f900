#include "ops/composite/learned.h"

#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {

Result<ValueId> features_of(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const TensorType x = node.type(0);
  if ((x.rank() != 1 && x.rank() != 2) || (!is_float(x.dtype) && !is_integer(x.dtype)))
    return fail(Code::invalid_model, "{} takes numbers [N, features], not {}", node.attrs().text("op_type"),
                print(x));
  TN_ASSIGN(ValueId rows, along(node, node.input(0), 2 - x.rank(), 2));
  return cast(node, rows, x.dtype == DType::f64 ? DType::f64 : DType::f32);
}

ValueId float_constant(OnnxNode& node, DType type, Shape shape, const std::vector<double>& values) {
  if (type == DType::f64)
    return node.build().constant({type, std::move(shape), kLinear}, std::as_bytes(std::span(values)));
  const std::vector<float> narrow(values.begin(), values.end());
  return node.build().constant({DType::f32, std::move(shape), kLinear}, std::as_bytes(std::span(narrow)));
}

ValueId integer_constant(OnnxNode& node, Shape shape, const std::vector<int64_t>& values) {
  return node.build().constant({DType::i64, std::move(shape), kLinear}, std::as_bytes(std::span(values)));
}

Result<std::vector<double>> numbers_attribute(OnnxNode& node, std::string_view name) {
  const std::string tensor = std::string(name) + "_as_tensor";
  const auto given = node.attrs().get<std::shared_ptr<const Constant>>(tensor);
  if (!given) return node.attrs().get<std::vector<double>>(name);
  if (node.attrs().has(name))
    return fail(Code::invalid_model, "{} has both {} and {}", node.attrs().text("op_type"), name, tensor);
  return numbers_of(*given);
}

Result<PostTransform> post_transform(OnnxNode& node) {
  constexpr std::string_view kNames[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const std::string name = node.attrs().text("post_transform", "NONE");
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return static_cast<PostTransform>(i);
  return fail(
      Code::invalid_model,
      "attribute post_transform of {} is '{}'; it must be NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT",
      node.attrs().text("op_type"), name);
}

Result<ValueId> transformed(OnnxNode& node, ValueId scores, PostTransform transform) {
  switch (transform) {
    case PostTransform::none: return scores;
    case PostTransform::softmax: return node.add(kSoftmax, {scores}, {{"axis", int64_t{1}}});
    case PostTransform::logistic: return add_formula(node, "sigmoid(x0)", {scores});
    case PostTransform::softmax_zero: {
      // Scores of next to nothing keep their distance from zero, and are no part of the sum.
      TN_ASSIGN(ValueId most, reduce(node, "max", scores, {1}));
      TN_ASSIGN(ValueId part,
                add_formula(node, "where(gt(abs(x0), 1e-07), exp(sub(x0, x1)), 0)", {scores, most}));
      TN_ASSIGN(ValueId sum, reduce(node, "sum", part, {1}));
      return add_formula(node, "div(where(gt(abs(x0), 1e-07), x1, mul(x0, exp(neg(x2)))), x3)",
                         {scores, part, most, sum});
    }
    case PostTransform::probit:
      // S. Winitzki's approximation of the inverse of erf.
      return add_formula(node,
                         "t0 = sub(mul(x0, 2), 1); t1 = log(mul(sub(1, t0), add(1, t0))); "
                         "t2 = add(4.330748654321411, mul(t1, 0.5)); "
                         "t3 = sqrt(sub(sqrt(sub(mul(t2, t2), div(t1, 0.147))), t2)); "
                         "mul(where(lt(t0, 0), neg(t3), t3), 1.41421356)",
                         {scores});
  }
  return scores;
}

Result<std::vector<int64_t>> class_labels(OnnxNode& node, std::string_view integers) {
  std::vector<int64_t> labels = node.attrs().integers(integers);
  const auto texts = node.attrs().get<std::vector<std::string>>("classlabels_strings");
  if (texts.empty()) return labels;
  if (!labels.empty())
    return fail(Code::invalid_model, "{} has both {} and classlabels_strings", node.attrs().text("op_type"), integers);
  labels.resize(texts.size());
  std::iota(labels.begin(), labels.end(), 0);
  return labels;
}

Status name_labels(OnnxNode& node) {
  const auto texts = node.attrs().get<std::vector<std::string>>("classlabels_strings");
  if (texts.empty()) return {};
  TN_ASSIGN(ValueId y, texts_at(node, texts, node.outputs()[0].tensor));
  node.output(0, y);
  return {};
}

Result<ValueId> two_scores(OnnxNode& node, ValueId score, bool shares, PostTransform transform) {
  if (transform == PostTransform::probit)
    return fail(Code::unsupported,
                "{}: PROBIT of one score for two classes is not supported; give each class a score",
                node.attrs().text("op_type"));
  const bool logistic = transform == PostTransform::logistic;
  TN_ASSIGN(ValueId first, add_formula(node,
                                       logistic ? "sigmoid(neg(x0))"
                                       : shares ? "sub(1, x0)"
                                                : "neg(x0)",
                                       {score}));
  if (logistic) {
    TN_ASSIGN(score, add_formula(node, "sigmoid(x0)", {score}));
  }
  return concat(node, {first, score}, 1);
}

}  // namespace tenon
