// Fourier transforms against their sums.
#include <cmath>
#include <complex>

#include "fourier/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

using Number = std::complex<double>;

std::vector<Number> direct(const std::vector<Number>& x, bool inverse) {
  const size_t n = x.size();
  std::vector<Number> out(n);
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < n; ++i) {
      const double turns = static_cast<double>(k * i % n) / static_cast<double>(n);
      out[k] += x[i] * std::polar(1.0, (inverse ? 2 : -2) * M_PI * turns);
    }
    if (inverse) out[k] /= static_cast<double>(n);
  }
  return out;
}

std::vector<double> random_numbers(size_t count, std::mt19937& rng) {
  std::vector<double> out(count);
  for (double& v : out) v = std::uniform_real_distribution<double>(-1, 1)(rng);
  return out;
}

class Fourier : public testing::TestWithParam<int> {
 protected:
  std::mt19937 rng{static_cast<uint32_t>(GetParam()) * 7919u + 5};
};

// Complex and real signals, cut or filled with zeros, of every length up to 64: primes, powers, mixed.
TEST_P(Fourier, IsTheSum) {
  const int64_t length = GetParam() + 1, lines = 3;
  for (int64_t given : {length, length + 2, std::max<int64_t>(1, length - 3)})
    for (int64_t parts : {1, 2})
      for (int64_t inverse : {0, 1})
        for (int64_t onesided : {0, 1}) {
          if (inverse && onesided) continue;
          const std::vector<double> values = random_numbers(static_cast<size_t>(lines * given * parts), rng);
          Tensor x = Tensor::of(DType::f64, {lines, given, parts}, values);
          const int64_t kept = onesided ? length / 2 + 1 : length;
          Tensor out(DType::f64, {lines, kept, 2});
          run_ok("dft.reference", DftParams{length, inverse, onesided}, {&x}, {&out});
          for (int64_t line = 0; line < lines; ++line) {
            std::vector<Number> signal(static_cast<size_t>(length));
            for (int64_t i = 0; i < std::min(length, given); ++i) {
              const double* at = values.data() + (line * given + i) * parts;
              signal[static_cast<size_t>(i)] = {at[0], parts == 2 ? at[1] : 0};
            }
            const std::vector<Number> want = direct(signal, inverse != 0);
            for (int64_t k = 0; k < kept; ++k) {
              const double* got = out.as<double>() + (line * kept + k) * 2;
              ASSERT_NEAR(got[0], want[static_cast<size_t>(k)].real(), 1e-12) << length << " at " << k;
              ASSERT_NEAR(got[1], want[static_cast<size_t>(k)].imag(), 1e-12) << length << " at " << k;
            }
          }
        }
}

// The frequencies up to the half bring a real signal back, in every type.
TEST_P(Fourier, HalfIsEnoughForARealSignal) {
  const int64_t length = GetParam() + 1;
  const std::vector<double> values = random_numbers(static_cast<size_t>(length), rng);
  std::vector<float> floats(values.begin(), values.end());
  Tensor x = Tensor::of(DType::f32, {length, 1}, floats), half(DType::f32, {length / 2 + 1, 2}), back(DType::f32, {length, 1});
  run_ok("dft.reference", DftParams{length, 0, 1}, {&x}, {&half});
  run_ok("dft.reference", DftParams{length, 1, 1}, {&half}, {&back});
  for (int64_t i = 0; i < length; ++i) ASSERT_NEAR(back.as<float>()[i], floats[static_cast<size_t>(i)], 1e-5) << length;
}

INSTANTIATE_TEST_SUITE_P(Lengths, Fourier, testing::Range(0, 64));

TEST(FourierRefusals, WhatDoesNotFitIsRefused) {
  Tensor x(DType::f32, {2, 8, 1}), out(DType::f32, {2, 8, 2}), half(DType::f32, {2, 5, 2}), integers(DType::i32, {2, 8, 1});
  Tensor three(DType::f32, {2, 8, 3}), none(DType::f32, {2, 0, 2});
  auto refused = [&](const DftParams& params, Tensor& in, Tensor& to) {
    return !refusal("dft.reference", params, {&in}, {&to}).empty();
  };
  EXPECT_FALSE(refused({8, 0, 0}, x, out));
  EXPECT_FALSE(refused({8, 0, 1}, x, half));
  EXPECT_TRUE(refused({8, 0, 1}, x, out));
  EXPECT_TRUE(refused({8, 0, 0}, x, half));
  EXPECT_TRUE(refused({9, 0, 0}, x, out));
  EXPECT_TRUE(refused({0, 0, 0}, x, none));
  EXPECT_TRUE(refused({-8, 0, 0}, x, out));
  EXPECT_TRUE(refused({INT64_MAX, 0, 0}, x, out));
  EXPECT_TRUE(refused({8, 0, 0}, three, out));
  EXPECT_TRUE(refused({8, 0, 0}, integers, out));
}

}  // namespace
}  // namespace tenon::test
