// Products of one-hot rows, which a plan looks up in tables: values as the products give them, before and after a refit.
#include "support/capi.h"
#include "support/onnx_bytes.h"

namespace tenon_test {
namespace {

using tenon::testing::dim;
using tenon::testing::float_tensor;
using tenon::testing::integer_attribute;
using tenon::testing::Message;
using tenon::testing::node;
using tenon::testing::value_info;

constexpr int64_t kRows = 6, kDepth = 4, kColumns = 3;
constexpr int64_t kIndices[kRows] = {0, 3, -1, 4, -5, 2};

struct LookupWeights {
  std::vector<float> w, v, b, values;  // [4,3] [4,3] [3] [off, on]
};

LookupWeights first_weights() { return {random_floats(12, 1), random_floats(12, 2), random_floats(3, 3), {0, 1}}; }
LookupWeights other_weights() { return {random_floats(12, 4), random_floats(12, 5), random_floats(3, 6), {0.25f, -2}}; }

Message floats(std::string_view name, std::initializer_list<int64_t> dims, const std::vector<float>& values) {
  Message out = Message().integers(1, dims).integer(2, TN_DATA_TYPE_FLOAT32);
  for (float value : values) out.number(4, value);
  return out.text(8, name);
}

// y = tanh(OneHot(x) w + b), z = cast(k == [0, 1, 2, 3]) v; u the same of a number t that may lie between.
std::string lookups_model(const LookupWeights& of) {
  const Message to_float = integer_attribute("to", TN_DATA_TYPE_FLOAT32);
  Message graph;
  graph.text(2, "lookups");
  graph.message(1, node("OneHot", {"x", "depth", "values"}, {"hot"}));
  graph.message(1, node("MatMul", {"hot", "w"}, {"product"}));
  graph.message(1, node("Add", {"product", "b"}, {"sum"}));
  graph.message(1, node("Tanh", {"sum"}, {"y"}));
  graph.message(1, node("Equal", {"k", "count"}, {"equal"}));
  graph.message(1, node("Cast", {"equal"}, {"row"}).message(5, to_float));
  graph.message(1, node("MatMul", {"row", "v"}, {"z"}));
  graph.message(1, node("Range", {"zero", "four", "one"}, {"range"}));
  graph.message(1, node("Equal", {"t", "range"}, {"equal_t"}));
  graph.message(1, node("Cast", {"equal_t"}, {"row_t"}).message(5, to_float));
  graph.message(1, node("MatMul", {"row_t", "v"}, {"u"}));
  graph.message(5, floats("w", {kDepth, kColumns}, of.w));
  graph.message(5, floats("v", {kDepth, kColumns}, of.v));
  graph.message(5, floats("b", {kColumns}, of.b));
  graph.message(5, floats("values", {2}, of.values));
  graph.message(5, Message().integers(1, {1}).integer(2, TN_DATA_TYPE_INT64).integers(7, {kDepth}).text(8, "depth"));
  graph.message(5, Message().integers(1, {1, kDepth}).integer(2, TN_DATA_TYPE_INT32).integers(5, {0, 1, 2, 3}).text(8, "count"));
  graph.message(5, float_tensor("zero", {}, {0}));
  graph.message(5, float_tensor("four", {}, {4}));
  graph.message(5, float_tensor("one", {}, {1}));
  graph.message(11, value_info("x", TN_DATA_TYPE_INT64, {dim(kRows)}));
  graph.message(11, value_info("k", TN_DATA_TYPE_INT32, {dim(kRows), dim(1)}));
  graph.message(11, value_info("t", TN_DATA_TYPE_FLOAT32, {dim(kRows), dim(1)}));
  for (const char* name : {"y", "z", "u"}) graph.message(12, value_info(name, TN_DATA_TYPE_FLOAT32, {dim(kRows), dim(kColumns)}));
  return tenon::testing::model(graph).bytes();
}

tenon::Blob lookups_plan(const LookupWeights& of) {
  const std::string model = lookups_model(of);
  tenon::Builder builder;
  tenon::BuilderConfig config;
  config.set_option("timer", "fake");
  config.set_thread_count(1);
  return builder.build(tenon::Network::from_onnx(builder, model.data(), model.size()), config);
}

struct Outputs {
  std::vector<float> y, z, u;
  friend bool operator==(const Outputs&, const Outputs&) = default;
};

constexpr float kBetween[kRows] = {0, 3, -1, 1.5f, NAN, 2};

Outputs run(tenon::Engine& engine) {
  tenon::ExecutionContext context(engine);
  std::vector<int32_t> k(std::begin(kIndices), std::end(kIndices));
  Outputs out;
  for (auto* values : {&out.y, &out.z, &out.u}) values->resize(kRows * kColumns);
  context.set_buffer("x", kIndices, sizeof kIndices);
  context.set_buffer("k", k.data(), k.size() * sizeof(int32_t));
  context.set_buffer("t", kBetween, sizeof kBetween);
  context.set_buffer("y", out.y.data(), out.y.size() * sizeof(float));
  context.set_buffer("z", out.z.data(), out.z.size() * sizeof(float));
  context.set_buffer("u", out.u.data(), out.u.size() * sizeof(float));
  context.run();
  return out;
}

// One-hot rows times matrices, in double.
Outputs products(const LookupWeights& of) {
  Outputs out;
  for (int64_t r = 0; r < kRows; ++r) {
    const int64_t wrapped = kIndices[r] < 0 ? kIndices[r] + kDepth : kIndices[r];
    for (int64_t c = 0; c < kColumns; ++c) {
      double y = of.b[c], z = 0, u = 0;
      for (int64_t d = 0; d < kDepth; ++d) {
        y += double{of.values[d == wrapped]} * of.w[d * kColumns + c];
        z += (d == kIndices[r] ? 1.0 : 0.0) * of.v[d * kColumns + c];
        u += (static_cast<float>(d) == kBetween[r] ? 1.0 : 0.0) * of.v[d * kColumns + c];
      }
      out.y.push_back(static_cast<float>(std::tanh(y)));
      out.z.push_back(static_cast<float>(z));
      out.u.push_back(static_cast<float>(u));
    }
  }
  return out;
}

void expect_products(const Outputs& got, const LookupWeights& of) {
  const Outputs expected = products(of);
  expect_near(got.y, expected.y);
  expect_near(got.z, expected.z);
  expect_near(got.u, expected.u);
}

class CapiLookups : public CapiTest {};

TEST_F(CapiLookups, AreTheProducts) {
  for (const LookupWeights& of : {first_weights(), other_weights()}) {
    const tenon::Blob plan = lookups_plan(of);
    EXPECT_NE(plan.text().find("gather"), std::string_view::npos);
    EXPECT_EQ(plan.text().find("matmul"), std::string_view::npos) << "a product is made";
    tenon::Engine engine{tenon::Runtime(), plan};
    expect_products(run(engine), of);
  }
}

TEST_F(CapiLookups, FollowARefit) {
  tenon::Engine engine{tenon::Runtime(), lookups_plan(first_weights())};
  const LookupWeights other = other_weights();
  tenon::Refitter refitter(engine);
  auto set = [&](const char* name, const tenon::Dims& dims, const std::vector<float>& values) {
    refitter.set_weight(name, tenon::DataType::float32, dims, values.data(), values.size() * sizeof(float));
  };
  set("w", {kDepth, kColumns}, other.w);
  set("v", {kDepth, kColumns}, other.v);
  set("b", {kColumns}, other.b);
  set("values", {2}, other.values);
  EXPECT_TRUE(refitter.missing().empty());
  EXPECT_NE(refitter.pin_reason(refitter.find_weight("count")), "");
  refitter.apply();
  expect_products(run(engine), other);
  tenon::Engine built{tenon::Runtime(), lookups_plan(other)};
  EXPECT_EQ(run(engine), run(built));
}

}  // namespace
}  // namespace tenon_test
