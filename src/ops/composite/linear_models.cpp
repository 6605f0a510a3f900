// LinearRegressor, LinearClassifier, SVMRegressor: products with weights that the node's attributes hold.
#include "ops/composite/elementwise.h"
#include "ops/composite/learned.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

std::string name_of_op(OnnxNode& node) { return node.attrs().text("op_type"); }

// x [N, features] times the rows of a list of numbers, which are as long as x's last dim: [N, rows].
Result<ValueId> by_rows(OnnxNode& node, ValueId x, const std::vector<double>& values, int64_t rows,
                        std::string_view what) {
  const Dim width = node.type(x).shape[1];
  const auto count = static_cast<int64_t>(values.size());
  if (rows < 1 || count == 0 || count % rows != 0 || always_equal(width, Dim(count / rows)) == false)
    return fail(Code::invalid_model, "{}: {} {} for {} rows of {}", name_of_op(node), count, what, rows,
                print(node.type(x)));
  const ValueId table = float_constant(node, node.type(x).dtype, {Dim(rows), Dim(count / rows)}, values);
  return node.add(kMatmul, {x, table}, {{"perm_b", std::vector<int64_t>{1, 0}}});
}

// x [N, targets] + a list of as many numbers, if there are any.
Result<ValueId> shifted(OnnxNode& node, ValueId x, const std::vector<double>& values, std::string_view what) {
  if (values.empty()) return x;
  const Dim count(static_cast<int64_t>(values.size()));
  if (always_equal(node.type(x).shape[1], count) == false)
    return fail(Code::invalid_model, "{}: {} {} for {}", name_of_op(node), values.size(), what,
                print(node.type(x)));
  return add_formula(node, "add(x0, x1)", {x, float_constant(node, node.type(x).dtype, {count}, values)});
}

Result<ValueId> linear(OnnxNode& node, ValueId x, int64_t rows) {
  TN_ASSIGN(ValueId y,
            by_rows(node, x, node.attrs().get<std::vector<double>>("coefficients"), rows, "coefficients"));
  return shifted(node, y, node.attrs().get<std::vector<double>>("intercepts"), "intercepts");
}

Status expand_regressor(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(PostTransform transform, post_transform(node));
  TN_ASSIGN(ValueId y, linear(node, x, node.attrs().integer("targets", 1)));
  TN_ASSIGN(y, transformed(node, y, transform));
  TN_ASSIGN(y, cast(node, y, DType::f32));
  node.output(0, y);
  return {};
}

Status expand_classifier(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(PostTransform transform, post_transform(node));
  TN_ASSIGN(const std::vector<int64_t> labels, class_labels(node, "classlabels_ints"));
  const auto intercepts = node.attrs().get<std::vector<double>>("intercepts");
  const auto rows = static_cast<int64_t>(intercepts.empty() ? labels.size() : intercepts.size());
  const bool one_of_two = rows == 1 && labels.size() == 2;
  if (!one_of_two && (labels.size() < 2 || static_cast<int64_t>(labels.size()) != rows))
    return fail(Code::unsupported,
                "LinearClassifier: {} scores and {} labels; as many as labels, or one of two, are "
                "supported",
                rows, labels.size());
  TN_ASSIGN(ValueId z, linear(node, x, rows));
  ValueId at;
  if (one_of_two) {
    TN_ASSIGN(ValueId first, reshape(node.build(), z, {node.type(z).shape[0]}));
    TN_ASSIGN(at, add_formula(node, "cast(gt(x0, 0)):i64", {first}));
    TN_ASSIGN(z, two_scores(node, z, true, transform));
  } else {
    TN_ASSIGN(at, reduce(node, "arg_max", z, {1}, false));
    TN_ASSIGN(z, transformed(node, z, transform));
  }
  const ValueId names = integer_constant(node, {Dim(static_cast<int64_t>(labels.size()))}, labels);
  TN_ASSIGN(ValueId y, node.add(kGather, {names, at}, {{"axis", int64_t{0}}}));
  TN_ASSIGN(z, cast(node, z, DType::f32));
  node.output(0, y);
  node.output(1, z);
  return name_labels(node);
}

// What the kernel makes of x and each support vector: [N, vectors]. kernel_params: gamma, coef0, degree.
Result<ValueId> kernel_of(OnnxNode& node, ValueId x, const std::vector<double>& vectors, int64_t count) {
  const auto params = node.attrs().get<std::vector<double>>("kernel_params");
  const std::string kind = node.attrs().text("kernel_type", "LINEAR");
  if (!params.empty() && params.size() != 3)
    return fail(Code::invalid_model, "{}: kernel_params must be 3 numbers, they are {}", name_of_op(node),
                params.size());
  const double gamma = params.empty() ? 0 : params[0], shift = params.empty() ? 0 : params[1],
               degree = params.empty() ? 0 : params[2];
  TN_ASSIGN(ValueId product, by_rows(node, x, vectors, count, "numbers of support_vectors"));
  if (kind == "LINEAR") return product;
  if (kind == "POLY")
    return add_formula(node, fmt::format("pow(add(mul(x0, {}), {}), {})", gamma, shift, degree), {product});
  if (kind == "SIGMOID")
    return add_formula(node, fmt::format("tanh(add(mul(x0, {}), {}))", gamma, shift), {product});
  if (kind != "RBF")
    return fail(Code::invalid_model, "attribute kernel_type of {} is '{}'", name_of_op(node), kind);
  // |x - v|² element by element: differences of large squares would lose what is small.
  const DType type = node.type(x).dtype;
  const Shape shape = node.type(x).shape;
  const Dim width(static_cast<int64_t>(vectors.size()) / count);
  TN_ASSIGN(x, reshape(node.build(), x, {shape[0], Dim(1), shape[1]}));
  TN_ASSIGN(ValueId apart, add_formula(node, "t0 = sub(x0, x1); mul(t0, t0)",
                                       {x, float_constant(node, type, {Dim(count), width}, vectors)}));
  TN_ASSIGN(apart, reduce(node, "sum", apart, {2}, false));
  return add_formula(node, fmt::format("exp(mul(x0, {}))", -gamma), {apart});
}

Status expand_svm_regressor(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(PostTransform transform, post_transform(node));
  if (transform != PostTransform::none)
    return fail(Code::unsupported, "SVMRegressor: attribute post_transform is supported as NONE");
  const auto weights = node.attrs().get<std::vector<double>>("coefficients"),
             rho = node.attrs().get<std::vector<double>>("rho");
  const int64_t count = node.attrs().integer("n_supports");
  if (count < 0 || rho.size() != 1)
    return fail(Code::invalid_model,
                "SVMRegressor: n_supports is {} and rho has {} numbers; it must have one", count, rho.size());
  if (count > 0) {
    TN_ASSIGN(x, kernel_of(node, x, node.attrs().get<std::vector<double>>("support_vectors"), count));
  }
  TN_ASSIGN(ValueId y, by_rows(node, x, weights, 1, "coefficients"));
  TN_ASSIGN(y, shifted(node, y, rho, "numbers of rho"));
  if (node.attrs().integer("one_class")) {
    TN_ASSIGN(y, add_formula(
                     node, fmt::format("where(gt(x0, 0), 1:{0}, -1:{0})", name_of(node.type(y).dtype)), {y}));
  }
  TN_ASSIGN(y, cast(node, y, DType::f32));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"LinearRegressor", 1, expand_regressor, "ai.onnx.ml"},
                             {"LinearClassifier", 1, expand_classifier, "ai.onnx.ml"},
                             {"SVMRegressor", 1, expand_svm_regressor, "ai.onnx.ml"}};

}  // namespace

extern const OpFile linear_models_ops = {nullptr, kRows};

}  // namespace tenon
