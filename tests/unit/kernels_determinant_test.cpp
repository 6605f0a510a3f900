// Determinants, and elements seen as another type.
#include "support/kernels.h"

namespace tenon::test {
namespace {

double by_minors(const std::vector<double>& a, int64_t n) {
  if (n == 0) return 1;
  double sum = 0;
  for (int64_t c = 0; c < n; ++c) {
    std::vector<double> minor;
    for (int64_t i = 1; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        if (j != c) minor.push_back(a[static_cast<size_t>(i * n + j)]);
    sum += (c % 2 ? -1 : 1) * a[static_cast<size_t>(c)] * by_minors(minor, n - 1);
  }
  return sum;
}

TEST(Determinant, IsTheSumOfMinors) {
  std::mt19937 rng(5);
  for (int64_t n = 0; n < 7; ++n) {
    std::vector<double> values(static_cast<size_t>(3 * n * n));
    for (double& v : values) v = static_cast<double>(rng() % 5) - 2;  // zeros and equal lines come up
    Tensor x = Tensor::of(DType::f64, {3, n, n}, values), out(DType::f64, {3});
    run_ok("determinant.reference", {&x}, {&out});
    for (int64_t i = 0; i < 3; ++i)
      ASSERT_NEAR(out.as<double>()[i], by_minors({values.begin() + i * n * n, values.begin() + (i + 1) * n * n}, n), 1e-9) << n;
  }
}

TEST(Determinant, WhatDoesNotFitIsRefused) {
  Tensor x(DType::f32, {2, 3}), square(DType::f32, {3, 3}), out(DType::f32, {}), integers(DType::i32, {3, 3}), vector(DType::f32, {3});
  EXPECT_NE(refusal("determinant.reference", {&x}, {&out}), "");
  EXPECT_NE(refusal("determinant.reference", {&integers}, {&out}), "");
  EXPECT_NE(refusal("determinant.reference", {&vector}, {&out}), "");
  EXPECT_NE(refusal("determinant.reference", {&square}, {&vector}), "");
}

TEST(Bitcast, KeepsBytes) {
  std::mt19937 rng(7);
  Tensor x = Tensor::random(DType::f64, {3, 4}, rng), out(DType::u64, {3, 4}), narrow(DType::u32, {3, 4}), other(DType::u64, {4, 3});
  run_ok("bitcast.reference", {&x}, {&out});
  EXPECT_EQ(out.bytes(), x.bytes());
  EXPECT_NE(refusal("bitcast.reference", {&x}, {&narrow}), "");
  EXPECT_NE(refusal("bitcast.reference", {&x}, {&other}), "");
  Tensor bytes(DType::u8, {2}), bools(DType::boolean, {2}), nibbles(DType::u4, {2});
  EXPECT_NE(refusal("bitcast.reference", {&bytes}, {&bools}), "");
  EXPECT_NE(refusal("bitcast.reference", {&bytes}, {&nibbles}), "");
  run_ok("bitcast.reference", {&bools}, {&bytes});
}

}  // namespace
}  // namespace tenon::test
