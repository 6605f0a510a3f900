// attention.reference and attention.blocked against the formula, and what their prepare refuses.
#include <cmath>
#include <limits>

#include "attention/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

struct Problem {
  int64_t batch, heads, kv_heads, queries, keys, size, value_size;
};

std::vector<float> numbers(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> any(-2, 2);
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) x = any(rng);
  return out;
}

// Dense [B,H,S,D] operands; mask [Q,K] or empty. Weights in long double.
std::vector<float> formula(const Problem& p, const AttentionParams& params, const std::vector<float>& q,
                           const std::vector<float>& k, const std::vector<float>& v, const std::vector<float>& mask) {
  std::vector<float> out;
  for (int64_t b = 0; b < p.batch; ++b)
    for (int64_t h = 0; h < p.heads; ++h)
      for (int64_t i = 0; i < p.queries; ++i) {
        const int64_t kv = b * p.kv_heads + h / (p.heads / p.kv_heads);
        std::vector<long double> weight(static_cast<size_t>(p.keys));
        long double sum = 0;
        for (int64_t j = 0; j < p.keys; ++j) {
          long double score = 0;
          for (int64_t d = 0; d < p.size; ++d)
            score += static_cast<long double>(q[static_cast<size_t>(((b * p.heads + h) * p.queries + i) * p.size + d)]) *
                     k[static_cast<size_t>((kv * p.keys + j) * p.size + d)];
          score *= params.scale;
          if (!mask.empty()) score += mask[static_cast<size_t>(i * p.keys + j)];
          const bool seen = params.causal == Causal::none || j <= i + (params.causal == Causal::last ? p.keys - p.queries : 0);
          sum += weight[static_cast<size_t>(j)] = seen ? std::exp(score) : 0;
        }
        for (int64_t d = 0; d < p.value_size; ++d) {
          long double total = 0;
          for (int64_t j = 0; j < p.keys; ++j)
            total += weight[static_cast<size_t>(j)] / sum * v[static_cast<size_t>((kv * p.keys + j) * p.value_size + d)];
          out.push_back(sum == 0 && params.zero_masked ? 0 : static_cast<float>(total));
        }
      }
  return out;
}

// [B,H,S,D] as [B,S,H,D], behind `first` other heads and before `more`.
std::vector<float> rows_first(const std::vector<float>& x, int64_t batch, int64_t heads, int64_t length, int64_t size,
                              int64_t first, int64_t more) {
  const int64_t all = first + heads + more;
  std::vector<float> out(static_cast<size_t>(batch * length * all * size), 77.0f);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t s = 0; s < length; ++s)
        for (int64_t d = 0; d < size; ++d)
          out[static_cast<size_t>(((b * length + s) * all + first + h) * size + d)] =
              x[static_cast<size_t>(((b * heads + h) * length + s) * size + d)];
  return out;
}

std::vector<std::string> kernels() {
  std::vector<std::string> out = {"attention.reference"};
  if (cpu_features() & kAvx2) out.push_back("attention.blocked.f32.avx2");
  if (cpu_features() & kAvx512) out.push_back("attention.blocked.f32.avx512");
  return out;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) EXPECT_TRUE(std::isnan(got[i])) << i;
    else EXPECT_NEAR(got[i], want[i], 1e-5) << i;
  }
}

// f32 sums: in the norm.
void expect_close(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
    if (std::isnan(want[i])) continue;
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  EXPECT_LE(std::sqrt(error), 1e-5 * std::sqrt(norm));
}

TEST(Attention, EqualsTheFormula) {
  for (const Problem& p : {Problem{1, 1, 1, 1, 1, 1, 1}, Problem{2, 3, 3, 5, 7, 4, 6}, Problem{1, 4, 2, 9, 3, 8, 8},
                           Problem{2, 2, 1, 31, 77, 64, 64}, Problem{1, 2, 2, 45, 33, 21, 50}, Problem{1, 1, 1, 14, 16, 16, 16},
                           Problem{1, 4, 2, 1, 77, 64, 64}, Problem{2, 2, 2, 2, 33, 21, 50}, Problem{1, 2, 1, 1, 200, 40, 96},
                           Problem{1, 2, 2, 1, 90, 1, 1}, Problem{1, 1, 1, 2, 40, 1, 33}})
    for (Causal causal : {Causal::none, Causal::first, Causal::last})
      for (bool masked : {false, true})
        for (bool zero_masked : {false, true}) {
          AttentionParams params;
          params.scale = 0.7;
          params.causal = causal;
          params.zero_masked = zero_masked;
          auto q = numbers(p.batch * p.heads * p.queries * p.size, 1), k = numbers(p.batch * p.kv_heads * p.keys * p.size, 2),
               v = numbers(p.batch * p.kv_heads * p.keys * p.value_size, 3);
          std::vector<float> mask;
          if (masked) {
            mask = numbers(p.queries * p.keys, 4);
            for (int64_t j = 0; j < p.keys; ++j) mask[static_cast<size_t>(j)] = -std::numeric_limits<float>::infinity();
          }
          const auto want = formula(p, params, q, k, v, mask);
          Tensor tq = Tensor::of(DType::f32, {p.batch, p.heads, p.queries, p.size}, q);
          Tensor tk = Tensor::of(DType::f32, {p.batch, p.kv_heads, p.keys, p.size}, k);
          Tensor tv = Tensor::of(DType::f32, {p.batch, p.kv_heads, p.keys, p.value_size}, v);
          Tensor tm(DType::f32, {p.queries, p.keys}), out(DType::f32, {p.batch, p.heads, p.queries, p.value_size});
          if (masked) tm = Tensor::of(DType::f32, {p.queries, p.keys}, mask);
          for (const std::string& id : kernels())
            for (int threads : {1, 3}) {
              out.poison();
              auto status = run(*kernel(id), &params, {&tq, &tk, &tv, masked ? &tm : nullptr}, {&out}, threads);
              ASSERT_TRUE(status) << status.error().text();
              SCOPED_TRACE(id + ", " + std::to_string(p.queries) + " queries");
              id == "attention.reference" ? expect_near(out.values<float>(), want) : expect_close(out.values<float>(), want);
              EXPECT_TRUE(out.guards_hold());
            }
        }
}

TEST(Attention, ReadsPartsOfOneTensor) {
  const Problem p{2, 2, 2, 5, 5, 4, 4};
  AttentionParams params;
  auto q = numbers(2 * 2 * 5 * 4, 1), k = numbers(2 * 2 * 5 * 4, 2), v = numbers(2 * 2 * 5 * 4, 3);
  const auto want = formula(p, params, q, k, v, {});
  std::vector<float> all = rows_first(q, 2, 2, 5, 4, 0, 4);
  const auto middle = rows_first(k, 2, 2, 5, 4, 2, 2), last = rows_first(v, 2, 2, 5, 4, 4, 0);
  for (size_t i = 0; i < all.size(); ++i) {
    if (middle[i] != 77.0f) all[i] = middle[i];
    if (last[i] != 77.0f) all[i] = last[i];
  }
  for (int8_t* perm : {params.perm_q, params.perm_k, params.perm_v, params.perm_out}) std::swap(perm[1], perm[2]);
  params.heads_q = {0, 2};
  params.heads_k = {2, 2};
  params.heads_v = {4, 2};
  Tensor whole = Tensor::of(DType::f32, {2, 5, 6, 4}, all), out(DType::f32, {2, 5, 2, 4});
  for (const std::string& id : kernels()) {
    out.poison();
    auto status = run(*kernel(id), &params, {&whole, &whole, &whole}, {&out});
    ASSERT_TRUE(status) << status.error().text();
    expect_near(out.values<float>(), rows_first(want, 2, 2, 5, 4, 0, 0));
  }
}

// Masks whose last keys have no weight, of all queries, of some, of a whole line.
void check_masked_keys(int64_t queries) {
  AttentionParams params;
  params.scale = 0.2;
  const auto q = numbers(2 * queries * 24, 1), k = numbers(2 * 70 * 24, 2), v = numbers(2 * 70 * 24, 3);
  Tensor tq = Tensor::of(DType::f32, {1, 2, queries, 24}, q), tk = Tensor::of(DType::f32, {1, 2, 70, 24}, k),
         tv = Tensor::of(DType::f32, {1, 2, 70, 24}, v), out(DType::f32, {1, 2, queries, 24});
  for (float none : {-std::numeric_limits<float>::infinity(), std::numeric_limits<float>::lowest(), -1e9f})
    for (int kind = 0; kind < 3; ++kind) {
      std::vector<float> mask(static_cast<size_t>(queries * 70));
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t j = 0; j < 70; ++j)
          if (kind == 0 ? j > i : kind == 1 ? j >= 21 : j > i || i == 17) mask[static_cast<size_t>(i * 70 + j)] = none;
      Tensor tm = Tensor::of(DType::f32, {queries, 70}, mask), expected(DType::f32, {1, 2, queries, 24});
      ASSERT_TRUE(run(*kernel("attention.reference"), &params, {&tq, &tk, &tv, &tm}, {&expected}));
      for (const std::string& id : kernels()) {
        ASSERT_TRUE(run(*kernel(id), &params, {&tq, &tk, &tv, &tm}, {&out}));
        auto got = out.values<float>(), want = expected.values<float>();
        // Where nothing is left of a line, its scores lie beyond f32's digits.
        for (int64_t h = 0; kind == 2 && queries > 17 && h < 2; ++h)
          for (int64_t d = 0; d < 24; ++d)
            got[static_cast<size_t>((h * queries + 17) * 24 + d)] = want[static_cast<size_t>((h * queries + 17) * 24 + d)] = 0;
        SCOPED_TRACE(id);
        expect_close(got, want);
      }
    }
}

TEST(Attention, BlockedSkipsMaskedKeys) {
  for (int64_t queries : {40, 3, 1}) check_masked_keys(queries);
}

// Operands whose elements lie apart, a mask that repeats along the keys, threads.
TEST(Attention, BlockedReadsAnyLayout) {
  const int8_t layouts[][4] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 1, 3, 2}, {3, 2, 1, 0}};
  const int64_t k_dims[] = {2, 3, 50, 40}, v_dims[] = {2, 3, 50, 35};
  for (const auto& layout : layouts)
    for (int64_t queries : {29, 3, 1}) {
      const int64_t q_dims[] = {2, 3, queries, 40}, out_dims[] = {2, 3, queries, 35};
      AttentionParams params;
      params.scale = 0.15;
      auto stored = [&](const int64_t* dims, int8_t* perm) {
        std::vector<int64_t> out(4);
        std::copy(layout, layout + 4, perm);
        for (int i = 0; i < 4; ++i) out[static_cast<size_t>(layout[i])] = dims[i];
        return out;
      };
      auto tensor = [](const std::vector<int64_t>& dims, uint32_t seed) {
        return Tensor::of(DType::f32, dims, numbers(dims[0] * dims[1] * dims[2] * dims[3], seed));
      };
      Tensor q = tensor(stored(q_dims, params.perm_q), 1), k = tensor(stored(k_dims, params.perm_k), 2),
             v = tensor(stored(v_dims, params.perm_v), 3), mask = tensor({2, 1, queries, 1}, 4);
      for (int i = 0; i < 4; ++i) params.perm_out[i] = layout[i];
      std::vector<int64_t> to(4);
      for (int i = 0; i < 4; ++i) to[static_cast<size_t>(i)] = out_dims[layout[i]];
      Tensor expected(DType::f32, to), one(DType::f32, to), three(DType::f32, to);
      ASSERT_TRUE(run(*kernel("attention.reference"), &params, {&q, &k, &v, &mask}, {&expected}));
      for (const std::string& id : kernels()) {
        const Kernel& blocked = *kernel(id);
        ASSERT_TRUE(run(blocked, &params, {&q, &k, &v, &mask}, {&one}, 1));
        ASSERT_TRUE(run(blocked, &params, {&q, &k, &v, &mask}, {&three}, 3));
        expect_close(one.values<float>(), expected.values<float>());
        EXPECT_TRUE(one.guards_hold());
        EXPECT_EQ(one.values<float>(), three.values<float>()) << "threads change the result";
      }
    }
}

TEST(Attention, RefusesWhatDoesNotFit) {
  Tensor q(DType::f32, {1, 2, 3, 4}), k(DType::f32, {1, 2, 5, 4}), v(DType::f32, {1, 2, 5, 4}), out(DType::f32, {1, 2, 3, 4});
  auto refused = [&](const AttentionParams& params, std::vector<Tensor*> inputs, Tensor& to) {
    return !run(*kernel("attention.reference"), &params, std::move(inputs), {&to});
  };
  AttentionParams good;
  EXPECT_FALSE(refused(good, {&q, &k, &v}, out));
  Tensor size(DType::f32, {1, 2, 5, 3}), length(DType::f32, {1, 2, 6, 4}), batch(DType::f32, {2, 2, 5, 4}),
      heads(DType::f32, {1, 3, 5, 4}), rank(DType::f32, {2, 5, 4}), type(DType::f16, {1, 2, 5, 4}), mask(DType::f32, {4, 5}),
      wide(DType::f32, {1, 2, 3, 5});
  EXPECT_TRUE(refused(good, {&q, &size, &v}, out));
  EXPECT_TRUE(refused(good, {&q, &k, &length}, out));
  EXPECT_TRUE(refused(good, {&q, &batch, &batch}, out));
  EXPECT_TRUE(refused(good, {&q, &heads, &heads}, out));
  EXPECT_TRUE(refused(good, {&q, &rank, &v}, out));
  EXPECT_TRUE(refused(good, {&q, &type, &v}, out));
  EXPECT_TRUE(refused(good, {&q, &k, &v, &mask}, out));
  EXPECT_TRUE(refused(good, {&q, &k, &v}, wide));
  EXPECT_TRUE(refused(good, {&q, &k}, out));
  auto with = [&](auto change) {
    AttentionParams params;
    change(params);
    return refused(params, {&q, &k, &v}, out);
  };
  EXPECT_TRUE(with([](AttentionParams& p) { p.perm_k[0] = 1; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.perm_out[3] = 7; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.perm_v[3] = -1; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.heads_v = {1, 2}; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.heads_k = {-1, 2}; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.heads_q = {0, INT64_MAX}; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.heads_q = {INT64_MAX, 2}; }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.scale = std::nan(""); }));
  EXPECT_TRUE(with([](AttentionParams& p) { p.causal = static_cast<Causal>(3); }));
}

}  // namespace
}  // namespace tenon::test
