// What the tests of the C API share: the network of test_model.h built once, and its values computed by hand.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "support/test_model.h"
#include "tenon/tenon.hpp"

namespace tenon_test {

// The code of an error, which is destroyed; its text in `message`.
inline tn_error_code code_of(tn_error_t error, std::string* message = nullptr) {
  tn_error_code code = tn_error_get_code(error);
  char text[2048];
  tn_error_get_message(error, text, sizeof text, nullptr);
  if (message) *message = text;
  tn_error_destroy(error);
  return code;
}

// Success; says what failed otherwise.
inline testing::AssertionResult ok(tn_error_t error) {
  if (!error) return testing::AssertionSuccess();
  std::string message;
  tn_error_code code = code_of(error, &message);
  return testing::AssertionFailure() << tn_error_code_get_name(code) << ": " << message;
}

inline tenon::Network test_network(const tenon::Builder& builder) {
  return tenon::Network::from_onnx(builder, test_model, sizeof test_model);
}

// Batch 1 to 4, tuned for 2; the deterministic timer.
inline tenon::BuilderConfig test_config(int threads = 1) {
  tenon::OptimizationProfile profile;
  profile.set_shape("x", {1, 1, 4, 4}, {2, 1, 4, 4}, {4, 1, 4, 4});
  tenon::BuilderConfig config;
  config.add_profile(profile);
  config.set_thread_count(threads);
  config.set_option("timer", "fake");
  return config;
}

inline tenon::Blob test_plan() {
  tenon::Builder builder;
  return builder.build(test_network(builder), test_config());
}

inline std::vector<float> random_floats(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> out(count);
  for (float& value : out) value = uniform(random);
  return out;
}

struct Weights {
  std::vector<float> w1, b1, w2, b2;  // [2,1,3,3] [2] [32,3] [3]
};

inline Weights test_weights() {
  return {{std::begin(test_model_w1), std::end(test_model_w1)},
          {std::begin(test_model_b1), std::end(test_model_b1)},
          {std::begin(test_model_w2), std::end(test_model_w2)},
          {std::begin(test_model_b2), std::end(test_model_b2)}};
}

// conv (padding 1), relu, reshape, gemm, in double.
inline std::vector<float> reference(const Weights& w, const std::vector<float>& x) {
  size_t batch = x.size() / 16;
  std::vector<float> y;
  for (size_t n = 0; n < batch; ++n) {
    std::array<double, 32> hidden{};
    for (int c = 0; c < 2; ++c)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          double sum = w.b1[c];
          for (int u = 0; u < 3; ++u)
            for (int v = 0; v < 3; ++v) {
              int row = i + u - 1, column = j + v - 1;
              if (row < 0 || row > 3 || column < 0 || column > 3) continue;
              sum += double{w.w1[c * 9 + u * 3 + v]} * x[n * 16 + row * 4 + column];
            }
          hidden[c * 16 + i * 4 + j] = std::max(sum, 0.0);
        }
    for (int k = 0; k < 3; ++k) {
      double sum = w.b2[k];
      for (int i = 0; i < 32; ++i) sum += hidden[i] * w.w2[i * 3 + k];
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

// Runs a context at the batch that x has.
inline std::vector<float> run(tenon::ExecutionContext& context, const std::vector<float>& x) {
  auto batch = static_cast<std::int64_t>(x.size() / 16);
  std::vector<float> y(static_cast<size_t>(batch) * 3, NAN);
  context.set_input_shape("x", {batch, 1, 4, 4});
  context.set_buffer("x", x.data(), x.size() * sizeof(float));
  context.set_buffer("y", y.data(), y.size() * sizeof(float));
  context.run();
  return y;
}

inline void expect_near(const std::vector<float>& out, const std::vector<float>& expected,
                        double bound = 1e-5) {
  ASSERT_EQ(out.size(), expected.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    difference += std::pow(double{out[i]} - expected[i], 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LE(std::sqrt(difference), bound * std::sqrt(norm));
}

// Every test that derives from it must leave nothing alive.
class CapiTest : public testing::Test {
 protected:
  void SetUp() override { before_ = tenon::live_count("all"); }
  void TearDown() override {
    EXPECT_EQ(tenon::live_count("all"), before_)
        << "objects are left: internal " << tenon::live_count("internal") << ", errors "
        << tenon::live_count("error") << ", blobs " << tenon::live_count("blob");
  }

 private:
  std::int64_t before_ = 0;
};

}  // namespace tenon_test
