#include "common/epilogue.h"

#include <algorithm>
#include <limits>

namespace tenon {

Status broadcast_strides(const Arg& operand, std::span<const int64_t> dims, const char* what,
                         BroadcastStrides& out) {
  TN_TRY(expect_format(operand, kLinear, what));
  TN_TRY(expect_rank(operand, 0, static_cast<int>(dims.size()), what));
  out = {};
  int64_t step = 1;
  const size_t skipped = dims.size() - static_cast<size_t>(operand.rank);
  for (int i = operand.rank - 1; i >= 0; --i) {
    const int64_t d = operand.dims[i], want = dims[skipped + static_cast<size_t>(i)];
    if (d != 1 && d != want)
      return fail(Code::invalid_plan, "{} {} does not broadcast to a dim of {}", what, describe(operand),
                  want);
    if (d != 1) out.at[skipped + static_cast<size_t>(i)] = step;
    step *= d;
  }
  return {};
}

Status check_epilogue(const Program& program, DType result, std::span<const Arg> extras, const Arg& out) {
  if (program.empty()) {
    if (!extras.empty() || program.inputs > 1)
      return fail(Code::invalid_plan,
                  "an epilogue without instructions takes no extra operands, it declares {} and the step has {}",
                  std::max(program.inputs - 1, 0), extras.size());
    return expect_type(out, result, "output");
  }
  TN_TRY(verify(program));
  if (static_cast<size_t>(program.inputs) != extras.size() + 1)
    return fail(Code::invalid_plan, "epilogue takes {} extra operands, the step has {}", program.inputs - 1,
                extras.size());
  if (program.input_type[0] != result)
    return fail(Code::invalid_plan, "epilogue's input 0 must be {}, it is {}", name_of(result),
                name_of(program.input_type[0]));
  for (size_t i = 0; i < extras.size(); ++i)
    TN_TRY(expect_type(extras[i], program.input_type[i + 1], "extra operand"));
  return expect_type(out, program.result_type(), "output");
}

bool match_add_clamp(const Program& program, AddClamp& out) {
  out = {};
  out.low = -std::numeric_limits<float>::infinity();
  out.high = std::numeric_limits<float>::infinity();
  if (program.empty()) return program.inputs <= 1;
  int current = 0;
  bool bounded = false;
  uint32_t used = 0;
  for (int i = 0; i < program.size; ++i) {
    const Instr& instr = program.code[static_cast<size_t>(i)];
    if (instr.type != DType::f32) return false;
    if (instr.op == ExprOp::constant) continue;
    if (instr.a != current && instr.b != current) return false;
    const int other = instr.a == current ? instr.b : instr.a;
    if (instr.op == ExprOp::add) {
      if (other == 0 || other >= program.inputs || bounded || out.adds == 2 || used >> other & 1)
        return false;
      if (program.input_type[static_cast<size_t>(other)] != DType::f32) return false;
      used |= 1u << other;
      out.extra[out.adds++] = other - 1;
    } else if (instr.op == ExprOp::max || instr.op == ExprOp::min) {
      if (other < program.inputs ||
          program.code[static_cast<size_t>(other - program.inputs)].op != ExprOp::constant)
        return false;
      const auto bound = static_cast<float>(program.code[static_cast<size_t>(other - program.inputs)].imm);
      if (bound != bound) return false;
      bounded = true;
      // clamp applies low first: a second bound of a kind, or bounds that cross, would need another order.
      if (instr.op == ExprOp::max) {
        if (out.low != -std::numeric_limits<float>::infinity() || bound > out.high) return false;
        out.low = bound;
      } else {
        if (out.high != std::numeric_limits<float>::infinity() || bound < out.low) return false;
        out.high = bound;
      }
    } else {
      return false;
    }
    current = program.inputs + i;
  }
  return current == program.inputs + program.size - 1 && out.adds == program.inputs - 1 &&
         program.input_type[0] == DType::f32;
}

bool match_add_silu(const Program& program, AddClamp& out) {
  if (program.size < 2) return false;
  const int sum = program.inputs + program.size - 3, gate = sum + 1;  // sum: input 0 where nothing is added
  const Instr &product = program.code[program.size - 1u], &sigmoid = program.code[program.size - 2u];
  const bool fits = product.op == ExprOp::mul && product.type == DType::f32 && sigmoid.op == ExprOp::sigmoid &&
                    sigmoid.a == sum && ((product.a == sum && product.b == gate) || (product.a == gate && product.b == sum));
  if (!fits) return false;
  Program inner = program;
  inner.size = static_cast<uint8_t>(program.size - 2);
  if (inner.empty() && (sum != 0 || program.input_type[0] != DType::f32)) return false;
  return match_add_clamp(inner, out) && out.low == -std::numeric_limits<float>::infinity() &&
         out.high == std::numeric_limits<float>::infinity();
}

}  // namespace tenon
