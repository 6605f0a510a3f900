#include "cuda/generate/program_text.h"

#include <bit>
#include <cmath>
#include <optional>
#include <vector>

#include "base/half.h"
#include "cuda/generate/element.h"

namespace tenon::cuda {
namespace {

float rounded(DType type, double value) {
  float out = static_cast<float>(value);
  if (type == DType::f32) return out;
  if (static_cast<double>(out) != value && std::isfinite(out)) {  // to odd, so that there is one rounding
    uint32_t bits = std::bit_cast<uint32_t>(out);
    if (std::fabs(static_cast<double>(out)) > std::fabs(value)) --bits;
    out = std::bit_cast<float>(bits | 1);
  }
  return type == DType::f16 ? half_to_float(float_to_half(out)) : bfloat_to_float(float_to_bfloat(out));
}

std::string constant_text(const Instr& instr) {
  switch (instr.type) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return fmt::format("__uint_as_float(0x{:08x}u)", std::bit_cast<uint32_t>(rounded(instr.type, instr.imm)));
    case DType::f64: return fmt::format("__longlong_as_double(0x{:016x}ll)", std::bit_cast<uint64_t>(instr.imm));
    case DType::boolean: return instr.imm != 0 ? "(u8)1" : "(u8)0";
    case DType::u64: return fmt::format("(u64){}ull", static_cast<uint64_t>(instr.imm));
    case DType::i64:
      if (instr.imm == -0x1p63) return "(i64)(-9223372036854775807ll - 1)";
      [[fallthrough]];
    default: return fmt::format("({})({}ll)", value_name(instr.type), static_cast<int64_t>(instr.imm));
  }
}

bool near(double a, double b) { return std::fabs(a - b) <= 1e-5 * std::fabs(b); }

// Reads a program from its results back.
struct Backwards {
  const Program& program;
  const Instr* instr(int number) const { return number < program.inputs ? nullptr : &program.code[static_cast<size_t>(number - program.inputs)]; }
  const Instr* instr(int number, ExprOp op) const {
    const Instr* found = instr(number);
    return found && found->op == op ? found : nullptr;
  }
  bool constant(int number, double& value) const {
    const Instr* found = instr(number, ExprOp::constant);
    if (found) value = found->imm;
    return found != nullptr;
  }
  // The factors of a product of products, constants apart; false if there are more than a GELU's.
  bool factors(int number, double& scale, std::vector<int>& others, int& visits) const {
    double value;
    if (++visits > 12) return false;
    if (constant(number, value)) {
      scale *= value;
    } else if (const Instr* mul = instr(number, ExprOp::mul)) {
      return factors(mul->a, scale, others, visits) && factors(mul->b, scale, others, visits);
    } else {
      others.push_back(number);
    }
    return true;
  }
  // Whether the operand is v / sqrt(2).
  bool is_scaled(int number, int v) const {
    double value;
    if (const Instr* mul = instr(number, ExprOp::mul))
      return (mul->a == v && constant(mul->b, value) && near(value, M_SQRT1_2)) || (mul->b == v && constant(mul->a, value) && near(value, M_SQRT1_2));
    const Instr* div = instr(number, ExprOp::div);
    return div && div->a == v && constant(div->b, value) && near(value, M_SQRT2);
  }
  // Whether the operand is 1 + erf(v / sqrt(2)).
  bool is_gate(int number, int v) const {
    const Instr* sum = instr(number, ExprOp::add);
    if (!sum) return false;
    for (const auto& [term, one] : {std::pair{sum->a, sum->b}, std::pair{sum->b, sum->a}}) {
      double value;
      const Instr* erf = instr(term, ExprOp::erf);
      if (erf && constant(one, value) && value == 1 && is_scaled(erf->a, v)) return true;
    }
    return false;
  }
};

// v, where the instruction computes v (1 + erf(v / sqrt(2))) / 2 in f32.
std::optional<int> gelu_argument(const Program& program, int at) {
  const Instr& instr = program.code[static_cast<size_t>(at)];
  if (instr.op != ExprOp::mul || instr.type != DType::f32) return std::nullopt;
  const Backwards from{program};
  double scale = 1;
  std::vector<int> others;
  int visits = 0;
  if (!from.factors(at + program.inputs, scale, others, visits) || others.size() != 2 || !near(scale, 0.5)) return std::nullopt;
  if (from.is_gate(others[1], others[0])) return others[0];
  if (from.is_gate(others[0], others[1])) return others[1];
  return std::nullopt;
}

}  // namespace

std::string program_text(const Program& program, const std::string& name, DType identity, bool narrow) {
  if (program.empty())
    return fmt::format("FN {0} {1}({0} x0) {{ return x0; }}\n", value_name(identity), name);
  auto operand = [&](int number) {
    return number < program.inputs ? fmt::format("x{}", number) : fmt::format("t{}", number - program.inputs);
  };
  std::string out = fmt::format("FN {} {}(", value_name(program.result_type()), name);
  for (int i = 0; i < program.inputs; ++i)
    out += fmt::format("{}{} x{}", i ? ", " : "", value_name(program.input_type[static_cast<size_t>(i)]), i);
  out += ") {\n";
  for (int i = 0; i < program.size; ++i) {
    const Instr& instr = program.code[static_cast<size_t>(i)];
    std::string text;
    if (instr.op == ExprOp::constant) {
      text = constant_text(instr);
    } else if (const auto v = narrow && i + 1 == program.size ? gelu_argument(program, i) : std::nullopt) {
      text = fmt::format("op_gelu_near({})", operand(*v));
    } else if (instr.op == ExprOp::cast) {
      text = fmt::format("Cast<{}>::of({})", storage_name(instr.type), operand(instr.a));
    } else {
      text = fmt::format("op_{}({}", name_of(instr.op), operand(instr.a));
      if (arity(instr.op) > 1) text += ", " + operand(instr.b);
      if (arity(instr.op) > 2) text += ", " + operand(instr.c);
      text += ")";
    }
    out += fmt::format("  const {} t{} = {};\n", value_name(instr.type), i, text);
  }
  return out + fmt::format("  return t{};\n}}\n", program.size - 1);
}

Status check_computable(const Program& program) {
  auto check = [](DType type) -> Status {
    if (is_computable(type)) return {};
    return fail(Code::unsupported, "CUDA kernels do not compute expression programs of {}", name_of(type));
  };
  for (int i = 0; i < program.inputs; ++i) TN_TRY(check(program.input_type[static_cast<size_t>(i)]));
  for (const Instr& instr : program.instructions()) TN_TRY(check(instr.type));
  return {};
}

}  // namespace tenon::cuda
