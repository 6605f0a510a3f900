// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: the negative log probability of each target class.
#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

std::vector<int64_t> all_axes(size_t rank) {
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// ignore_index as a constant of an expression; nullopt when there is none, or when no target of the type is equal to it.
Result<std::optional<double>> ignored_class(OnnxNode& node, DType target) {
  if (!node.attrs().has("ignore_index")) return std::nullopt;
  const int64_t index = node.attrs().integer("ignore_index");
  if (target == DType::i32 && (index < INT32_MIN || index > INT32_MAX)) return std::nullopt;
  constexpr int64_t kMost = int64_t{1} << 53;
  if (index < -kMost || index > kMost)
    return fail(Code::unsupported, "attribute ignore_index is {}; -2^53 to 2^53 are supported", index);
  return static_cast<double>(index);
}

// log_probabilities [N, C, d…], input 1 the targets [N, d…], input 2 weights [C] or absent.
Status likelihood_loss(OnnxNode& node, ValueId log_probabilities) {
  const TensorType x = node.type(log_probabilities), target = node.type(1);
  const std::string reduction = node.attrs().text("reduction", "mean");
  if (reduction != "mean" && reduction != "sum" && reduction != "none")
    return fail(Code::invalid_model, "attribute reduction must be mean, sum or none, it is '{}'", reduction);
  if (x.rank() < 2 || target.rank() + 1 != x.rank() || (target.dtype != DType::i32 && target.dtype != DType::i64))
    return fail(Code::invalid_model, "targets must be i32 or i64 with the dims of {} but the second, they are {}", print(x),
                print(target));
  TN_ASSIGN(const std::optional<double> ignored, ignored_class(node, target.dtype));
  // Sums of many elements leave the range of f16.
  const DType wide = x.dtype == DType::f16 || x.dtype == DType::bf16 ? DType::f32 : x.dtype;
  ValueId classes = node.input(1);
  if (ignored) {
    TN_ASSIGN(classes, add_formula(node, fmt::format("where(eq(x0, {}), 0, x0)", *ignored), {classes}));
  }
  Shape column = target.shape;
  column.insert(column.begin() + 1, Dim(1));
  TN_ASSIGN(ValueId at, reshape(node.build(), classes, column));
  TN_ASSIGN(ValueId loss, node.add(kGatherElements, {log_probabilities, at}, {{"axis", int64_t{1}}}));
  TN_ASSIGN(loss, reshape(node.build(), loss, target.shape));
  TN_ASSIGN(loss, cast(node, loss, wide));

  ValueId weights;  // of each element, where they are not all 1
  if (node.has(2)) {
    if (node.rank(2) != 1) return fail(Code::invalid_model, "weight must be [classes], it is {}", print(node.type(2)));
    TN_ASSIGN(weights, node.add(kGather, {node.input(2), classes}, {{"axis", int64_t{0}}}));
    TN_ASSIGN(weights, cast(node, weights, wide));
    if (ignored) {
      TN_ASSIGN(weights, add_formula(node, fmt::format("where(eq(x0, {}), 0, x1)", *ignored), {node.input(1), weights}));
    }
  } else if (ignored) {
    TN_ASSIGN(weights, add_formula(node, fmt::format("cast(ne(x0, {})):{}", *ignored, name_of(wide)), {node.input(1)}));
  }
  if (ignored) {
    TN_ASSIGN(loss, add_formula(node, fmt::format("where(eq(x0, {}), 0, neg(mul(x1, x2)))", *ignored),
                                {node.input(1), loss, weights}));
  } else if (weights.valid()) {
    TN_ASSIGN(loss, add_formula(node, "neg(mul(x0, x1))", {loss, weights}));
  } else {
    TN_ASSIGN(loss, add_formula(node, "neg(x0)", {loss}));
  }
  if (reduction != "none") {
    const bool weighted = reduction == "mean" && weights.valid();
    const std::vector<int64_t> axes = all_axes(target.rank());
    TN_ASSIGN(loss, reduce(node, weighted ? "sum" : reduction, loss, axes, false));
    if (weighted) {
      TN_ASSIGN(ValueId total, reduce(node, "sum", weights, axes, false));
      TN_ASSIGN(loss, add_formula(node, "div(x0, x1)", {loss, total}));
    }
  }
  TN_ASSIGN(loss, cast(node, loss, x.dtype));
  node.output(0, loss);
  return {};
}

Status expand_likelihood(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  return likelihood_loss(node, node.input(0));
}

Status expand_cross_entropy(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  if (node.rank(0) < 2) return fail(Code::invalid_model, "scores must be [N, C, …], they are {}", print(node.type(0)));
  TN_ASSIGN(ValueId log_probabilities,
            node.add(kSoftmax, {node.input(0)}, {{"axis", int64_t{1}}, {"log", int64_t{1}}}));
  TN_TRY(likelihood_loss(node, log_probabilities));
  node.output(1, log_probabilities);
  return {};
}

constexpr OnnxRow kRows[] = {{"NegativeLogLikelihoodLoss", 12, expand_likelihood},
                             {"SoftmaxCrossEntropyLoss", 12, expand_cross_entropy}};

}  // namespace

const OpFile loss_ops{nullptr, kRows};

}  // namespace tenon
