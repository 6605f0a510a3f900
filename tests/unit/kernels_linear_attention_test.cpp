// linear_attention: a state of one number by hand, many heads against one at a time, and what is refused.
#include <cmath>

#include "attention/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

Tensor numbers(std::vector<int64_t> dims, std::mt19937& rng) {
  std::vector<double> values(static_cast<size_t>(count_of(dims)));
  for (double& v : values) v = std::uniform_real_distribution<double>(-1, 1)(rng);
  return Tensor::of(DType::f64, std::move(dims), values);
}

TEST(LinearAttention, OneNumberByHand) {
  auto one = [](std::vector<double> values) { return Tensor::of(DType::f64, {1, 2, 1}, values); };
  Tensor q = one({2, 3}), k = one({1, 0.5}), v = one({4, 6}), decay = one({0, std::log(0.5)}), beta = one({0.5, 1});
  Tensor past = Tensor::of(DType::f64, {1, 1, 1, 1}, std::vector<double>{2}), out(DType::f64, {1, 2, 1}), state(DType::f64, {1, 1, 1, 1});
  const LinearAttentionParams params{1, 1, 10};
  run_ok("linear_attention.reference", params, {&q, &k, &v, nullptr, nullptr, nullptr}, {&out, &state});
  EXPECT_EQ(out.values<double>(), (std::vector<double>{80, 210}));   // states 4, 4 + 0.5 * 6
  run_ok("linear_attention.reference", params, {&q, &k, &v, &past, &decay, &beta}, {&out, &state});
  // 2 + 0.5 * (4 - 2) = 3; 1.5 + 0.5 * (6 - 1.5 * 0.5) = 4.125
  EXPECT_EQ(out.values<double>(), (std::vector<double>{60, 123.75}));
  EXPECT_EQ(state.values<double>(), (std::vector<double>{4.125}));
}

// Heads do not meet: each of many is what it is alone.
TEST(LinearAttention, HeadsAreOnTheirOwn) {
  std::mt19937 rng(3);
  const int64_t heads = 3, groups = 2, d_k = 4, d_v = 5, tokens = 6;
  for (bool per_key : {false, true}) {
    Tensor q = numbers({2, tokens, heads * groups * d_k}, rng), k = numbers({2, tokens, heads * d_k}, rng);
    Tensor v = numbers({2, tokens, heads * d_v}, rng), past = numbers({2, heads, d_k, d_v}, rng), beta = numbers({2, tokens, heads}, rng);
    Tensor decay = numbers({2, tokens, per_key ? heads * d_k : heads}, rng);
    Tensor out(DType::f64, {2, tokens, heads * groups * d_v}), state(DType::f64, {2, heads, d_k, d_v});
    run_ok("linear_attention.reference", LinearAttentionParams{heads * groups, heads, 0.5}, {&q, &k, &v, &past, &decay, &beta}, {&out, &state});
    auto part = [&](const Tensor& all, int64_t batch, int64_t first, int64_t size) {
      std::vector<double> values;
      const int64_t last = all.dims().back();
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t i = 0; i < size; ++i) values.push_back(all.as<double>()[(batch * tokens + t) * last + first + i]);
      return Tensor::of(DType::f64, {1, tokens, size}, values);
    };
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t g = 0; g < groups; ++g) {
          Tensor q1 = part(q, b, (h * groups + g) * d_k, d_k), k1 = part(k, b, h * d_k, d_k), v1 = part(v, b, h * d_v, d_v);
          Tensor decay1 = per_key ? part(decay, b, h * d_k, d_k) : part(decay, b, h, 1), beta1 = part(beta, b, h, 1);
          const double* from = past.as<double>() + (b * heads + h) * d_k * d_v;
          Tensor past1 = Tensor::of(DType::f64, {1, 1, d_k, d_v}, std::vector<double>(from, from + d_k * d_v));
          Tensor out1(DType::f64, {1, tokens, d_v}), state1(DType::f64, {1, 1, d_k, d_v});
          run_ok("linear_attention.reference", LinearAttentionParams{1, 1, 0.5}, {&q1, &k1, &v1, &past1, &decay1, &beta1}, {&out1, &state1});
          const Tensor want = part(out, b, (h * groups + g) * d_v, d_v);
          for (int64_t i = 0; i < tokens * d_v; ++i) ASSERT_EQ(out1.as<double>()[i], want.as<double>()[i]);
        }
  }
}

TEST(LinearAttention, WhatDoesNotFitIsRefused) {
  Tensor q(DType::f32, {1, 2, 8}), k(DType::f32, {1, 2, 4}), v(DType::f32, {1, 2, 6}), out(DType::f32, {1, 2, 12}), state(DType::f32, {1, 2, 2, 3});
  Tensor odd(DType::f32, {1, 2, 3}), integers(DType::i32, {1, 2, 8});
  auto refused = [&](LinearAttentionParams params, std::vector<Tensor*> inputs) {
    return !refusal("linear_attention.reference", params, std::move(inputs), {&out, &state}).empty();
  };
  EXPECT_FALSE(refused({4, 2, 1}, {&q, &k, &v, nullptr, nullptr, nullptr}));
  EXPECT_TRUE(refused({4, 3, 1}, {&q, &k, &v, nullptr, nullptr, nullptr}));
  EXPECT_TRUE(refused({0, 0, 1}, {&q, &k, &v, nullptr, nullptr, nullptr}));
  EXPECT_TRUE(refused({4, 2, INFINITY}, {&q, &k, &v, nullptr, nullptr, nullptr}));
  EXPECT_TRUE(refused({4, 2, 1}, {&q, &k, &v, nullptr, &odd, nullptr}));
  EXPECT_TRUE(refused({4, 2, 1}, {&q, &k, &v, nullptr, nullptr, &odd}));
  EXPECT_TRUE(refused({4, 2, 1}, {&q, &k, &v, &k, nullptr, nullptr}));
  EXPECT_TRUE(refused({4, 2, 1}, {&integers, &k, &v, nullptr, nullptr, nullptr}));
  EXPECT_TRUE(refused({4, 2, 1}, {&q, &v, &v, nullptr, nullptr, nullptr}));
}

}  // namespace
}  // namespace tenon::test
