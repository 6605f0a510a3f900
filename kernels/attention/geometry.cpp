#include "attention/geometry.h"

#include <cmath>

#include "base/checked.h"
#include "common/epilogue.h"

namespace tenon {
namespace {

struct Operand {
  int64_t dims[4] = {};  // batch, heads that are read, length, size
  AttentionGeometry::Steps steps;
};

Status check_perm(const int8_t* perm, const char* what) {
  uint32_t seen = 0;
  for (int i = 0; i < 4; ++i) {
    if (perm[i] < 0 || perm[i] > 3 || seen >> perm[i] & 1)
      return fail(Code::invalid_plan, "the permutation of {} must have each of 0 to 3 once", what);
    seen |= 1u << perm[i];
  }
  return {};
}

void dense_steps(const int64_t* dims, int64_t* steps) {
  int64_t step = 1;
  for (int i = 3; i >= 0; --i) {
    steps[i] = step;
    step *= dims[i];
  }
}

Status read_operand(const Arg& arg, const int8_t* perm, const AttentionParams::Heads& heads, const char* what,
                    Operand& out) {
  TN_TRY(expect_format(arg, kLinear, what));
  TN_TRY(expect_rank(arg, 4, 4, what));
  TN_TRY(check_perm(perm, what));
  int64_t dense[4], steps[4];
  dense_steps(arg.dims, dense);
  for (int i = 0; i < 4; ++i) {
    out.dims[i] = arg.dims[perm[i]];
    steps[i] = dense[perm[i]];
  }
  const int64_t count = heads.count == 0 ? out.dims[1] : heads.count;
  if (heads.first < 0 || count < 0 || heads.first > out.dims[1] || count > out.dims[1] - heads.first)
    return fail(Code::invalid_plan, "{} heads from {} on are not all among the {} of {} {}", count, heads.first,
                out.dims[1], what, describe(arg));
  out.dims[1] = count;
  out.steps = {heads.first * steps[1], steps[0], steps[1], steps[2], steps[3]};
  return {};
}

}  // namespace

Status attention_geometry(const PrepareCall& call, const AttentionParams& params, AttentionGeometry& out) {
  TN_TRY(expect_counts(call, 3, 4, 1));
  Operand q, k, v;
  TN_TRY(read_operand(call.inputs[0], params.perm_q, params.heads_q, "q", q));
  TN_TRY(read_operand(call.inputs[1], params.perm_k, params.heads_k, "k", k));
  TN_TRY(read_operand(call.inputs[2], params.perm_v, params.heads_v, "v", v));
  if (q.dims[0] != k.dims[0] || q.dims[0] != v.dims[0] || k.dims[1] != v.dims[1] || k.dims[2] != v.dims[2] ||
      q.dims[3] != k.dims[3])
    return fail(Code::invalid_plan, "q {}, k {} and v {} do not fit: batch, length of k and v, size of q and k must agree",
                describe(call.inputs[0]), describe(call.inputs[1]), describe(call.inputs[2]));
  if (k.dims[1] == 0 ? q.dims[1] != 0 : q.dims[1] % k.dims[1] != 0)
    return fail(Code::invalid_plan, "q has {} heads, which must be a multiple of k's {}", q.dims[1], k.dims[1]);
  if (!std::isfinite(params.scale)) return fail(Code::invalid_plan, "the scale {} is no number", params.scale);
  if (params.causal != Causal::none && params.causal != Causal::first && params.causal != Causal::last)
    return fail(Code::invalid_plan, "causal is {}, it must be 0 to 2", static_cast<int32_t>(params.causal));

  out = {};
  out.batch = q.dims[0];
  out.heads = q.dims[1];
  out.kv_heads = k.dims[1];
  out.queries = q.dims[2];
  out.keys = k.dims[2];
  out.size = q.dims[3];
  out.value_size = v.dims[3];
  out.q = q.steps;
  out.k = k.steps;
  out.v = v.steps;
  out.visible = params.causal == Causal::none    ? out.keys
                : params.causal == Causal::first ? 1
                                                 : out.keys - out.queries + 1;

  auto lines = checked_mul(out.batch, out.heads);
  if (lines) lines = checked_mul(*lines, out.queries);
  if (!lines) return fail(Code::limit_exceeded, "q {} has too many queries", describe(call.inputs[0]));

  TN_TRY(check_perm(params.perm_out, "the output"));
  const int64_t result[4] = {out.batch, out.heads, out.queries, out.value_size};
  int64_t stored[4], dense[4], steps[4];
  for (int i = 0; i < 4; ++i) stored[i] = result[params.perm_out[i]];
  TN_TRY(expect_format(call.outputs[0], kLinear, "output"));
  TN_TRY(expect_shape(call.outputs[0], stored, "output"));
  dense_steps(stored, dense);
  for (int i = 0; i < 4; ++i) steps[params.perm_out[i]] = dense[i];
  out.out = {0, steps[0], steps[1], steps[2], steps[3]};

  if (call.inputs.size() > 3 && call.inputs[3].present()) {
    const int64_t scores[4] = {out.batch, out.heads, out.queries, out.keys};
    BroadcastStrides strides;
    TN_TRY(broadcast_strides(call.inputs[3], scores, "mask", strides));
    out.mask = {0, strides.at[0], strides.at[1], strides.at[2], strides.at[3]};
    out.masked = true;
  }
  return {};
}

}  // namespace tenon
