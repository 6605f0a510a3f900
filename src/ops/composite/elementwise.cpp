// The elementwise ONNX operators whose meaning is one formula. `{alpha=0.01}` stands for the attribute, with its
// default.
#include <array>

#include "ops/composite/elementwise.h"
#include "ops/composite/texts.h"
#include "ops/ops.h"

namespace tenon {

Result<std::vector<ValueId>> legacy_operands(OnnxNode& node) {
  std::vector<ValueId> operands;
  for (size_t i = 0; i < node.input_count(); ++i) {
    if (!node.has(i)) return fail(Code::invalid_model, "input {} is missing", i);
    operands.push_back(node.input(i));
  }
  if (node.version() >= 7 || operands.size() != 2 || node.attrs().integer("broadcast") == 0) return operands;
  const TensorType &a = node.type(0), &b = node.type(1);
  if (b.rank() >= a.rank() || !node.attrs().has("axis")) return operands;
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), a.rank()));
  if (axis + b.rank() > a.rank())
    return fail(Code::invalid_model, "attribute axis is {}: {} does not lie within {} from there", axis, print(b),
                print(a));
  Shape shape = b.shape;
  shape.resize(a.rank() - static_cast<size_t>(axis), Dim(1));
  if (shape.size() == b.rank()) return operands;
  TN_ASSIGN(operands[1], node.add(kReshape, {operands[1]}, {{"shape", shape}}));
  return operands;
}

Result<ValueId> add_formula(OnnxNode& node, std::string_view text, std::vector<ValueId> operands) {
  std::vector<DType> types;
  for (ValueId id : operands) {
    types.push_back(node.type(id).dtype);
    if (types.back() == DType::string)
      return fail(Code::unsupported, "{} does not take tensors of strings: an operand is {}", node.attrs().text("op_type"),
                  print(node.type(id)));
  }
  TN_ASSIGN(Program program, parse_program(text, types));
  return node.add(kPointwise, std::move(operands), {{"program", program}});
}

namespace {

struct Formula {
  std::string_view op;
  int since;
  std::string_view text;
};

constexpr Formula kFormulas[] = {
    {"Abs", 1, "abs(x0)"},
    {"Acos", 1, "acos(x0)"},
    {"Acosh", 1, "acosh(x0)"},
    {"Add", 1, "add(x0, x1)"},
    {"And", 1, "logical_and(x0, x1)"},
    {"Asin", 1, "asin(x0)"},
    {"Asinh", 1, "asinh(x0)"},
    {"Atan", 1, "atan(x0)"},
    {"Atanh", 1, "atanh(x0)"},
    {"BitwiseAnd", 1, "bit_and(x0, x1)"},
    {"BitwiseNot", 1, "bit_not(x0)"},
    {"BitwiseOr", 1, "bit_or(x0, x1)"},
    {"BitwiseXor", 1, "bit_xor(x0, x1)"},
    {"Ceil", 1, "ceil(x0)"},
    {"Celu", 1, "add(max(x0, 0), min(mul({alpha=1}, sub(exp(div(x0, {alpha=1})), 1)), 0))"},
    {"Cos", 1, "cos(x0)"},
    {"Cosh", 1, "cosh(x0)"},
    {"Div", 1, "div(x0, x1)"},
    {"Elu", 1, "where(lt(x0, 0), mul({alpha=1}, sub(exp(x0), 1)), x0)"},
    {"Equal", 1, "eq(x0, x1)"},
    {"Erf", 1, "erf(x0)"},
    {"Exp", 1, "exp(x0)"},
    {"Floor", 1, "floor(x0)"},
    {"Greater", 1, "gt(x0, x1)"},
    {"GreaterOrEqual", 1, "ge(x0, x1)"},
    {"HardSigmoid", 1, "max(min(add(mul(x0, {alpha=0.2}), {beta=0.5}), 1), 0)"},
    {"HardSwish", 1, "mul(x0, max(min(add(mul(x0, 0.16666666666666666), 0.5), 1), 0))"},
    {"IsNaN", 1, "isnan(x0)"},
    {"LeakyRelu", 1, "where(lt(x0, 0), mul(x0, {alpha=0.01}), x0)"},
    {"Less", 1, "lt(x0, x1)"},
    {"LessOrEqual", 1, "le(x0, x1)"},
    {"Log", 1, "log(x0)"},
    {"Mish", 1, "mul(x0, tanh(softplus(x0)))"},
    {"Mul", 1, "mul(x0, x1)"},
    {"Neg", 1, "neg(x0)"},
    {"Not", 1, "logical_not(x0)"},
    {"Or", 1, "logical_or(x0, x1)"},
    {"Reciprocal", 1, "reciprocal(x0)"},
    {"Relu", 1, "max(x0, 0)"},
    {"Round", 1, "round(x0)"},
    {"Selu", 1, "mul({gamma=1.0507}, where(le(x0, 0), mul({alpha=1.6732}, sub(exp(x0), 1)), x0))"},
    {"Selu", 6,
     "mul({gamma=1.0507009873554805}, where(le(x0, 0), mul({alpha=1.6732632423543772}, sub(exp(x0), 1)), x0))"},
    {"Shrink", 1,
     "where(gt(neg(x0), {lambd=0.5}), add(x0, {bias=0}), where(gt(x0, {lambd=0.5}), sub(x0, {bias=0}), 0))"},
    {"Sigmoid", 1, "sigmoid(x0)"},
    {"Sign", 1, "sign(x0)"},
    {"Sin", 1, "sin(x0)"},
    {"Sinh", 1, "sinh(x0)"},
    {"Softplus", 1, "softplus(x0)"},
    {"Softsign", 1, "div(x0, add(abs(x0), 1))"},
    {"Sqrt", 1, "sqrt(x0)"},
    {"Sub", 1, "sub(x0, x1)"},
    {"Tan", 1, "tan(x0)"},
    {"Tanh", 1, "tanh(x0)"},
    {"ThresholdedRelu", 1, "where(gt(x0, {alpha=1}), x0, 0)"},
    {"Where", 1, "where(x0, x1, x2)"},
    {"Xor", 1, "logical_xor(x0, x1)"},
};

const Formula* find_formula(std::string_view op, int64_t version) {
  const Formula* found = nullptr;
  for (const Formula& formula : kFormulas)
    if (formula.op == op && formula.since <= version) found = &formula;
  return found;
}

// The text with attributes in the place of their names.
std::string with_attributes(std::string_view text, const Attrs& attrs) {
  std::string out;
  while (true) {
    size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == text.npos) return out;
    size_t equals = text.find('=', open), close = text.find('}', open);
    std::string_view name = text.substr(open + 1, equals - open - 1), fallback = text.substr(equals + 1, close - equals - 1);
    if (attrs.has(name)) out += fmt::format("{}", attrs.number(name));
    else out += fallback;
    text = text.substr(close + 1);
  }
}

int operands_of(std::string_view text) {
  return text.find("x2") != text.npos ? 3 : text.find("x1") != text.npos ? 2 : 1;
}

Status expand(OnnxNode& node) {
  std::string op = node.attrs().text("op_type");
  const Formula* formula = find_formula(op, node.version());
  if (!formula) return fail(Code::unsupported, "{} is not known at op set {}", op, node.version());
  if (node.input_count() != static_cast<size_t>(operands_of(formula->text)))
    return fail(Code::invalid_model, "{} takes {} inputs, the node has {}", op, operands_of(formula->text),
                node.input_count());
  TN_ASSIGN(std::vector<ValueId> operands, legacy_operands(node));
  ValueId out;
  if (op == "Where") {
    TN_ASSIGN(out, where(node, operands[0], operands[1], operands[2]));
  } else if (op == "Equal" && node.type(0).dtype == DType::string) {
    TN_ASSIGN(out, node.add(kStringEqual, std::move(operands)));
  } else {
    TN_ASSIGN(out, add_formula(node, with_attributes(formula->text, node.attrs()), std::move(operands)));
  }
  node.output(0, out);
  return {};
}

constexpr auto kRows = [] {
  std::array<OnnxRow, std::size(kFormulas)> rows{};
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = {kFormulas[i].op, kFormulas[i].since, expand};
  return rows;
}();

}  // namespace

extern const OpFile elementwise_ops = {nullptr, kRows};

}  // namespace tenon
