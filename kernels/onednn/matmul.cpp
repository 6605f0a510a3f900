// onednn.matmul.f32 and onednn.matmul.pack: products of matrices and batches of them, read and written through any
// permutation of their dims, with a chain of post-ops; b dense or packed.
#include "matmul/geometry.h"

#include <algorithm>

#include "base/checked.h"
#include "onednn/params.h"
#include "onednn/primitive.h"

namespace tenon::onednn {
namespace {

constexpr int kFirstExtra = 2;

// A problem with as few batch dims as the operands' steps allow.
struct Problem {
  int64_t k = 0;
  int rank = 0;                      // batch dims, M, N
  int64_t dims[kMaxRank + 2] = {};   // batch…, M, N
  struct Steps {
    int64_t at[kMaxRank + 2] = {};   // batch…, row, column; 0 where the operand repeats
  };
  Steps a, b, out;
  std::vector<Steps> extras;

  // Makes dims i and i + 1 one if the operands' steps allow it. `rows`: dim i + 1 is M, of which b's row step, K, knows
  // nothing; b must then repeat along dim i.
  bool merge(int i, bool rows) {
    const int64_t inner = dims[i + 1];
    const auto mergeable = [&](const Steps& s) { return inner == 1 || s.at[i] == s.at[i + 1] * inner; };
    bool ok = mergeable(a) && mergeable(out) && (rows ? b.at[i] == 0 : mergeable(b));
    for (const Steps& extra : extras) ok = ok && mergeable(extra);
    if (!ok) return false;
    const int gone = inner == 1 ? i + 1 : i;
    remove(a, gone);
    remove(b, rows ? i : gone);
    remove(out, gone);
    for (Steps& extra : extras) remove(extra, gone);
    dims[i] *= inner;
    for (int j = i + 1; j + 1 < rank; ++j) dims[j] = dims[j + 1];
    --rank;
    return true;
  }

 private:
  void remove(Steps& s, int i) const {
    for (int j = i; j + 1 < rank; ++j) s.at[j] = s.at[j + 1];
  }
};

Problem::Steps steps_of(const MatmulGeometry& g, const MatmulGeometry::Steps& s) {
  Problem::Steps out;
  int at = 0;
  for (int i = 0; i < g.batch_rank; ++i)
    if (g.batch[i] != 1) out.at[at++] = s.batch[i];
  out.at[at++] = s.row;
  out.at[at] = s.col;
  return out;
}

// Drops batch dims of 1 and merges what can be merged, the batch into M last.
Problem reduce(const MatmulGeometry& g, size_t extras) {
  Problem p;
  p.k = g.k;
  for (int i = 0; i < g.batch_rank; ++i)
    if (g.batch[i] != 1) p.dims[p.rank++] = g.batch[i];
  p.dims[p.rank++] = g.m;
  p.dims[p.rank++] = g.n;
  p.a = steps_of(g, g.a);
  p.b = steps_of(g, g.b);
  p.out = steps_of(g, g.out);
  for (size_t e = 0; e < extras; ++e) p.extras.push_back(steps_of(g, g.extra[e]));
  for (int i = p.rank - 3; i >= 0; --i) p.merge(i, i == p.rank - 3);
  return p;
}

// Descriptor of an operand whose last two dims are rows and columns; batch dims with step 0 become 1.
Result<dnnl_memory_desc_t> operand_desc(const Problem& p, const Problem::Steps& s, int64_t rows, int64_t columns,
                                        bool repeats_within) {
  int64_t dims[kMaxRank + 2], strides[kMaxRank + 2];
  for (int i = 0; i < p.rank; ++i) {
    const int64_t extent = i == p.rank - 2 ? rows : i == p.rank - 1 ? columns : p.dims[i];
    const bool repeats = s.at[i] == 0 && (repeats_within || i < p.rank - 2);
    dims[i] = repeats ? 1 : extent;
    strides[i] = s.at[i];
  }
  // Steps of dims of 1 are never taken; oneDNN recognises dense matrices by them all the same.
  int64_t reach = 1;
  for (int i = 0; i < p.rank; ++i)
    if (dims[i] != 1) reach = std::max(reach, dims[i] * strides[i]);
  for (int i = p.rank - 1; i >= 0; --i)
    if (dims[i] == 1) {
      const int64_t inner = i + 1 < p.rank ? dims[i + 1] * strides[i + 1] : 1;
      strides[i] = i < p.rank - 2 ? reach : i == p.rank - 1 ? 1 : std::max<int64_t>(inner, 1);
    }
  const auto count = static_cast<size_t>(p.rank);
  return strided_desc({dims, count}, {strides, count});
}

Result<dnnl_memory_desc_t> packed_desc(int64_t panel, int64_t k, int64_t n, int64_t bytes) {
  const int64_t dims[2] = {k, n};
  const dnnl_format_tag_t tag = panel == 16   ? dnnl_BA16a16b
                                : panel == 32 ? dnnl_BA16a32b
                                : panel == 48 ? dnnl_BA16a48b
                                              : dnnl_BA16a64b;
  TN_ASSIGN(dnnl_memory_desc_t desc, tagged_desc(dims, tag));
  if (static_cast<int64_t>(dnnl_memory_desc_get_size(&desc)) != bytes)
    return fail(Code::internal, "packed b has {} bytes in oneDNN, {} expected", dnnl_memory_desc_get_size(&desc), bytes);
  return desc;
}

// Whether the chain begins by adding one value a column: oneDNN's bias.
bool begins_with_bias(const Problem& p, const PostOpChain& chain) {
  if (chain.count == 0 || chain.ops[0].kind != PostOpKind::add || p.dims[p.rank - 1] == 1) return false;
  const Problem::Steps& s = p.extras[chain.ops[0].input - 1u];
  for (int i = 0; i < p.rank - 1; ++i)
    if (s.at[i] != 0) return false;
  return s.at[p.rank - 1] == 1;
}

// Checks everything and derives the loops; for a packed b its dims come from the parameters.
Status check_params(const PrepareCall& call, MatmulGeometry& geometry) {
  const auto& params = call.as<OnednnMatmulParams>();
  TN_TRY(expect_counts(call, kFirstExtra, kFirstExtra + kMaxProgramInputs - 1, 1));
  const Arg &a = call.inputs[0], &b = call.inputs[1];
  TN_TRY(expect_type(a, DType::f32, "a"));
  TN_TRY(expect_addressable(call.inputs));
  TN_TRY(expect_addressable(call.outputs));
  Arg logical = b;
  MatmulParams matmul = params.matmul;
  if (params.panel != 0) {
    const auto bytes = onednn_matmul_bytes(params.panel, params.k, params.n);
    if (!bytes) return fail(Code::invalid_plan, "the packed b's panel or dims are none that exist");
    TN_TRY(expect_type(b, DType::u8, "packed b"));
    TN_TRY(expect_format(b, kLinear, "packed b"));
    TN_TRY(expect_shape(b, {&*bytes, 1}, "packed b"));
    if (params.b_rank < 2 || params.b_rank > kMaxRank)
      return fail(Code::invalid_plan, "b must have had 2 to {} dims, the parameters say {}", kMaxRank, params.b_rank);
    logical = {};
    logical.rank = static_cast<int32_t>(params.b_rank);
    for (int i = 0; i < logical.rank - 2; ++i) logical.dims[i] = 1;
    logical.dims[logical.rank - 2] = params.k;
    logical.dims[logical.rank - 1] = params.n;
    for (int i = 0; i < kMaxRank; ++i) matmul.perm_b[i] = static_cast<int8_t>(i);
  } else {
    TN_TRY(expect_type(b, DType::f32, "b"));
  }
  return matmul_geometry(matmul, a, logical, call.inputs.subspan(kFirstExtra), call.outputs[0], geometry);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnMatmulParams>();
  MatmulGeometry geometry;
  TN_TRY(check_params(call, geometry));
  if (call.outputs[0].count() == 0) return {};
  if (geometry.k == 0) return fail(Code::unsupported, "oneDNN products need an inner dim of at least 1");
  PostOpChain chain;
  std::string refusal;
  if (!match_post_ops(params.matmul.epilogue, chain, refusal)) return fail(Code::invalid_plan, "{}", refusal);
  const auto extras = call.inputs.subspan(kFirstExtra);
  const Problem p = reduce(geometry, extras.size());
  if (params.panel != 0 && p.rank != 2)
    return fail(Code::invalid_plan, "with a packed b, the batch dims and M of a, extras and output must lie as one dim");
  TN_ASSIGN(dnnl_memory_desc_t a, operand_desc(p, p.a, p.dims[p.rank - 2], p.k, false));
  dnnl_memory_desc_t b;
  if (params.panel != 0) {
    TN_ASSIGN(b, packed_desc(params.panel, params.k, params.n, call.inputs[1].dims[0]));
  } else {
    TN_ASSIGN(b, operand_desc(p, p.b, p.k, p.dims[p.rank - 1], false));
  }
  TN_ASSIGN(dnnl_memory_desc_t out, operand_desc(p, p.out, p.dims[p.rank - 2], p.dims[p.rank - 1], false));
  std::vector<dnnl_memory_desc_t> extra_descs;
  for (size_t e = 0; e < extras.size(); ++e) {
    TN_ASSIGN(dnnl_memory_desc_t desc, operand_desc(p, p.extras[e], p.dims[p.rank - 2], p.dims[p.rank - 1], true));
    extra_descs.push_back(desc);
  }

  const bool biased = begins_with_bias(p, chain);
  const size_t bias = biased ? chain.ops[0].input - 1u : 0;
  if (biased) {
    std::copy(chain.ops + 1, chain.ops + chain.count, chain.ops);
    --chain.count;
  }

  ThreadScope scope(call.threads);
  TN_ASSIGN(auto attr, attributes(chain, extra_descs, false));
  dnnl_matmul_desc_t op;
  TN_TRY(check(dnnl_matmul_desc_init(&op, &a, &b, biased ? &extra_descs[bias] : nullptr, &out), "describing a product"));
  TN_ASSIGN(auto desc, implementation(&op, attr.get()));
  TN_ASSIGN(Execution run, Execution::create(desc.get(), prepared.scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, a, {Source::Kind::input, 0}));
  TN_TRY(run.bind(DNNL_ARG_WEIGHTS, b, {Source::Kind::input, 1}));
  if (biased) TN_TRY(run.bind(DNNL_ARG_BIAS, extra_descs[bias], {Source::Kind::input, kFirstExtra + bias}));
  TN_TRY(run.bind(DNNL_ARG_DST, out, {Source::Kind::output, 0}));
  TN_TRY(run.bind_extras(chain, extra_descs, kFirstExtra, false));
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  state->steps.push_back(std::move(run));
  prepared.state = std::move(state);
  return {};
}

Status prepare_pack(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnMatmulPackParams>();
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &b = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(b, DType::f32, "b"));
  TN_TRY(expect_format(b, kLinear, "b"));
  TN_TRY(expect_rank(b, 2, kMaxRank, "b"));
  TN_TRY(expect_type(out, DType::u8, "packed b"));
  TN_TRY(expect_format(out, kLinear, "packed b"));
  if (!is_permutation(params.perm_b, b.rank))
    return fail(Code::invalid_plan, "the permutation of b must have each of 0 to {} once", b.rank - 1);
  for (int i = 0; i < b.rank - 2; ++i)
    if (b.dims[params.perm_b[i]] != 1) return fail(Code::invalid_plan, "b {} must have batch dims of 1", describe(b));
  const int row = params.perm_b[b.rank - 2], column = params.perm_b[b.rank - 1];
  const int64_t dims[2] = {b.dims[row], b.dims[column]};
  const auto bytes = onednn_matmul_bytes(params.panel, dims[0], dims[1]);
  if (!bytes) return fail(Code::invalid_plan, "b {} does not fit panels of {}", describe(b), params.panel);
  TN_TRY(expect_shape(out, {&*bytes, 1}, "packed b"));
  const int64_t strides[2] = {row < column ? dims[1] : 1, row < column ? 1 : dims[0]};
  TN_ASSIGN(dnnl_memory_desc_t from, strided_desc(dims, strides));
  TN_ASSIGN(dnnl_memory_desc_t to, packed_desc(params.panel, dims[0], dims[1], *bytes));
  ThreadScope scope(call.threads);
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  TN_TRY(add_reorder(from, {Source::Kind::input, 0}, to, {Source::Kind::output, 0}, prepared.scratch_bytes,
                     state->steps));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kMatmul{"onednn.matmul.f32", sizeof(OnednnMatmulParams), 0, 0,
                          guarded_prepare<prepare>, guarded_launch<launch_sequence>};
extern const Kernel kMatmulPack{"onednn.matmul.pack", sizeof(OnednnMatmulPackParams), 0, 0,
                          guarded_prepare<prepare_pack>, guarded_launch<launch_sequence>};

}  // namespace tenon::onednn
