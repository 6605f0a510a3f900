// Expression programs: what a fused prologue or epilogue, or a whole pointwise node, computes for one element.
//
// A program is a list of instructions in order. Operand numbers 0 … inputs-1 name the inputs, inputs + k the
// result of instruction k; the last instruction is the program's result. Every operand and result has an element
// type; an instruction's operands have the type of its result unless its row in the table says otherwise
// (comparisons yield bool, where takes a bool first, cast takes anything). f16, bf16 and f8 are computed in f32.
//
// Text form, as filetests and reports show it: `x0` is input 0, nested calls, `:type` after a cast.
//   max(add(x0, x1), 0)          gelu: mul(mul(x0, 0.5), add(erf(mul(x0, 0.70710678)), 1))
//   cast(x0):i32                 twice: t0 = exp(x0); div(t0, add(t0, 1))
// A result that is used twice is bound to a name first. A constant has the type of its siblings; where there are none
// it is written behind it (1:f32). The type of an input is not in the text: it comes from the node's operands.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/status.h"

namespace tenon {

enum class ExprOp : uint8_t {
#define TN_EXPR(name, arity, kind) name,
#include "base/program.def"
#undef TN_EXPR
  count_
};

struct Instr {
  ExprOp op{};
  DType type{};        // of the result
  uint8_t a = 0, b = 0, c = 0;
  uint8_t zero[3] = {};
  double imm = 0;      // `constant` only; integers up to 2^53 exactly

  friend bool operator==(const Instr&, const Instr&) = default;
};
static_assert(sizeof(Instr) == 16);

inline constexpr int kMaxProgramInputs = 16;
inline constexpr int kMaxProgramCode = 48;

// Plain data: lies in kernel parameter blocks as it is. Unused entries are zero, so equal programs have equal bytes.
struct Program {
  uint8_t inputs = 0;
  uint8_t size = 0;                    // instructions; 0: the identity of input 0 (or no program at all)
  uint8_t zero[6] = {};
  std::array<DType, kMaxProgramInputs> input_type{};
  std::array<Instr, kMaxProgramCode> code{};

  bool empty() const { return size == 0; }
  std::span<const Instr> instructions() const { return {code.data(), size}; }
  // The type of what the program yields.
  DType result_type() const { return size ? code[size - 1].type : input_type[0]; }
  DType type_of(int operand) const {
    return operand < inputs ? input_type[operand] : code[operand - inputs].type;
  }

  friend bool operator==(const Program&, const Program&) = default;
};
static_assert(sizeof(Program) == 24 + 16 * kMaxProgramCode);

// Name, number of operands.
std::string_view name_of(ExprOp op);
int arity(ExprOp op);

// Refuses counts beyond the maxima, operands that are not yet computed, types that do not fit. A program that
// passes can be run on any data. Plan loaders call it on untrusted bytes.
Status verify(const Program& program);

std::string print(const Program& program);
// `types` are the inputs' element types.
Result<Program> parse_program(std::string_view text, std::span<const DType> types);

// Builds a program an instruction at a time; the numbers it returns are operands.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::span<const DType> input_types);
  // Of an input or an instruction emitted so far; none for a number that names neither.
  DType type_of(uint8_t operand) const;
  uint8_t constant(DType type, double value);
  uint8_t unary(ExprOp op, uint8_t a);
  uint8_t binary(ExprOp op, uint8_t a, uint8_t b);
  uint8_t where(uint8_t condition, uint8_t a, uint8_t b);
  uint8_t cast(DType type, uint8_t a);   // `a` itself when it has the type
  uint8_t emit(Instr instr);
  // Appends all of `inner` with its inputs bound to `operands`; returns its result.
  uint8_t inline_program(const Program& inner, std::span<const uint8_t> operands);
  // The program whose result is `result`, in one order for one expression: equal instructions are merged, unused ones
  // dropped, operands come in order of use. Fails if it outgrew the maxima.
  Result<Program> finish(uint8_t result);

 private:
  Program program_;
  bool overflow_ = false;
};

// One program that computes outer(x0 …) where outer's input `slot` is inner's result. Inputs: inner's, then
// outer's without `slot`. Fails when the maxima are exceeded.
Result<Program> compose(const Program& outer, int slot, const Program& inner);

}  // namespace tenon
