// Arithmetic that one formula cannot say: any number of operands, mixed types, modes.
#include "ops/composite/elementwise.h"
#include "ops/ops.h"

namespace tenon {
namespace {

// Max, Min, Sum, Mean: folds `op` over the operands, as many to a program as it takes.
Result<ValueId> fold(OnnxNode& node, std::string_view op) {
  if (node.input_count() == 0) return fail(Code::invalid_model, "expected at least one input");
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  ValueId so_far = operands[0];
  for (size_t next = 1; next < operands.size();) {
    std::vector<ValueId> taken{so_far};
    std::string text = "x0";
    while (next < operands.size() && taken.size() < kMaxProgramInputs) {
      text = fmt::format("{}({}, x{})", op, text, taken.size());
      taken.push_back(operands[next++]);
    }
    TN_ASSIGN(so_far, add_formula(node, text, std::move(taken)));
  }
  return so_far;
}

Status expand_max(OnnxNode& node) {
  TN_ASSIGN(ValueId out, fold(node, "max"));
  node.output(0, out);
  return {};
}

Status expand_min(OnnxNode& node) {
  TN_ASSIGN(ValueId out, fold(node, "min"));
  node.output(0, out);
  return {};
}

Status expand_sum(OnnxNode& node) {
  TN_ASSIGN(ValueId out, fold(node, "add"));
  node.output(0, out);
  return {};
}

Status expand_mean(OnnxNode& node) {
  TN_ASSIGN(ValueId sum, fold(node, "add"));
  TN_ASSIGN(ValueId out, add_formula(node, fmt::format("div(x0, {})", node.input_count()), {sum}));
  node.output(0, out);
  return {};
}

// The exponent, when it is one number that the model fixes.
Result<std::optional<double>> fixed_exponent(OnnxNode& node) {
  if (!node.is_constant(1) || !element_count(node.type(1).shape).is(1) || node.type(1).rank() > node.rank(0))
    return std::nullopt;
  TN_ASSIGN(double value, node.scalar(1, "exponent"));
  return value;
}

std::string_view power_formula(double exponent) {
  struct Row { double exponent; std::string_view text; };
  static constexpr Row kRows[] = {
      {1, "x0"},        {2, "mul(x0, x0)"},   {3, "mul(mul(x0, x0), x0)"}, {4, "t0 = mul(x0, x0); mul(t0, t0)"},
      {0.5, "sqrt(x0)"}, {-1, "reciprocal(x0)"}, {-0.5, "reciprocal(sqrt(x0))"},
  };
  for (const Row& row : kRows)
    if (row.exponent == exponent) return row.text;
  return {};
}

Status expand_pow(OnnxNode& node) {
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  if (operands.size() != 2) return fail(Code::invalid_model, "Pow takes 2 inputs, the node has {}", operands.size());
  DType base = node.type(0).dtype, exponent = node.type(1).dtype;
  TN_ASSIGN(std::optional<double> fixed, fixed_exponent(node));
  if (fixed && is_float(base)) {
    if (std::string_view text = power_formula(*fixed); !text.empty()) {
      if (text == "x0") return node.output(0, operands[0]), Status{};
      TN_ASSIGN(ValueId out, add_formula(node, text, {operands[0]}));
      return node.output(0, out), Status{};
    }
  }
  std::string text = "pow(x0, x1)";
  if (base != exponent)
    text = is_integer(base) && is_float(exponent)
               ? fmt::format("cast(pow(cast(x0):{0}, x1)):{1}", name_of(exponent), name_of(base))
               : fmt::format("pow(x0, cast(x1):{})", name_of(base));
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

Status expand_mod(OnnxNode& node) {
  if (node.input_count() != 2) return fail(Code::invalid_model, "Mod takes 2 inputs, the node has {}", node.input_count());
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  TN_ASSIGN(ValueId out, add_formula(node, node.attrs().integer("fmod") ? "fmod(x0, x1)" : "mod(x0, x1)", operands));
  node.output(0, out);
  return {};
}

Status expand_bit_shift(OnnxNode& node) {
  std::string direction = node.attrs().text("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    return fail(Code::invalid_model, "attribute direction of BitShift must be LEFT or RIGHT, it is '{}'", direction);
  if (node.input_count() != 2)
    return fail(Code::invalid_model, "BitShift takes 2 inputs, the node has {}", node.input_count());
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  TN_ASSIGN(ValueId out,
            add_formula(node, direction == "LEFT" ? "shift_left(x0, x1)" : "shift_right(x0, x1)", operands));
  node.output(0, out);
  return {};
}

Status expand_is_inf(OnnxNode& node) {
  bool negative = node.attrs().integer("detect_negative", 1), positive = node.attrs().integer("detect_positive", 1);
  std::string_view text = negative && positive ? "isinf(x0)"
                          : negative           ? "logical_and(isinf(x0), lt(x0, 0))"
                          : positive           ? "logical_and(isinf(x0), gt(x0, 0))"
                                               : "logical_and(isinf(x0), isnan(x0))";
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  TN_ASSIGN(ValueId out, add_formula(node, text, std::move(operands)));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {
    {"BitShift", 11, expand_bit_shift}, {"IsInf", 10, expand_is_inf}, {"Max", 1, expand_max}, {"Mean", 1, expand_mean},
    {"Min", 1, expand_min},             {"Mod", 10, expand_mod},      {"Pow", 1, expand_pow}, {"Sum", 1, expand_sum},
};

}  // namespace

extern const OpFile arithmetic_ops = {nullptr, kRows};

}  // namespace tenon
