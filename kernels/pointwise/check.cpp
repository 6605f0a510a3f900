#include "pointwise/check.h"

namespace tenon {

Status check_pointwise(const PrepareCall& call) {
  const Program& program = call.as<PointwiseParams>().program;
  TN_TRY(verify(program));
  TN_TRY(expect_counts(call, 1, kMaxProgramInputs, 1));
  if (program.inputs != call.inputs.size())
    return fail(Code::invalid_plan, "the program takes {} inputs, the step has {}", program.inputs, call.inputs.size());
  const Arg& out = call.outputs[0];
  TN_TRY(expect_rank(out, 0, kMaxRank, "output"));
  TN_TRY(expect_type(out, program.result_type(), "output"));
  int64_t dims[kMaxRank];
  for (int64_t& dim : dims) dim = 1;
  int rank = 0;
  for (size_t k = 0; k < call.inputs.size(); ++k) {
    const Arg& in = call.inputs[k];
    TN_TRY(expect_type(in, program.input_type[k], "operand"));
    TN_TRY(expect_rank(in, 0, out.rank, "operand"));
    rank = in.rank > rank ? in.rank : rank;
    for (int i = 0; i < in.rank; ++i) {
      int64_t& dim = dims[out.rank - in.rank + i];
      if (in.dims[i] != 1 && dim != 1 && in.dims[i] != dim)
        return fail(Code::invalid_plan, "operand {} {} does not broadcast to a dim of {}", k, describe(in), dim);
      if (in.dims[i] != 1) dim = in.dims[i];
    }
  }
  if (rank != out.rank)
    return fail(Code::invalid_plan, "output must have {} dims, it is {}", rank, describe(out));
  return expect_shape(out, {dims, static_cast<size_t>(out.rank)}, "output");
}

}  // namespace tenon
