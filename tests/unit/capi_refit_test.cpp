// Refitting through the C API: new weights give what a new build gives, bit for bit, or nothing changes.
#include "support/capi.h"

namespace tenon_test {
namespace {

class CapiRefit : public CapiTest {};

void set_all(tenon::Refitter& refitter, const Weights& w) {
  auto set = [&](const char* name, const tenon::Dims& dims, const std::vector<float>& values) {
    refitter.set_weight(name, tenon::DataType::float32, dims, values.data(), values.size() * sizeof(float));
  };
  set("w1", {2, 1, 3, 3}, w.w1);
  set("b1", {2}, w.b1);
  set("w2", {32, 3}, w.w2);
  set("b2", {3}, w.b2);
}

Weights other_weights() {
  return {random_floats(18, 21), random_floats(2, 22), random_floats(96, 23), random_floats(3, 24)};
}

TEST_F(CapiRefit, ListsWhatCanBeSet) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::Refitter refitter(engine);
  for (const char* name : {"w1", "b1", "w2", "b2"}) {
    size_t index = refitter.find_weight(name);
    EXPECT_EQ(refitter.weight_name(index), name);
    EXPECT_EQ(refitter.weight_data_type(index), tenon::DataType::float32);
    EXPECT_EQ(refitter.pin_reason(index), "");
  }
  EXPECT_EQ(refitter.weight_shape(refitter.find_weight("w2")), (tenon::Dims{32, 3}));
  size_t shape = refitter.find_weight("shape");
  EXPECT_EQ(refitter.weight_data_type(shape), tenon::DataType::int64);
  EXPECT_NE(refitter.pin_reason(shape), "");
  EXPECT_THROW(refitter.find_weight("w3"), tenon::Error);
  EXPECT_THROW(refitter.weight_name(refitter.weight_count()), tenon::Error);
}

TEST_F(CapiRefit, NewWeightsTakeEffectTogether) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::vector<float> x = random_floats(32, 2);
  std::vector<float> before = run(context, x);
  Weights w = other_weights();
  tenon::Refitter refitter(engine);
  set_all(refitter, w);
  EXPECT_EQ(run(context, x), before) << "set but not applied";
  EXPECT_TRUE(refitter.missing().empty());
  refitter.apply();
  expect_near(run(context, x), reference(w, x));
  // The refitted engine's plan is an engine with the new weights.
  tenon::Engine again{tenon::Runtime(), engine.serialize()};
  tenon::ExecutionContext context_again(again);
  EXPECT_EQ(run(context_again, x), run(context, x));
  // And with the old ones it is the plan that was built.
  set_all(refitter, test_weights());
  refitter.apply();
  EXPECT_EQ(run(context, x), before);
  EXPECT_EQ(engine.serialize().text(), test_plan().text());
}

TEST_F(CapiRefit, AnotherNetworkGivesItsWeights) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::vector<float> x = random_floats(16, 2);
  std::vector<float> before = run(context, x);
  tenon::Refitter refitter(engine);
  set_all(refitter, other_weights());
  refitter.apply();
  EXPECT_NE(run(context, x), before);
  {
    tenon::Builder builder;
    EXPECT_EQ(refitter.set_weights_from_network(test_network(builder)), refitter.weight_count());
  }
  refitter.apply();
  EXPECT_EQ(run(context, x), before);
}

TEST_F(CapiRefit, WrongValuesAreRefusedAndNothingChanges) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  tenon::ExecutionContext context(engine);
  std::vector<float> x = random_floats(16, 2);
  std::vector<float> before = run(context, x);
  tenon::Refitter refitter(engine);
  std::vector<float> values(96);
  auto set = [&](const char* name, tn_data_type type, tenon::Dims dims, size_t size) {
    return code_of(
        tn_refitter_set_weight(refitter.get(), name, type, dims.data(), dims.size(), values.data(), size));
  };
  EXPECT_EQ(set("w9", TN_DATA_TYPE_FLOAT32, {32, 3}, 384), TN_ERROR_NOT_FOUND);
  EXPECT_EQ(set("w2", TN_DATA_TYPE_FLOAT64, {32, 3}, 768), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(set("w2", TN_DATA_TYPE_FLOAT32, {3, 32}, 384), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(set("w2", TN_DATA_TYPE_FLOAT32, {32, 3}, 380), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(set("w2", 77, {32, 3}, 384), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(set("w2", TN_DATA_TYPE_FLOAT32, {32, 3}, 384), TN_ERROR_NONE);
  // A pinned weight takes its own value and no other; the good value beside it is not applied either.
  int64_t shape[2] = {1, -1};
  ASSERT_TRUE(ok(tn_refitter_set_weight(refitter.get(), "shape", TN_DATA_TYPE_INT64,
                                        std::array<int64_t, 1>{2}.data(), 1, shape, sizeof shape)));
  std::string message;
  EXPECT_EQ(code_of(tn_refitter_apply(refitter.get()), &message), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(message.find("shape"), std::string::npos) << message;
  std::string reason = refitter.pin_reason(refitter.find_weight("shape"));
  EXPECT_NE(message.find(reason), std::string::npos) << message << " lacks " << reason;
  EXPECT_EQ(run(context, x), before);
  shape[0] = 0;
  ASSERT_TRUE(ok(tn_refitter_set_weight(refitter.get(), "shape", TN_DATA_TYPE_INT64,
                                        std::array<int64_t, 1>{2}.data(), 1, shape, sizeof shape)));
  refitter.apply();  // w2 was still set
  Weights w = test_weights();
  w.w2 = values;
  expect_near(run(context, x), reference(w, x));
}

}  // namespace
}  // namespace tenon_test
