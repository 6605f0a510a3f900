// attention.reference: a line of scores at a time, in double.
#include <cmath>
#include <limits>

#include "attention/geometry.h"
#include "base/checked.h"
#include "common/element.h"

namespace tenon {
namespace {

struct State : KernelState {
  AttentionGeometry geometry;
};

Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  TN_TRY(attention_geometry(call, call.as<AttentionParams>(), state->geometry));
  const Arg& q = call.inputs[0];
  if (!with_float(q.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "attention takes f32, f64, f16 or bf16, not {}", describe(q));
  TN_TRY(expect_type(call.inputs[1], q.dtype, "k"));
  TN_TRY(expect_type(call.inputs[2], q.dtype, "v"));
  TN_TRY(expect_type(call.outputs[0], q.dtype, "output"));
  if (state->geometry.masked) TN_TRY(expect_type(call.inputs[3], q.dtype, "mask"));
  auto line = checked_mul(state->geometry.keys, sizeof(double));
  auto scratch = line ? checked_mul(*line, call.threads) : line;
  if (!scratch) return fail(Code::limit_exceeded, "attention over {} keys needs too much memory", state->geometry.keys);
  prepared.scratch_bytes = *scratch;
  prepared.state = std::move(state);
  return {};
}

// One query's scores become its weights.
void softmax(double* line, int64_t count, bool zero_masked) {
  double high = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t j = 0; j < count; ++j) high = std::fmax(high, line[j]);
  for (int64_t j = 0; j < count; ++j) sum += line[j] = std::exp(line[j] - high);
  for (int64_t j = 0; j < count; ++j) line[j] = zero_masked && !(sum > 0) ? 0 : line[j] / sum;
}

template <class E>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const AttentionGeometry& g = static_cast<const State*>(call.state)->geometry;
  const AttentionParams& params = call.as<AttentionParams>();
  call.team->parallel_for(g.batch * g.heads * g.queries, [&](int64_t begin, int64_t end, int member) {
    double* line = static_cast<double*>(call.scratch) + member * g.keys;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t i = item % g.queries, h = item / g.queries % g.heads, b = item / g.queries / g.heads;
      const int64_t kv = h / (g.heads / g.kv_heads);
      auto at = [&](size_t input, const AttentionGeometry::Steps& steps, int64_t head, int64_t row) {
        return call.inputs[input].as<const T>() + steps.first + b * steps.batch + head * steps.head + row * steps.row;
      };
      const T* q = at(0, g.q, h, i);
      for (int64_t j = 0; j < g.keys; ++j) {
        const T* k = at(1, g.k, kv, j);
        double sum = 0;
        for (int64_t d = 0; d < g.size; ++d) sum += E::load(q[d * g.q.col]) * E::load(k[d * g.k.col]);
        line[j] = sum * params.scale;
        if (g.masked) line[j] += E::load(at(3, g.mask, h, i)[j * g.mask.col]);
        if (params.causal != Causal::none && j >= i + g.visible) line[j] = -std::numeric_limits<double>::infinity();
      }
      softmax(line, g.keys, params.zero_masked != 0);
      T* out = call.outputs[0].as<T>() + b * g.out.batch + h * g.out.head + i * g.out.row;
      for (int64_t d = 0; d < g.value_size; ++d) {
        double sum = 0;
        for (int64_t j = 0; j < g.keys; ++j) sum += line[j] * E::load(at(2, g.v, kv, j)[d * g.v.col]);
        out[d * g.out.col] = E::store(sum);
      }
    }
  });
}

Status launch(const LaunchCall& call) {
  with_float(call.inputs[0].dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kAttentionReference{"attention.reference", sizeof(AttentionParams), 0, 0, prepare, launch};

}  // namespace tenon
