// One step of training: Adagrad, Adam, Momentum. Inputs: learning rate, count of steps so far, then of each
// kind (parameters, gradients, what is kept of earlier steps) all tensors; outputs likewise, without the
// gradients.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// How many tensors are trained; `kinds` of each are inputs.
Result<size_t> count_of(OnnxNode& node, size_t kinds) {
  const size_t given = node.input_count();
  if (given < 2 + kinds || (given - 2) % kinds != 0)
    return fail(Code::invalid_model, "{} takes 2 inputs and {} for each tensor, the node has {}",
                node.attrs().text("op_type"), kinds, given);
  TN_TRY(expect_inputs(node, given));
  for (size_t i : {0, 1})
    if (!element_count(node.type(i).shape).is(1))
      return fail(Code::invalid_model, "input {} of {} must be one number, it is {}", i,
                  node.attrs().text("op_type"), print(node.type(i)));
  return (given - 2) / kinds;
}

// The i-th tensor of each kind, then the first two inputs as scalars, all of one type.
Result<std::vector<ValueId>> operands_of(OnnxNode& node, size_t i, size_t kinds, size_t count) {
  const DType type = node.type(2 + i).dtype;
  if (!is_float(type))
    return fail(Code::invalid_model, "{} trains floats, not {}", node.attrs().text("op_type"),
                print(node.type(2 + i)));
  std::vector<ValueId> out;
  for (size_t k = 0; k < kinds; ++k) {
    const size_t at = 2 + k * count + i;
    if (node.type(at).dtype != type || node.rank(at) != node.rank(2 + i))
      return fail(Code::invalid_model, "input {} of {} is {}; it must be as {}", at,
                  node.attrs().text("op_type"), print(node.type(at)), print(node.type(2 + i)));
    out.push_back(node.input(at));
  }
  for (size_t k : {0, 1}) {
    TN_ASSIGN(ValueId number, cast(node, node.input(k), type));
    TN_ASSIGN(number, reshape(node.build(), number, {}));
    out.push_back(number);
  }
  return out;
}

// The gradient with that of the parameters' own size.
std::string regularised(OnnxNode& node) {
  return fmt::format("add(mul(x0, {}), x1)", node.attrs().number("norm_coefficient"));
}

Status expand_adagrad(OnnxNode& node) {
  TN_ASSIGN(size_t count, count_of(node, 3));
  const Attrs& attrs = node.attrs();
  for (size_t i = 0; i < count; ++i) {
    TN_ASSIGN(std::vector<ValueId> in, operands_of(node, i, 3, count));  // x, gradient, squares, rate, steps
    TN_ASSIGN(ValueId gradient, add_formula(node, regularised(node), {in[0], in[1]}));
    TN_ASSIGN(ValueId squares, add_formula(node, "add(x0, mul(x1, x1))", {in[2], gradient}));
    const std::string text =
        fmt::format("sub(x0, div(mul(div(x3, add(mul(x4, {}), 1)), x1), add(sqrt(x2), {})))",
                    attrs.number("decay_factor"), attrs.number("epsilon", 1e-6f));
    TN_ASSIGN(ValueId x, add_formula(node, text, {in[0], gradient, squares, in[3], in[4]}));
    node.output(i, x);
    node.output(count + i, squares);
  }
  return {};
}

Status expand_adam(OnnxNode& node) {
  TN_ASSIGN(size_t count, count_of(node, 4));
  const Attrs& attrs = node.attrs();
  const double alpha = attrs.number("alpha", 0.9f), beta = attrs.number("beta", 0.999f);
  for (size_t i = 0; i < count; ++i) {
    TN_ASSIGN(std::vector<ValueId> in,
              operands_of(node, i, 4, count));  // x, gradient, means, squares, rate, steps
    TN_ASSIGN(ValueId gradient, add_formula(node, regularised(node), {in[0], in[1]}));
    TN_ASSIGN(ValueId mean, add_formula(node, fmt::format("add(mul(x0, {}), mul(x1, {}))", alpha, 1 - alpha),
                                        {in[2], gradient}));
    TN_ASSIGN(ValueId square,
              add_formula(node, fmt::format("add(mul(x0, {}), mul(mul(x1, x1), {}))", beta, 1 - beta),
                          {in[3], gradient}));
    TN_ASSIGN(
        ValueId rate,
        add_formula(
            node,
            fmt::format("where(gt(x1, 0), div(mul(x0, sqrt(sub(1, pow({}, x1)))), sub(1, pow({}, x1))), x0)",
                        beta, alpha),
            {in[4], in[5]}));
    const std::string text =
        fmt::format("mul(sub(x0, div(mul(x3, x1), add(sqrt(x2), {}))), {})", attrs.number("epsilon", 1e-6f),
                    1 - attrs.number("norm_coefficient_post"));
    TN_ASSIGN(ValueId x, add_formula(node, text, {in[0], mean, square, rate}));
    node.output(i, x);
    node.output(count + i, mean);
    node.output(2 * count + i, square);
  }
  return {};
}

Status expand_momentum(OnnxNode& node) {
  TN_ASSIGN(size_t count, count_of(node, 3));
  const Attrs& attrs = node.attrs();
  const std::string mode = attrs.text("mode");
  if (mode != "standard" && mode != "nesterov")
    return fail(Code::invalid_model, "attribute mode of Momentum must be standard or nesterov, it is '{}'",
                mode);
  for (const char* name : {"alpha", "beta", "norm_coefficient"})
    if (!attrs.has(name)) return fail(Code::invalid_model, "attribute {} of Momentum is missing", name);
  const double alpha = attrs.number("alpha");
  for (size_t i = 0; i < count; ++i) {
    TN_ASSIGN(std::vector<ValueId> in, operands_of(node, i, 3, count));  // x, gradient, momentum, rate, steps
    TN_ASSIGN(ValueId gradient, add_formula(node, regularised(node), {in[0], in[1]}));
    TN_ASSIGN(ValueId moved,
              add_formula(node,
                          fmt::format("add(mul(x0, {}), mul(x1, where(gt(x2, 0), {}:{}, 1)))", alpha,
                                      attrs.number("beta"), name_of(node.type(gradient).dtype)),
                          {in[2], gradient, in[4]}));
    const std::string text = mode == "standard"
                                 ? std::string("sub(x0, mul(x2, x1))")
                                 : fmt::format("sub(x0, mul(x2, add(x3, mul(x1, {}))))", alpha);
    std::vector<ValueId> operands = {in[0], moved, in[3]};
    if (mode == "nesterov") operands.push_back(gradient);
    TN_ASSIGN(ValueId x, add_formula(node, text, std::move(operands)));
    node.output(i, x);
    node.output(count + i, moved);
  }
  return {};
}

constexpr OnnxRow kRows[] = {{"Adagrad", 1, expand_adagrad, "ai.onnx.preview.training"},
                             {"Adam", 1, expand_adam, "ai.onnx.preview.training"},
                             {"Momentum", 1, expand_momentum, "ai.onnx.preview.training"}};

}  // namespace

extern const OpFile optimizers_ops = {nullptr, kRows};

}  // namespace tenon
