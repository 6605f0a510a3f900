#include "common/stage.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "common/epilogue.h"

namespace tenon {
namespace {

// Operand 0 of an epilogue is dense; extras broadcast to it.
Status make_epilogue_nest(const Arg& result, std::span<const Arg> extras, const Arg& output, TileNest& nest) {
  std::array<Arg, kMaxProgramInputs> operands;
  operands[0] = result;
  std::copy(extras.begin(), extras.end(), operands.begin() + 1);
  return make_nest({operands.data(), extras.size() + 1}, output, nest);
}

}  // namespace

Status check_prologue(const Program& program, std::span<const Arg> operands, Prologue& out) {
  TN_TRY(verify(program));
  if (operands.size() != prologue_inputs(program))
    return fail(Code::invalid_plan, "the prologue takes {} operands, the step has {}", prologue_inputs(program),
                operands.size());
  out.x = {};
  for (size_t k = 0; k < operands.size(); ++k) {
    const Arg& in = operands[k];
    TN_TRY(expect_format(in, kLinear, "operand"));
    if (!in.present()) return fail(Code::invalid_plan, "operand {} is absent", k);
    if (!program.empty()) TN_TRY(expect_type(in, program.input_type[k], "operand"));
    TN_TRY(expect_rank(in, 0, kMaxRank, "operand"));
    out.x.rank = std::max(out.x.rank, in.rank);
  }
  std::fill_n(out.x.dims, out.x.rank, 1);
  for (const Arg& in : operands) {
    for (int i = 0; i < in.rank; ++i) {
      int64_t& dim = out.x.dims[out.x.rank - in.rank + i];
      if (in.dims[i] != 1 && dim != 1 && in.dims[i] != dim)
        return fail(Code::invalid_plan, "operand {} does not broadcast to a dim of {}", describe(in), dim);
      if (in.dims[i] != 1) dim = in.dims[i];
    }
  }
  out.x.dtype = program.empty() ? operands[0].dtype : program.result_type();
  int64_t count = 1;
  for (int64_t dim : out.x.shape()) {
    auto product = checked_mul(count, dim);
    if (!product) return fail(Code::invalid_plan, "the operands broadcast to more elements than can be counted");
    count = *product;
  }
  return program.empty() ? Status{} : make_nest(operands, out.x, out.nest);
}

Status check_epilogue_nest(const Program& program, const Arg& result, std::span<const Arg> extras, const Arg& output,
                           TileNest& nest) {
  TN_TRY(expect_format(output, kLinear, "output"));
  TN_TRY(check_epilogue(program, result.dtype, extras, output));
  TN_TRY(expect_shape(output, result.shape(), "output"));
  return program.empty() ? Status{} : make_epilogue_nest(result, extras, output, nest);
}

std::optional<int64_t> scratch_for(const Arg& tensor) {
  auto bytes = checked_mul(tensor.count(), static_cast<int64_t>(size_of(tensor.dtype)));
  auto padded = bytes ? checked_add(*bytes, 63) : std::nullopt;
  if (!padded) return std::nullopt;
  return *padded & ~int64_t{63};
}

}  // namespace tenon
