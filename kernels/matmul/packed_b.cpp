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

StoredEpilogue stored_epilogue(const Program& epilogue, const MatmulGeometry& g) {
  StoredEpilogue out;
  if (!match_add_clamp(epilogue, out.add_clamp) || (g.out.col != 1 && g.n > 1)) return out;
  for (int i = 0; i < out.add_clamp.adds; ++i) {
    const MatmulGeometry::Steps& steps = g.extra[out.add_clamp.extra[i]];
    if (steps.col != 1) return out;
    const bool repeats =
        steps.row == 0 && std::all_of(steps.batch, steps.batch + g.batch_rank, [](int64_t step) { return step == 0; });
    int& slot = repeats ? out.bias : out.add;
    if (slot >= 0 || (repeats && out.add >= 0)) return out;
    slot = out.add_clamp.extra[i];
  }
  out.fits = true;
  return out;
}

void scatter_rows(const MicroTable& table, const float* from, int64_t step, int64_t rows, int64_t columns, float* to,
                  int64_t row_step, int64_t column_step) {
  for (int64_t r = 0; r < rows; r += table.lanes)
    for (int64_t c = 0; c < columns; c += table.lanes) {
      const int64_t down = std::min<int64_t>(table.lanes, rows - r), across = std::min<int64_t>(table.lanes, columns - c);
      const float* part = from + r * step + c;
      float* target = to + r * row_step + c * column_step;
      if (row_step == 1 && down == table.lanes && across == table.lanes) {
        table.transpose(part, step, target, column_step);
        continue;
      }
      for (int64_t j = 0; j < across; ++j)
        for (int64_t i = 0; i < down; ++i) target[i * row_step + j * column_step] = part[i * step + j];
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
