#include "base/program.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

namespace tenon {
namespace {

struct OpRow {
  std::string_view name;
  int arity;
  char kind;
};

constexpr OpRow kOps[] = {
#define TN_EXPR(name, arity, kind) {#name, arity, kind},
#include "base/program.def"
#undef TN_EXPR
};
constexpr int kOpCount = static_cast<int>(ExprOp::count_);
static_assert(std::size(kOps) == kOpCount);

const OpRow& row(ExprOp op) { return kOps[static_cast<int>(op)]; }

bool is_element(DType type) { return is_known(type) && type != DType::string; }

std::array<uint8_t, 3> operands(const Instr& instr) { return {instr.a, instr.b, instr.c}; }

// Whether `value` is one of an integer type's (bool: 0 and 1).
bool holds(DType type, double value) {
  if (is_float(type)) return true;
  if (!(value == std::trunc(value))) return false;
  if (type == DType::boolean) return value == 0 || value == 1;
  if (!is_integer(type)) return false;
  int bits = static_cast<int>(size_of(type)) * 8;
  double high = std::ldexp(1.0, is_signed(type) ? bits - 1 : bits);
  return value < high && value >= (is_signed(type) ? -high : 0.0);
}

tl::unexpected<Error> refuse(int index, const Instr& instr, std::string_view why) {
  return fail(Code::invalid_plan, "instruction {} of an expression program ({} to {}): {}", index,
              name_of(instr.op), name_of(instr.type), why);
}

Status verify_types(const Program& program, int index) {
  const Instr& instr = program.code[index];
  DType a = program.type_of(instr.a), b = program.type_of(instr.b), c = program.type_of(instr.c);
  int count = row(instr.op).arity;
  bool same = (count < 1 || a == instr.type) && (count < 2 || b == instr.type) && (count < 3 || c == instr.type);
  switch (row(instr.op).kind) {
    case 'k':
      if (!holds(instr.type, instr.imm)) return refuse(index, instr, "the constant is none of the type's values");
      return {};
    case 'v': return {};
    case 'n':
      if (!is_float(instr.type) && !is_integer(instr.type)) return refuse(index, instr, "expected a number type");
      break;
    case 'f':
      if (!is_float(instr.type)) return refuse(index, instr, "expected a float type");
      break;
    case 'i':
      if (!is_integer(instr.type)) return refuse(index, instr, "expected an integer type");
      break;
    case 'l':
      if (instr.type != DType::boolean) return refuse(index, instr, "expected bool");
      break;
    case 'c':
      if (instr.type != DType::boolean) return refuse(index, instr, "a comparison yields bool");
      same = a == b;
      break;
    case 't':
      if (instr.type != DType::boolean) return refuse(index, instr, "a test yields bool");
      if (!is_float(a)) return refuse(index, instr, "expected an operand of a float type");
      same = true;
      break;
    case 'w':
      if (a != DType::boolean) return refuse(index, instr, "the condition must be bool");
      same = b == instr.type && c == instr.type;
      break;
  }
  if (!same) return refuse(index, instr, "the operands' types differ from what the op takes");
  return {};
}

// A context verifies programs whenever a shape is new: bytes are compared many at a time.
bool all_zero(const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  return bytes == 0 || (*at == 0 && std::memcmp(at, at + 1, bytes - 1) == 0);
}
template <class Array>
bool all_zero(const Array& bytes) {
  return all_zero(std::data(bytes), std::size(bytes));
}

}  // namespace

std::string_view name_of(ExprOp op) { return static_cast<int>(op) < kOpCount ? row(op).name : "?"; }

int arity(ExprOp op) { return static_cast<int>(op) < kOpCount ? row(op).arity : 0; }

Status verify(const Program& program) {
  if (program.inputs > kMaxProgramInputs || program.size > kMaxProgramCode)
    return fail(Code::invalid_plan, "expression program has {} inputs and {} instructions, at most {} and {} are allowed",
                program.inputs, program.size, kMaxProgramInputs, kMaxProgramCode);
  if (!all_zero(program.zero)) return fail(Code::invalid_plan, "expression program has bits set in reserved bytes");
  for (int i = 0; i < kMaxProgramInputs; ++i)
    if (i < program.inputs ? !is_element(program.input_type[i]) : program.input_type[i] != DType::none)
      return fail(Code::invalid_plan, "input {} of an expression program has type {}, expected {}", i,
                  static_cast<int>(program.input_type[i]), i < program.inputs ? "an element type" : "none");
  for (int i = 0; i < program.size; ++i) {
    const Instr& instr = program.code[i];
    if (static_cast<int>(instr.op) >= kOpCount)
      return fail(Code::invalid_plan, "instruction {} of an expression program has op number {}, at most {} is known", i,
                  static_cast<int>(instr.op), kOpCount - 1);
    if (!is_element(instr.type)) return refuse(i, instr, "the result's type is no element type");
    if (!all_zero(instr.zero) || (instr.op != ExprOp::constant && std::bit_cast<uint64_t>(instr.imm) != 0))
      return refuse(i, instr, "bits are set in unused fields");
    int computed = program.inputs + i;
    for (int k = 0; k < 3; ++k) {
      int operand = operands(instr)[k];
      if (k < row(instr.op).arity ? operand >= computed : operand != 0)
        return refuse(i, instr, "an operand is not computed yet, or unused and not 0");
    }
    // type_of(0) of a program without inputs reads instruction 0, which exists here.
    TN_TRY(verify_types(program, i));
  }
  if (!all_zero(program.code.data() + program.size, (kMaxProgramCode - program.size) * sizeof(Instr)))
    return fail(Code::invalid_plan, "expression program has bits set after its last instruction");
  return {};
}

// ---- Printing: results that are used more than once become `t0 = …; ` in front of the expression.

namespace {

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program) {
    for (const Instr& instr : program.instructions())
      for (int k = 0; k < arity(instr.op); ++k) ++uses_[operands(instr)[k]];
  }

  std::string text() {
    if (program_.size == 0) return "x0";
    std::string out;
    int last = program_.size - 1;
    for (int i = 0; i < last; ++i) {
      if (program_.code[i].op == ExprOp::constant || uses_[program_.inputs + i] < 2) continue;
      std::string expression = call(i);
      names_[program_.inputs + i] = "t" + std::to_string(named_++);
      out += names_[program_.inputs + i] + " = " + expression + "; ";
    }
    const Instr& result = program_.code[last];
    return out + (result.op == ExprOp::constant ? constant(result, true) : call(last));
  }

 private:
  bool is_constant(int operand) const {
    return operand >= program_.inputs && program_.code[operand - program_.inputs].op == ExprOp::constant;
  }

  static std::string constant(const Instr& instr, bool typed) {
    std::string out = fmt::format("{}", instr.imm);
    return typed ? out + ":" + std::string(name_of(instr.type)) : out;
  }

  std::string operand(int number, bool typed) const {
    if (number < program_.inputs) return "x" + std::to_string(number);
    if (is_constant(number)) return constant(program_.code[number - program_.inputs], typed);
    return names_[number].empty() ? call(number - program_.inputs) : names_[number];
  }

  std::string call(int index) const {
    const Instr& instr = program_.code[index];
    char kind = row(instr.op).kind;
    int first = kind == 'w' ? 1 : 0;  // the first operand that shares a type with its siblings
    bool deduced = false;
    for (int k = first; k < arity(instr.op); ++k) deduced |= !is_constant(operands(instr)[k]);
    if (kind == 'v') deduced = false;
    std::string out(name_of(instr.op));
    for (int k = 0; k < arity(instr.op); ++k)
      out += (k ? ", " : "(") + operand(operands(instr)[k], !deduced || k < first);
    out += ')';
    if (instr.op == ExprOp::cast) out += ":" + std::string(name_of(instr.type));
    return out;
  }

  const Program& program_;
  std::array<int, 256> uses_{};
  std::array<std::string, 256> names_;
  int named_ = 0;
};

}  // namespace

std::string print(const Program& program) { return Printer(program).text(); }

// ---- Parsing.

namespace {

class Parser {
 public:
  Parser(std::string_view text, std::span<const DType> types) : text_(text), types_(types), builder_(types) {}

  Result<Program> parse() {
    while (true) {
      size_t start = at_;
      std::string_view name = word();
      if (!name.empty() && take('=')) {
        TN_ASSIGN(Term term, expression(0));
        TN_TRY(resolved(term));
        if (!take(';')) return error("expected ';' after a binding");
        bindings_.emplace_back(name, term.operand);
        continue;
      }
      at_ = start;
      break;
    }
    TN_ASSIGN(Term term, expression(0));
    TN_TRY(resolved(term));
    skip();
    if (at_ != text_.size()) return error("expected the end");
    return builder_.finish(term.operand);
  }

 private:
  // An operand, or a constant whose type its siblings decide.
  struct Term {
    uint8_t operand = 0;
    std::optional<double> untyped;
  };

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    skip();
    size_t start = at_;
    auto in_word = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    while (at_ < text_.size() && in_word(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  tl::unexpected<Error> error(std::string_view why) const {
    return fail(Code::invalid_argument, "expression program '{}', column {}: {}", text_, at_ + 1, why);
  }
  Status resolved(const Term& term) const {
    if (term.untyped) return error("the constant's type is not known here: write it as in 0:f32");
    return {};
  }

  Result<DType> type() {
    auto found = dtype_from_name(word());
    if (!found || !is_element(*found)) return error("expected an element type, as in f32");
    return *found;
  }

  static bool is_input(std::string_view name) {
    return name.size() >= 2 && name.size() <= 3 && name[0] == 'x' && name.find_first_not_of("0123456789", 1) == name.npos;
  }

  Result<Term> expression(int depth) {
    if (depth > kMaxProgramCode) return error("nested too deep");
    skip();
    size_t start = at_;
    if (std::optional<double> value = number()) {
      if (!take(':')) return Term{0, value};
      TN_ASSIGN(DType constant_type, type());
      return Term{builder_.constant(constant_type, *value), {}};
    }
    std::string_view name = word();
    for (const auto& [bound, operand] : bindings_)
      if (bound == name) return Term{operand, {}};
    if (is_input(name)) {
      int index = 0;
      std::from_chars(name.data() + 1, name.data() + name.size(), index);
      if (index < static_cast<int>(types_.size())) return Term{static_cast<uint8_t>(index), {}};
      return error("no such input");
    }
    for (int op = 1; op < kOpCount; ++op)
      if (kOps[op].name == name) return call(static_cast<ExprOp>(op), depth);
    at_ = start;
    return error("expected x0, a number or a known op");
  }

  std::optional<double> number() {
    double value = 0;
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    auto [stop, code] = std::from_chars(begin, end, value);
    if (code != std::errc{} || stop == begin) return std::nullopt;
    at_ += static_cast<size_t>(stop - begin);
    return value;
  }

  Result<Term> call(ExprOp op, int depth) {
    std::array<Term, 3> terms{};
    if (!take('(')) return error("expected '('");
    for (int k = 0; k < arity(op); ++k) {
      if (k && !take(',')) return error("expected ','");
      TN_ASSIGN(terms[k], expression(depth + 1));
    }
    if (!take(')')) return error("expected ')'");
    char kind = row(op).kind;
    int first = kind == 'w' ? 1 : 0;
    const Term* typed = nullptr;
    for (int k = first; k < arity(op) && kind != 'v'; ++k)
      if (!terms[k].untyped) typed = &terms[k];
    for (int k = 0; k < arity(op); ++k) {
      if (!terms[k].untyped) continue;
      if (!typed || k < first) TN_TRY(resolved(terms[k]));
      terms[k] = {builder_.constant(builder_.type_of(typed->operand), *terms[k].untyped), {}};
    }
    if (op == ExprOp::cast) {
      if (!take(':')) return error("expected the type of a cast, as in cast(x0):f32");
      TN_ASSIGN(DType target, type());
      return Term{builder_.cast(target, terms[0].operand), {}};
    }
    if (kind == 'w') return Term{builder_.where(terms[0].operand, terms[1].operand, terms[2].operand), {}};
    if (arity(op) == 1) return Term{builder_.unary(op, terms[0].operand), {}};
    return Term{builder_.binary(op, terms[0].operand, terms[1].operand), {}};
  }

  std::string_view text_;
  std::span<const DType> types_;
  size_t at_ = 0;
  ProgramBuilder builder_;
  std::vector<std::pair<std::string_view, uint8_t>> bindings_;
};

}  // namespace

Result<Program> parse_program(std::string_view text, std::span<const DType> types) {
  if (types.size() > kMaxProgramInputs)
    return fail(Code::invalid_argument, "expression program '{}' has {} inputs, at most {} are allowed", text,
                types.size(), kMaxProgramInputs);
  return Parser(text, types).parse();
}

// ---- Building.

ProgramBuilder::ProgramBuilder(std::span<const DType> input_types) {
  overflow_ = input_types.size() > kMaxProgramInputs;
  program_.inputs = static_cast<uint8_t>(std::min<size_t>(input_types.size(), kMaxProgramInputs));
  std::copy_n(input_types.begin(), program_.inputs, program_.input_type.begin());
}

DType ProgramBuilder::type_of(uint8_t operand) const {
  return operand < program_.inputs + program_.size ? program_.type_of(operand) : DType::none;
}

uint8_t ProgramBuilder::emit(Instr instr) {
  for (int i = 0; i < program_.size; ++i)
    if (std::memcmp(&program_.code[i], &instr, sizeof instr) == 0) return static_cast<uint8_t>(program_.inputs + i);
  if (program_.size == kMaxProgramCode) {
    overflow_ = true;
    return 0;
  }
  program_.code[program_.size] = instr;
  return static_cast<uint8_t>(program_.inputs + program_.size++);
}

uint8_t ProgramBuilder::constant(DType type, double value) {
  Instr instr;
  instr.op = ExprOp::constant;
  instr.type = type;
  instr.imm = value;
  return emit(instr);
}

uint8_t ProgramBuilder::unary(ExprOp op, uint8_t a) {
  Instr instr;
  instr.op = op;
  instr.type = row(op).kind == 't' ? DType::boolean : type_of(a);
  instr.a = a;
  return emit(instr);
}

uint8_t ProgramBuilder::binary(ExprOp op, uint8_t a, uint8_t b) {
  Instr instr;
  instr.op = op;
  instr.type = row(op).kind == 'c' ? DType::boolean : type_of(a);
  instr.a = a;
  instr.b = b;
  return emit(instr);
}

uint8_t ProgramBuilder::where(uint8_t condition, uint8_t a, uint8_t b) {
  Instr instr;
  instr.op = ExprOp::where;
  instr.type = type_of(a);
  instr.a = condition;
  instr.b = a;
  instr.c = b;
  return emit(instr);
}

uint8_t ProgramBuilder::cast(DType type, uint8_t a) {
  if (type_of(a) == type) return a;
  Instr instr;
  instr.op = ExprOp::cast;
  instr.type = type;
  instr.a = a;
  return emit(instr);
}

uint8_t ProgramBuilder::inline_program(const Program& inner, std::span<const uint8_t> operand_numbers) {
  std::array<uint8_t, kMaxProgramInputs + kMaxProgramCode> map{};
  if (operand_numbers.size() < inner.inputs) {
    overflow_ = true;
    return 0;
  }
  std::copy_n(operand_numbers.begin(), inner.inputs, map.begin());
  uint8_t result = map[0];
  for (int i = 0; i < inner.size; ++i) {
    Instr instr = inner.code[i];
    int count = arity(instr.op);
    if (count > 0) instr.a = map[instr.a];
    if (count > 1) instr.b = map[instr.b];
    if (count > 2) instr.c = map[instr.c];
    result = map[inner.inputs + i] = emit(instr);
  }
  return result;
}

// Keeps what the result needs, each instruction after its operands in order a, b, c: one order for one expression.
Result<Program> ProgramBuilder::finish(uint8_t result) {
  if (overflow_)
    return fail(Code::limit_exceeded, "expression program has more than {} inputs or {} instructions", kMaxProgramInputs,
                kMaxProgramCode);
  if (result >= program_.inputs + program_.size && result != 0)
    return fail(Code::internal, "expression program's result is operand {}, of {}", result,
                program_.inputs + program_.size);
  if (result < program_.inputs && result > 0) {
    Instr copy;
    copy.op = ExprOp::cast;
    copy.type = program_.type_of(result);
    copy.a = result;
    result = emit(copy);
    if (overflow_)
      return fail(Code::limit_exceeded, "expression program has more than {} instructions", kMaxProgramCode);
  }
  Program out;
  out.inputs = program_.inputs;
  out.input_type = program_.input_type;
  std::array<int, kMaxProgramInputs + kMaxProgramCode> map;
  map.fill(-1);
  for (int i = 0; i < program_.inputs; ++i) map[i] = i;
  auto visit = [&](auto&& self, int operand) -> uint8_t {
    if (map[operand] >= 0) return static_cast<uint8_t>(map[operand]);
    Instr instr = program_.code[operand - program_.inputs];
    int count = arity(instr.op);
    if (count > 0) instr.a = self(self, instr.a);
    if (count > 1) instr.b = self(self, instr.b);
    if (count > 2) instr.c = self(self, instr.c);
    out.code[out.size] = instr;
    map[operand] = out.inputs + out.size++;
    return static_cast<uint8_t>(map[operand]);
  };
  if (result >= program_.inputs && program_.size > 0) visit(visit, result);
  TN_TRY(verify(out));
  return out;
}

Result<Program> compose(const Program& outer, int slot, const Program& inner) {
  if (slot < 0 || slot >= outer.inputs)
    return fail(Code::internal, "compose: outer program has {} inputs, slot {} asked for", outer.inputs, slot);
  if (outer.input_type[slot] != inner.result_type())
    return fail(Code::internal, "compose: the inner program yields {}, the outer takes {}", name_of(inner.result_type()),
                name_of(outer.input_type[slot]));
  std::vector<DType> types(inner.input_type.begin(), inner.input_type.begin() + inner.inputs);
  for (int i = 0; i < outer.inputs; ++i)
    if (i != slot) types.push_back(outer.input_type[i]);
  ProgramBuilder builder(types);
  std::vector<uint8_t> inner_operands, outer_operands;
  for (int i = 0; i < inner.inputs; ++i) inner_operands.push_back(static_cast<uint8_t>(i));
  uint8_t value = builder.inline_program(inner, inner_operands);
  int next = inner.inputs;
  for (int i = 0; i < outer.inputs; ++i)
    outer_operands.push_back(i == slot ? value : static_cast<uint8_t>(next++));
  return builder.finish(builder.inline_program(outer, outer_operands));
}

}  // namespace tenon
