#include "matmul/geometry.h"

#include <algorithm>

#include "base/checked.h"

namespace tenon {
namespace {

// Dims and dense steps of an operand as it looks after its permutation.
struct Permuted {
  int rank = 0;
  int64_t dims[kMaxRank] = {}, steps[kMaxRank] = {};
};

void dense_steps(const int64_t* dims, int rank, int64_t* steps) {
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    steps[i] = step;
    step *= dims[i];
  }
}

Status permute(const Arg& arg, const int8_t* perm, const char* what, Permuted& out) {
  TN_TRY(expect_format(arg, kLinear, what));
  TN_TRY(expect_rank(arg, 2, kMaxRank, what));
  if (!is_permutation(perm, arg.rank))
    return fail(Code::invalid_plan, "the permutation of {} must have each of 0 to {} once", what,
                arg.rank - 1);
  int64_t steps[kMaxRank];
  dense_steps(arg.dims, arg.rank, steps);
  out.rank = arg.rank;
  for (int i = 0; i < arg.rank; ++i) {
    out.dims[i] = arg.dims[perm[i]];
    out.steps[i] = steps[perm[i]];
  }
  return {};
}

// The operand's steps over the batch dims, right-aligned.
void batch_steps(const Permuted& operand, const MatmulGeometry& geometry, MatmulGeometry::Steps& out) {
  const int own = operand.rank - 2, missing = geometry.batch_rank - own;
  for (int i = 0; i < own; ++i)
    if (operand.dims[i] != 1) out.batch[missing + i] = operand.steps[i];
  out.row = operand.steps[own];
  out.col = operand.steps[own + 1];
}

}  // namespace

bool is_permutation(const int8_t* perm, int rank) {
  uint32_t seen = 0;
  for (int i = 0; i < rank; ++i) {
    if (perm[i] < 0 || perm[i] >= rank || seen >> perm[i] & 1) return false;
    seen |= 1u << perm[i];
  }
  return true;
}

Status matmul_geometry(const MatmulParams& params, const Arg& a_arg, const Arg& b_arg,
                       std::span<const Arg> extras, const Arg& out, MatmulGeometry& geometry) {
  Permuted a, b;
  TN_TRY(permute(a_arg, params.perm_a, "a", a));
  TN_TRY(permute(b_arg, params.perm_b, "b", b));
  geometry = {};
  geometry.m = a.dims[a.rank - 2];
  geometry.k = a.dims[a.rank - 1];
  geometry.n = b.dims[b.rank - 1];
  if (b.dims[b.rank - 2] != geometry.k)
    return fail(Code::invalid_plan, "a {} has inner dim {}, b {} has {}: they must be equal", describe(a_arg),
                geometry.k, describe(b_arg), b.dims[b.rank - 2]);
  const int rank = std::max(a.rank, b.rank);
  geometry.batch_rank = rank - 2;
  int64_t logical[kMaxRank] = {};
  for (int i = 0; i < rank - 2; ++i) {
    const int ia = i - (rank - a.rank), ib = i - (rank - b.rank);
    const int64_t da = ia >= 0 ? a.dims[ia] : 1, db = ib >= 0 ? b.dims[ib] : 1;
    if (da != db && da != 1 && db != 1)
      return fail(Code::invalid_plan, "batch dims {} of a {} and {} of b {} do not broadcast", da,
                  describe(a_arg), db, describe(b_arg));
    geometry.batch[i] = logical[i] = da == 1 ? db : da;
    const auto count = checked_mul(geometry.batch_count, logical[i]);
    if (!count)
      return fail(Code::invalid_plan, "the batch dims of a {} and b {} overflow", describe(a_arg),
                  describe(b_arg));
    geometry.batch_count = *count;
  }
  logical[rank - 2] = geometry.m;
  logical[rank - 1] = geometry.n;
  batch_steps(a, geometry, geometry.a);
  batch_steps(b, geometry, geometry.b);

  if (!is_permutation(params.perm_out, rank))
    return fail(Code::invalid_plan, "the permutation of the output must have each of 0 to {} once", rank - 1);
  int64_t stored[kMaxRank] = {}, stored_steps[kMaxRank] = {};
  for (int i = 0; i < rank; ++i) stored[i] = logical[params.perm_out[i]];
  TN_TRY(expect_format(out, kLinear, "output"));
  TN_TRY(expect_shape(out, {stored, static_cast<size_t>(rank)}, "output"));
  dense_steps(stored, rank, stored_steps);
  int64_t steps[kMaxRank] = {};
  for (int i = 0; i < rank; ++i) steps[params.perm_out[i]] = stored_steps[i];
  std::copy(steps, steps + rank - 2, geometry.out.batch);
  geometry.out.row = steps[rank - 2];
  geometry.out.col = steps[rank - 1];

  TN_TRY(check_epilogue(params.epilogue, a_arg.dtype, extras, out));
  for (size_t e = 0; e < extras.size(); ++e) {
    BroadcastStrides strides;
    TN_TRY(broadcast_strides(extras[e], {logical, static_cast<size_t>(rank)}, "extra operand", strides));
    std::copy(strides.at, strides.at + rank - 2, geometry.extra[e].batch);
    geometry.extra[e].row = strides.at[rank - 2];
    geometry.extra[e].col = strides.at[rank - 1];
  }
  return {};
}

}  // namespace tenon
