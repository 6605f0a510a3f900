// The definition of linear_attention: a state [d_k, d_v] for each key head goes from token to token. It decays, a token's
// key and value are written into it, and the queries read it. f64 is computed in f64, other types in f32.
#include <cmath>
#include <type_traits>

#include "attention/params.h"
#include "common/element.h"
#include "common/kernel.h"

namespace tenon {
namespace {

struct Sizes {
  int64_t batch, tokens, heads, groups, d_k, d_v;
  int64_t decay, beta;   // elements of a token's decay and beta; 0 when absent
};

Sizes sizes_of(const PrepareCall& call, const LinearAttentionParams& params) {
  const Arg &q = call.inputs[0], &v = call.inputs[2], &decay = call.inputs[4], &beta = call.inputs[5];
  return {q.dims[0], q.dims[1], params.kv_heads, params.q_heads / params.kv_heads, q.dims[2] / params.q_heads,
          v.dims[2] / params.kv_heads, decay.present() ? decay.dims[2] : 0, beta.present() ? beta.dims[2] : 0};
}

Status expect(const Arg& arg, DType type, std::initializer_list<int64_t> dims, const char* what) {
  TN_TRY(expect_type(arg, type, what));
  TN_TRY(expect_format(arg, kLinear, what));
  return expect_shape(arg, {dims.begin(), dims.size()}, what);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 6, 6, 2));
  const auto& params = call.as<LinearAttentionParams>();
  const Arg &q = call.inputs[0], &k = call.inputs[1], &v = call.inputs[2];
  const DType type = q.dtype;
  if (!is_float(type) || size_of(type) < 2)
    return fail(Code::invalid_plan, "linear_attention: elements of {} are not computed", describe(q));
  if (params.kv_heads < 1 || params.q_heads < 1 || params.q_heads % params.kv_heads != 0 || !std::isfinite(params.scale))
    return fail(Code::invalid_plan, "linear_attention: {} heads of queries for {} of keys, scale {}", params.q_heads,
                params.kv_heads, params.scale);
  for (size_t i = 0; i < 3; ++i) TN_TRY(expect_rank(call.inputs[i], 3, 3, "queries, keys and values"));
  if (q.dims[2] % params.q_heads != 0 || v.dims[2] % params.kv_heads != 0)
    return fail(Code::invalid_plan, "linear_attention: {} and {} are not divided by {} and {} heads", describe(q), describe(v),
                params.q_heads, params.kv_heads);
  const Sizes s = sizes_of(call, params);
  TN_TRY(expect(q, type, {s.batch, s.tokens, params.q_heads * s.d_k}, "queries"));
  TN_TRY(expect(k, type, {s.batch, s.tokens, s.heads * s.d_k}, "keys"));
  TN_TRY(expect(v, type, {s.batch, s.tokens, s.heads * s.d_v}, "values"));
  const Arg &past = call.inputs[3], &decay = call.inputs[4], &beta = call.inputs[5], &state = call.outputs[1];
  if (past.present()) TN_TRY(expect(past, state.dtype, {s.batch, s.heads, s.d_k, s.d_v}, "past state"));
  if (decay.present()) {
    if (s.decay != s.heads && s.decay != s.heads * s.d_k)
      return fail(Code::invalid_plan, "linear_attention: decay {} is neither of heads nor of keys", describe(decay));
    TN_TRY(expect(decay, type, {s.batch, s.tokens, s.decay}, "decay"));
  }
  if (beta.present()) {
    if (s.beta != s.heads && s.beta != 1)
      return fail(Code::invalid_plan, "linear_attention: beta {} is neither of heads nor of tokens", describe(beta));
    TN_TRY(expect(beta, type, {s.batch, s.tokens, s.beta}, "beta"));
  }
  TN_TRY(expect(call.outputs[0], type, {s.batch, s.tokens, params.q_heads * s.d_v}, "linear_attention output"));
  if (!is_float(state.dtype) || size_of(state.dtype) < 2)
    return fail(Code::invalid_plan, "linear_attention: a state of {}", describe(state));
  TN_TRY(expect(state, state.dtype, {s.batch, s.heads, s.d_k, s.d_v}, "present state"));
  // A state and what is written of a token, for each thread.
  prepared.scratch_bytes = (s.d_k + 1) * s.d_v * static_cast<int64_t>(sizeof(double)) * call.threads;
  return {};
}

template <class E, class T>
class Line {
 public:
  Line(const LaunchCall& call, const Sizes& sizes, T* scratch)
      : call_(call), s_(sizes), state_(scratch), written_(scratch + sizes.d_k * sizes.d_v) {}

  void run(int64_t batch, int64_t head) {
    load_state(batch, head);
    for (int64_t t = 0; t < s_.tokens; ++t) {
      const int64_t token = batch * s_.tokens + t;
      if (s_.decay) decay(token, head);
      write(token, head);
      read(token, head);
    }
    store_state(batch, head);
  }

 private:
  using Storage = typename E::Storage;
  T in(size_t i, int64_t at) const { return static_cast<T>(E::load(call_.inputs[i].as<const Storage>()[at])); }

  void load_state(int64_t batch, int64_t head) {
    const Arg& past = call_.inputs[3];
    const int64_t count = s_.d_k * s_.d_v, from = (batch * s_.heads + head) * count;
    for (int64_t i = 0; i < count; ++i) state_[i] = 0;
    if (!past.present()) return;
    with_float(past.dtype, [&](auto element) {
      using P = decltype(element);
      for (int64_t i = 0; i < count; ++i)
        state_[i] = static_cast<T>(P::load(past.as<const typename P::Storage>()[from + i]));
    });
  }

  void store_state(int64_t batch, int64_t head) {
    const Arg& state = call_.outputs[1];
    const int64_t count = s_.d_k * s_.d_v, to = (batch * s_.heads + head) * count;
    with_float(state.dtype, [&](auto element) {
      using P = decltype(element);
      for (int64_t i = 0; i < count; ++i) state.as<typename P::Storage>()[to + i] = P::store(state_[i]);
    });
  }

  void decay(int64_t token, int64_t head) {
    const bool each = s_.decay != s_.heads;
    for (int64_t i = 0; i < s_.d_k; ++i) {
      const T factor = std::exp(in(4, token * s_.decay + (each ? head * s_.d_k + i : head)));
      for (int64_t j = 0; j < s_.d_v; ++j) state_[i * s_.d_v + j] *= factor;
    }
  }

  // With beta, what the state already holds for the key is replaced by the value, as far as beta says.
  void write(int64_t token, int64_t head) {
    const int64_t key = (token * s_.heads + head) * s_.d_k, value = (token * s_.heads + head) * s_.d_v;
    for (int64_t j = 0; j < s_.d_v; ++j) {
      T written = in(2, value + j);
      if (s_.beta) {
        T held = 0;
        for (int64_t i = 0; i < s_.d_k; ++i) held += state_[i * s_.d_v + j] * in(1, key + i);
        written = in(5, token * s_.beta + (s_.beta == 1 ? 0 : head)) * (written - held);
      }
      written_[j] = written;
    }
    for (int64_t i = 0; i < s_.d_k; ++i) {
      const T k = in(1, key + i);
      for (int64_t j = 0; j < s_.d_v; ++j) state_[i * s_.d_v + j] += k * written_[j];
    }
  }

  void read(int64_t token, int64_t head) {
    const T scale = static_cast<T>(call_.as<LinearAttentionParams>().scale);
    for (int64_t g = 0; g < s_.groups; ++g) {
      const int64_t q_head = (token * s_.heads + head) * s_.groups + g;
      Storage* out = call_.outputs[0].as<Storage>() + q_head * s_.d_v;
      for (int64_t j = 0; j < s_.d_v; ++j) {
        T sum = 0;
        for (int64_t i = 0; i < s_.d_k; ++i) sum += in(0, q_head * s_.d_k + i) * state_[i * s_.d_v + j];
        out[j] = E::store(scale * sum);
      }
    }
  }

  const LaunchCall& call_;
  const Sizes& s_;
  T *state_, *written_;
};

Status launch(const LaunchCall& call) {
  const Sizes s = sizes_of({call.params, call.inputs, call.outputs}, call.as<LinearAttentionParams>());
  with_float(call.inputs[0].dtype, [&](auto element) {
    using E = decltype(element);
    using T = std::conditional_t<std::is_same_v<typename E::Storage, double>, double, float>;
    auto body = [&](int64_t begin, int64_t end, int member) {
      Line<E, T> line(call, s, static_cast<T*>(call.scratch) + (s.d_k + 1) * s.d_v * member);
      for (int64_t at = begin; at < end; ++at) line.run(at / s.heads, at % s.heads);
    };
    call.team->parallel_for(s.batch * s.heads, body);
  });
  return {};
}

}  // namespace

extern const Kernel kLinearAttentionReference{"linear_attention.reference", sizeof(LinearAttentionParams), 0, 0, prepare,
                                              launch};

}  // namespace tenon
