#include "cuda/product.h"

#include <algorithm>

#include "common/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"
#include "matmul/geometry.h"

namespace tenon::cuda {

std::string_view accumulator_name(DType type) {
  if (type == DType::f64) return "double";
  if (is_float(type)) return "float";
  return size_of(type) == 8 ? "u64" : "u32";
}

Status check_matmul(const PrepareCall& call, const MatmulParams& params, DType& type) {
  TN_TRY(verify(params.epilogue));
  TN_TRY(check_computable(params.epilogue));
  TN_TRY(expect_counts(call, 2, 1 + kMaxProgramInputs, 1));
  TN_ASSIGN(Logical logical, Logical::of(call));
  for (const Arg& arg : call.inputs) TN_TRY(expect_format(arg, kLinear, "operand"));
  TN_TRY(expect_format(call.outputs[0], kLinear, "output"));
  logical.by_programs(nullptr, 2, params.epilogue, 2);
  if (!with_number(logical.inputs[0].dtype, [](auto) {}))
    return fail(Code::invalid_plan, "a must have a float or integer type, it is {}", describe(call.inputs[0]));
  TN_TRY(expect_type(logical.inputs[1], logical.inputs[0].dtype, "b"));
  type = logical.inputs[0].dtype;
  MatmulGeometry geometry;
  return matmul_geometry(params, logical.inputs[0], logical.inputs[1], std::span<const Arg>(logical.inputs).subspan(2),
                         logical.outputs[0], geometry);
}

MatmulLoops matmul_loops(const PrepareCall& call, const MatmulParams& params, Variant variant) {
  MatmulLoops out{Space(variant)};
  Space& space = out.space;
  const Arg &a = call.inputs[0], &b = call.inputs[1], &y = call.outputs[0];
  const int rank = std::max(a.rank, b.rank);
  auto dim = [](const Arg& arg, const int8_t* perm, int i) { return arg.dims[perm[i]]; };
  auto fixed = [](const Arg& arg, const int8_t* perm, int i) { return (arg.fixed_dims >> perm[i] & 1) != 0; };
  for (int i = 0; i < rank - 2; ++i) {
    const int ia = i - (rank - a.rank), ib = i - (rank - b.rank);
    const int64_t da = ia < 0 ? 1 : dim(a, params.perm_a, ia), db = ib < 0 ? 1 : dim(b, params.perm_b, ib);
    const bool fa = ia < 0 || fixed(a, params.perm_a, ia), fb = ib < 0 || fixed(b, params.perm_b, ib);
    space.add_loop(space.number(da == 1 ? db : da, (fa && da != 1) || (fb && db != 1) || (fa && fb)), 0);
  }
  out.m = space.add_loop(space.number(dim(a, params.perm_a, a.rank - 2), fixed(a, params.perm_a, a.rank - 2)), 1);
  out.n = space.add_loop(space.number(dim(b, params.perm_b, b.rank - 1), fixed(b, params.perm_b, b.rank - 1)), 2);
  out.k = space.add_loop(space.number(dim(a, params.perm_a, a.rank - 1),
                                      fixed(a, params.perm_a, a.rank - 1) || fixed(b, params.perm_b, b.rank - 2)), kInnerGroup);
  for (int loop : {out.m, out.n, out.k}) space.keep(loop);
  int of_a[kMaxRank], of_b[kMaxRank], of_y[kMaxRank];
  for (int i = 0; i < a.rank; ++i)
    of_a[params.perm_a[i]] = i == a.rank - 1 ? out.k : i == a.rank - 2 ? out.m : rank - a.rank + i;
  for (int i = 0; i < b.rank; ++i)
    of_b[params.perm_b[i]] = i == b.rank - 1 ? out.n : i == b.rank - 2 ? out.k : rank - b.rank + i;
  for (int i = 0; i < rank; ++i) of_y[i] = params.perm_out[i];
  auto span = [](const int* of, int n) { return std::span<const int>(of, static_cast<size_t>(n)); };
  space.add_operand(space.dense(a, span(of_a, a.rank), true));
  space.add_operand(space.dense(b, span(of_b, b.rank), true));
  space.add_operand(space.dense(y, span(of_y, rank), true));
  for (const Arg& extra : call.inputs.subspan(2)) {
    int of[kMaxRank];
    for (int i = 0; i < extra.rank; ++i) of[i] = rank - extra.rank + i;
    space.add_operand(space.dense(extra, span(of, extra.rank), true));
  }
  space.simplify();
  out.k = static_cast<int>(space.loops().size()) - 1;
  out.n = out.k - 1;
  out.m = out.k - 2;
  return out;
}

}  // namespace tenon::cuda
