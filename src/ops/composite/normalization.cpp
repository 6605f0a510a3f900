// ONNX normalisations that are ordinary arithmetic: BatchNormalization, RMSNormalization, MeanVarianceNormalization,
// LpNormalization, LRN.
#include <algorithm>
#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A vector [C] as [C,1,…] so that it goes with axis 1 of a tensor of `rank` dims.
Result<ValueId> along_channels(OnnxNode& node, ValueId vector, size_t rank) {
  Shape shape = node.type(vector).shape;
  if (shape.size() != 1) return fail(Code::invalid_model, "expected one value per channel, got {}", print(node.type(vector)));
  for (size_t i = 2; i < rank; ++i) shape.push_back(Dim(1));
  return reshape(node.build(), vector, shape);
}

// x * (scale / sqrt(variance + epsilon)) + (bias - mean * that): the vectors are computed by nodes of their own, so
// that they fold, and fuse into what makes x.
Status normalise(OnnxNode& node, ValueId x, ValueId mean, ValueId variance) {
  const DType type = node.type(x).dtype, inner = node.type(mean).dtype;
  double epsilon = node.attrs().number("epsilon", 1e-5);
  TN_ASSIGN(ValueId scale, cast(node, node.input(1), inner));
  TN_ASSIGN(ValueId bias, cast(node, node.input(2), inner));
  TN_ASSIGN(ValueId factor, add_formula(node, fmt::format("div(x0, sqrt(add(x1, {})))", epsilon), {scale, variance}));
  TN_ASSIGN(ValueId shift, add_formula(node, "sub(x0, mul(x1, x2))", {bias, mean, factor}));
  TN_ASSIGN(factor, along_channels(node, factor, node.type(x).rank()));
  TN_ASSIGN(shift, along_channels(node, shift, node.type(x).rank()));
  TN_ASSIGN(ValueId wide, cast(node, x, inner));
  TN_ASSIGN(ValueId y, add_formula(node, "add(mul(x0, x1), x2)", {wide, factor, shift}));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

// The batch's own statistics, and the running ones moved towards them.
Status batch_norm_training(OnnxNode& node) {
  const ValueId x = node.input(0);
  std::vector<int64_t> axes(node.rank(0));
  std::iota(axes.begin(), axes.end(), 0);
  axes.erase(axes.begin() + 1);
  auto vector_of = [&](ValueId of) -> Result<ValueId> {
    TN_ASSIGN(ValueId mean, reduce(node, "mean", of, axes, false));
    return cast(node, mean, node.type(3).dtype);
  };
  TN_ASSIGN(ValueId mean, vector_of(x));
  TN_ASSIGN(ValueId wide_mean, along_channels(node, mean, node.rank(0)));
  TN_ASSIGN(wide_mean, cast(node, wide_mean, node.type(0).dtype));
  TN_ASSIGN(ValueId square, add_formula(node, "t0 = sub(x0, x1); mul(t0, t0)", {x, wide_mean}));
  TN_ASSIGN(ValueId variance, vector_of(square));
  TN_TRY(normalise(node, x, mean, variance));
  double momentum = node.attrs().number("momentum", 0.9);
  std::string moved = fmt::format("add(mul(x0, {}), mul(x1, {}))", momentum, 1 - momentum);
  if (node.has_output(1)) {
    TN_ASSIGN(ValueId running, add_formula(node, moved, {node.input(3), mean}));
    node.output(1, running);
  }
  if (node.has_output(2)) {
    TN_ASSIGN(ValueId running, add_formula(node, moved, {node.input(4), variance}));
    node.output(2, running);
  }
  return {};
}

Status expand_batch_norm(OnnxNode& node) {
  for (size_t i = 0; i < 5; ++i)
    if (!node.has(i)) return fail(Code::invalid_model, "input {} of BatchNormalization is missing", i);
  if (node.rank(0) < 1) return fail(Code::invalid_model, "BatchNormalization takes a tensor with channels, not a scalar");
  if (node.version() >= 14 && node.attrs().integer("training_mode")) {
    if (node.rank(0) < 2) return fail(Code::invalid_model, "BatchNormalization takes a tensor of 2 dims or more");
    return batch_norm_training(node);
  }
  bool training = node.version() < 7 ? node.attrs().integer("is_test") == 0 && node.has_output(1) : node.has_output(1);
  if (training || (node.version() < 9 && node.attrs().integer("spatial", 1) == 0))
    return fail(Code::unsupported, "BatchNormalization of op set {} is supported for inference and per channel only",
                node.version());
  return normalise(node, node.input(0), node.input(3), node.input(4));
}

Status expand_rms_norm(OnnxNode& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::invalid_model, "RMSNormalization takes x and a scale");
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
  std::vector<int64_t> axes(node.rank(0) - static_cast<size_t>(axis));
  std::iota(axes.begin(), axes.end(), axis);
  const DType type = node.type(0).dtype;
  auto stash = static_cast<DType>(node.attrs().integer("stash_type", 1));
  if (!is_float(stash)) return fail(Code::invalid_model, "attribute stash_type is no float type");
  TN_ASSIGN(ValueId x, cast(node, node.input(0), stash));
  TN_ASSIGN(ValueId square, add_formula(node, "mul(x0, x0)", {x}));
  TN_ASSIGN(ValueId mean, reduce(node, "mean", square, std::move(axes)));
  double epsilon = node.attrs().number("epsilon", 1e-5);
  TN_ASSIGN(ValueId y, add_formula(node, fmt::format("div(x0, sqrt(add(x1, {})))", epsilon), {x, mean}));
  TN_ASSIGN(y, cast(node, y, type));
  TN_ASSIGN(ValueId scale, cast(node, node.input(1), type));
  TN_ASSIGN(y, add_formula(node, "mul(x0, x1)", {y, scale}));
  node.output(0, y);
  return {};
}

Status expand_mean_variance(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 of MeanVarianceNormalization is missing");
  std::vector<int64_t> axes = node.attrs().has("axes") ? node.attrs().integers("axes") : std::vector<int64_t>{0, 2, 3};
  if (node.version() < 9 && node.attrs().integer("across_channels")) axes = {0, 1, 2, 3};
  for (int64_t& axis : axes) {
    TN_ASSIGN(axis, node.axis(axis, node.rank(0)));
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  TN_ASSIGN(ValueId mean, reduce(node, "mean", node.input(0), axes));
  TN_ASSIGN(ValueId centred, add_formula(node, "sub(x0, x1)", {node.input(0), mean}));
  TN_ASSIGN(ValueId square, add_formula(node, "mul(x0, x0)", {centred}));
  TN_ASSIGN(ValueId variance, reduce(node, "mean", square, axes));
  TN_ASSIGN(ValueId y, add_formula(node, "div(x0, add(sqrt(x1), 1e-09))", {centred, variance}));
  node.output(0, y);
  return {};
}

// A line of zeros stays zeros.
Status expand_lp_norm(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 of LpNormalization is missing");
  int64_t p = node.attrs().integer("p", 2);
  if (p != 1 && p != 2) return fail(Code::invalid_model, "attribute p of LpNormalization must be 1 or 2, it is {}", p);
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
  TN_ASSIGN(ValueId norm, reduce(node, p == 1 ? "l1" : "l2", node.input(0), {axis}));
  TN_ASSIGN(ValueId y, add_formula(node, "div(x0, where(eq(x1, 0), 1, x1))", {node.input(0), norm}));
  node.output(0, y);
  return {};
}

// Over neighbouring channels: the mean of squares is a pooling along them, what is beyond counting as zeros.
Status expand_lrn(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const Attrs& attrs = node.attrs();
  const TensorType x = node.type(0);
  const int64_t size = attrs.integer("size");
  if (x.rank() < 2 || size < 1)
    return fail(Code::invalid_model, "LRN takes a tensor of 2 dims or more and a size of 1 or more; they are {} and {}", print(x),
                size);
  if (size > INT32_MAX) return fail(Code::unsupported, "LRN: size is {}, up to {} are supported", size, INT32_MAX);
  const Dim inner = element_count({x.shape.begin() + 2, x.shape.end()});
  // Squares leave the range of f16.
  const bool narrow = x.dtype == DType::f16 || x.dtype == DType::bf16;
  ValueId wide = node.input(0);
  if (narrow) {
    TN_ASSIGN(wide, cast(node, wide, DType::f32));
  }
  TN_ASSIGN(ValueId square, add_formula(node, "mul(x0, x0)", {wide}));
  TN_ASSIGN(square, reshape(node.build(), square, {x.shape[0], Dim(1), x.shape[1], inner}));
  TN_ASSIGN(ValueId mean, node.add(kPool, {square},
                                   {{"kind", std::string("average")},
                                    {"kernel", std::vector<int64_t>{size, 1}},
                                    {"pads", Shape{Dim((size - 1) / 2), Dim(0), Dim(size / 2), Dim(0)}},
                                    {"count_include_pad", int64_t{1}}}));
  TN_ASSIGN(mean, reshape(node.build(), mean, x.shape));
  const std::string text = fmt::format("div(x0, pow(add(mul(x1, {}), {}), {}))", attrs.number("alpha", 1e-4),
                                       attrs.number("bias", 1), attrs.number("beta", 0.75));
  TN_ASSIGN(ValueId y, add_formula(node, text, {wide, mean}));
  TN_ASSIGN(y, cast(node, y, x.dtype));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {
    {"BatchNormalization", 1, expand_batch_norm},
    {"LRN", 1, expand_lrn},
    {"LpNormalization", 1, expand_lp_norm},
    {"MeanVarianceNormalization", 1, expand_mean_variance},
    {"RMSNormalization", 23, expand_rms_norm},
};

}  // namespace

extern const OpFile normalization_ops = {nullptr, kRows};

}  // namespace tenon
