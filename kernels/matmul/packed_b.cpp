#include "matmul/packed_b.h"

#include <algorithm>

namespace tenon {

Status expect_vectors(const MicroTable& table, int64_t vectors) {
  if (vectors >= 1 && vectors <= kMaxVectors && table.max_rows[vectors] > 0) return {};
  return fail(Code::invalid_plan, "a panel must have 1 to {} vectors, it has {}", kMaxVectors, vectors);
}

Status unpacked_b(const MatmulPackedParams& params, Arg& b) {
  if (params.b_rank < 2 || params.b_rank > kMaxRank ||
      !is_permutation(params.matmul.perm_b, static_cast<int>(params.b_rank)))
    return fail(Code::invalid_plan, "packed b must have had 2 to {} dims and a permutation of them",
                kMaxRank);
  b = Arg{};
  b.dtype = DType::f32;
  b.rank = static_cast<int32_t>(params.b_rank);
  std::fill(b.dims, b.dims + b.rank, 1);
  b.dims[params.matmul.perm_b[b.rank - 2]] = params.k;
  b.dims[params.matmul.perm_b[b.rank - 1]] = params.n;
  return {};
}

void merge_rows(MatmulGeometry& g, size_t extras) {
  while (g.batch_rank > 0) {
    const int last = g.batch_rank - 1;
    const int64_t d = g.batch[last];
    auto merges = [&](const MatmulGeometry::Steps& s) {
      return d == 1 || g.m == 1 || s.batch[last] == s.row * g.m;
    };
    bool all = (d == 1 || g.b.batch[last] == 0) && merges(g.a) && merges(g.out);
    for (size_t e = 0; all && e < extras; ++e) all = merges(g.extra[e]);
    if (!all) return;
    if (g.m == 1 && d != 1) {
      // One row per item takes the item's step.
      auto adopt = [&](MatmulGeometry::Steps& s) { s.row = s.batch[last]; };
      adopt(g.a), adopt(g.out);
      for (size_t e = 0; e < extras; ++e) adopt(g.extra[e]);
    }
    g.m *= d;
    g.batch_count = d ? g.batch_count / d : 0;
    --g.batch_rank;
  }
}

Status prepare_pack_b(const PrepareCall& call, std::optional<int64_t> (*bytes_of)(int64_t k, int64_t n), Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const auto& params = call.as<MatmulPackParams>();
  const Arg &b = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(b, DType::f32, "b"));
  TN_TRY(expect_format(b, kLinear, "b"));
  TN_TRY(expect_rank(b, 2, kMaxRank, "b"));
  if (!is_permutation(params.perm_b, b.rank))
    return fail(Code::invalid_plan, "the permutation of b must have each of 0 to {} once", b.rank - 1);
  auto state = std::make_unique<PackedB>();
  int64_t step = 1;
  const int row = params.perm_b[b.rank - 2], column = params.perm_b[b.rank - 1];
  for (int i = b.rank - 1; i >= 0; --i) {
    if (i == row)
      state->k_step = step;
    else if (i == column)
      state->n_step = step;
    else if (b.dims[i] != 1)
      return fail(Code::invalid_plan, "b {} must have batch dims of 1 to be packed", describe(b));
    step *= b.dims[i];
  }
  state->k = b.dims[row];
  state->n = b.dims[column];
  const auto bytes = bytes_of(state->k, state->n);
  if (!bytes) return fail(Code::invalid_plan, "b {} cannot be packed so", describe(b));
  TN_TRY(expect_type(out, DType::u8, "output"));
  TN_TRY(expect_format(out, kLinear, "output"));
  TN_TRY(expect_shape(out, {&*bytes, 1}, "output"));
  prepared.state = std::move(state);
  return {};
}

}  // namespace tenon
