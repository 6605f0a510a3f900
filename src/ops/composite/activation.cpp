// Activations whose formula depends on attributes or shapes: Clip, Gelu and its kin, PRelu, Swish.
#include <cmath>
#include <limits>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"

namespace tenon {
namespace {

// A bound of Clip: absent, a number that a program's constant holds, or an operand.
struct Bound {
  std::optional<double> number;
  ValueId operand;
};

Result<Bound> bound_input(OnnxNode& node, size_t i, std::string_view what) {
  Bound bound;
  if (!node.has(i)) return bound;
  if (!element_count(node.type(i).shape).is(1))
    return fail(Code::invalid_model, "input {} ({}) of Clip must be a scalar, it is {}", i, what, print(node.type(i)));
  if (node.is_constant(i)) {
    TN_ASSIGN(double value, node.scalar(i, what));
    constexpr double kExact = 9007199254740992;  // 2^53
    if (is_float(node.type(i).dtype) || std::fabs(value) < kExact) {
      bound.number = value;
      return bound;
    }
  }
  bound.operand = node.input(i);
  return bound;
}

Bound bound_attribute(OnnxNode& node, std::string_view name) {
  Bound bound;
  if (node.attrs().has(name)) bound.number = node.attrs().number(name);
  return bound;
}

Status expand_clip(OnnxNode& node) {
  Bound low, high;
  if (node.version() >= 11) {
    TN_ASSIGN(low, bound_input(node, 1, "min"));
    TN_ASSIGN(high, bound_input(node, 2, "max"));
  } else {
    low = bound_attribute(node, "min");
    high = bound_attribute(node, "max");
  }
  if (node.input_count() == 0 || !node.has(0)) return fail(Code::invalid_model, "input 0 of Clip is missing");
  std::vector<ValueId> operands{node.input(0)};
  std::string text = "x0";
  auto apply_bound = [&](const Bound& bound, std::string_view op) {
    if (bound.number && std::isinf(*bound.number) && (*bound.number > 0) == (op == "min")) return;  // bounds nothing
    if (bound.number) {
      text = fmt::format("{}({}, {})", op, text, *bound.number);
    } else if (bound.operand.valid()) {
      text = fmt::format("{}({}, x{})", op, text, operands.size());
      operands.push_back(bound.operand);
    }
  };
  apply_bound(low, "max");
  apply_bound(high, "min");
  if (text == "x0") return node.output(0, operands[0]), Status{};
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

constexpr std::string_view kGelu = "mul(mul({0}, 0.5), add(erf(mul({0}, 0.7071067811865476)), 1))";
constexpr std::string_view kTanhGelu =
    "mul(mul({0}, 0.5), add(tanh(mul(add({0}, mul(mul(mul({0}, {0}), {0}), 0.044715)), 0.7978845608028654)), 1))";

Status expand_gelu(OnnxNode& node) {
  std::string approximate = node.attrs().text("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return fail(Code::invalid_model, "attribute approximate of Gelu must be none or tanh, it is '{}'", approximate);
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  const std::string text = fmt::format(fmt::runtime(approximate == "none" ? kGelu : kTanhGelu), "x0");
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

// Of x, plus a bias [C] if there is one.
Status expand_biased(OnnxNode& node, std::string_view formula, bool needs_bias) {
  TN_TRY(expect_inputs(node, needs_bias ? 2 : 1));
  std::vector<ValueId> operands{node.input(0)};
  std::string text = fmt::format(fmt::runtime(formula), "x0");
  if (node.has(1)) {
    if (node.rank(1) != 1 || node.rank(0) == 0 || always_equal(node.type(1).shape[0], node.type(0).shape.back()) == false)
      return fail(Code::invalid_model, "the bias of {} must have the last dim of {}, it is {}", node.attrs().text("op_type"),
                  print(node.type(0)), print(node.type(1)));
    operands.push_back(node.input(1));
    text = "t0 = add(x0, x1); " + fmt::format(fmt::runtime(formula), "t0");
  }
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

Status expand_bias_gelu(OnnxNode& node) { return expand_biased(node, kGelu, true); }
Status expand_fast_gelu(OnnxNode& node) { return expand_biased(node, kTanhGelu, false); }

Status expand_quick_gelu(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const std::string text = fmt::format("mul(x0, sigmoid(mul(x0, {})))", node.attrs().number("alpha", 1.702));
  TN_ASSIGN(ValueId out, add_formula(node, text, {node.input(0)}));
  node.output(0, out);
  return {};
}

// The slope broadcasts to x; before op set 7 a slope [C] goes with x's axis 1.
Status expand_prelu(OnnxNode& node) {
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  if (operands.size() != 2) return fail(Code::invalid_model, "PRelu takes 2 inputs, the node has {}", operands.size());
  const TensorType slope = node.type(operands[1]);
  if (node.version() < 7 && slope.rank() == 1 && node.rank(0) > 2 && !slope.shape[0].is(1)) {
    Shape shape(node.rank(0) - 1, Dim(1));
    shape[0] = slope.shape[0];
    TN_ASSIGN(operands[1], node.add(kReshape, {operands[1]}, {{"shape", shape}}));
  }
  TN_ASSIGN(ValueId out, add_formula(node, "where(lt(x0, 0), mul(x0, x1), x0)", std::move(operands)));
  node.output(0, out);
  return {};
}

Status expand_swish(OnnxNode& node) {
  double alpha = node.attrs().number("alpha", 1);
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  std::string text = alpha == 1 ? "mul(x0, sigmoid(x0))" : fmt::format("mul(x0, sigmoid(mul(x0, {})))", alpha);
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {
    {"Clip", 1, expand_clip}, {"Gelu", 20, expand_gelu}, {"PRelu", 1, expand_prelu}, {"Swish", 24, expand_swish},
    {"BiasGelu", 1, expand_bias_gelu, "com.microsoft"}, {"FastGelu", 1, expand_fast_gelu, "com.microsoft"},
    {"Gelu", 1, expand_gelu, "com.microsoft"}, {"QuickGelu", 1, expand_quick_gelu, "com.microsoft"},
};

}  // namespace

extern const OpFile activation_ops = {nullptr, kRows};

}  // namespace tenon
