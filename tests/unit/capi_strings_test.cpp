// Tensors of strings through the C API: what functions that take types and bytes say of them, from a model to a run.
#include <tenon/execution_context.h>
#include <tenon/onnx_model.h>
#include <tenon/refitter.h>

#include "support/capi.h"
#include "support/onnx_bytes.h"

namespace tenon_test {
namespace {

using tenon::testing::dim;
using tenon::testing::Message;
using tenon::testing::node;
using tenon::testing::value_info;

// y = x + w, pieces and counts of y between spaces; x string[2], w the initialiser "!".
std::string strings_model() {
  Message graph;
  graph.text(2, "strings");
  graph.message(1, node("StringConcat", {"x", "w"}, {"y"}));
  graph.message(1, node("StringSplit", {"y"}, {"pieces", "counts"}));
  graph.message(5, Message().integers(1, {1}).integer(2, TN_DATA_TYPE_STRING).text(6, "!").text(8, "w"));
  graph.message(11, value_info("x", TN_DATA_TYPE_STRING, {dim(2)}));
  for (const char* name : {"y", "pieces"}) graph.message(12, Message().text(1, name));
  graph.message(12, value_info("counts", TN_DATA_TYPE_INT64, {dim(2)}));
  return Message().integer(1, 9).message(7, graph).message(8, Message().text(1, "").integer(2, 20)).bytes();
}

tn_string text(std::string_view of) { return {of.data(), of.size()}; }
std::string_view view(const tn_string& of) { return {of.data, of.size}; }

class CapiStrings : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string model = strings_model();
    tenon::Builder builder;
    tenon::BuilderConfig config;
    config.set_option("timer", "fake");
    config.set_thread_count(1);
    plan = builder.build(tenon::Network::from_onnx(builder, model.data(), model.size()), config);
    engine = tenon::Engine(tenon::Runtime(), plan);
  }
  tenon::Blob plan;
  tenon::Engine engine;
};

TEST_F(CapiStrings, EngineSaysWhatTheyAre) {
  for (size_t i = 0; i < 4; ++i) {
    const bool is_text = engine.tensor_name(i) != "counts";
    EXPECT_EQ(engine.tensor_data_type(i), is_text ? tenon::DataType::string : tenon::DataType::int64);
    EXPECT_EQ(engine.tensor_location(i), tenon::TensorLocation::host);
  }
  EXPECT_EQ(tn_data_type_get_size(TN_DATA_TYPE_STRING), sizeof(tn_string));
}

TEST_F(CapiStrings, RunsAndFindsSizes) {
  tenon::ExecutionContext context(engine, 0);
  std::array<tn_string, 2> x = {text("one two"), text("ß")}, y;
  std::array<int64_t, 2> counts{};
  std::vector<tn_string> pieces;
  context.set_input_shape("x", {2});
  EXPECT_EQ(context.shape("pieces"), (tenon::Dims{2, -1}));
  context.set_buffer("x", x.data(), sizeof x);
  context.set_buffer("y", y.data(), sizeof y);
  context.set_buffer("counts", counts.data(), sizeof counts);
  context.set_buffer("pieces", static_cast<void*>(nullptr), 0);
  std::string message;
  EXPECT_EQ(code_of(tn_execution_context_run(context.get()), &message), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(message.find("the buffer of 'pieces' has 0 bytes, its shape, which the run found, needs 64"), std::string::npos) << message;
  EXPECT_EQ(context.shape("pieces"), (tenon::Dims{2, 2}));
  pieces.resize(4);
  context.set_buffer("pieces", pieces.data(), pieces.size() * sizeof(tn_string));
  context.run();
  EXPECT_EQ(view(y[0]), "one two!");
  EXPECT_EQ(view(y[1]), "ß!");
  EXPECT_EQ(view(pieces[0]), "one");
  EXPECT_EQ(view(pieces[1]), "two!");
  EXPECT_EQ(view(pieces[2]), "ß!");
  EXPECT_EQ(pieces[3].size, 0u);
  EXPECT_EQ(counts, (std::array<int64_t, 2>{2, 1}));
  // As much memory as the last run needed does for one that needs less.
  x = {text("a"), text("")};
  context.enqueue();
  context.wait();
  EXPECT_EQ(context.shape("pieces"), (tenon::Dims{2, 1}));
  EXPECT_EQ(view(pieces[0]), "a!");
  EXPECT_EQ(view(pieces[1]), "!");
}

TEST_F(CapiStrings, ViewsAreChecked) {
  tenon::ExecutionContext context(engine, 0);
  std::array<tn_string, 2> x = {text("a"), {nullptr, 2}}, y;
  std::array<int64_t, 2> counts{};
  std::array<tn_string, 8> pieces;
  context.set_input_shape("x", {2});
  context.set_buffer("x", x.data(), sizeof x);
  context.set_buffer("y", y.data(), sizeof y);
  context.set_buffer("counts", counts.data(), sizeof counts);
  context.set_buffer("pieces", pieces.data(), sizeof pieces);
  std::string message;
  for (auto* run : {+[](tn_execution_context_t c) { return tn_execution_context_run(c); },
                    +[](tn_execution_context_t c) { return tn_execution_context_enqueue(c, nullptr); },
                    +[](tn_execution_context_t c) {
                      double time;
                      return tn_execution_context_run_measured(c, &time);
                    }}) {
    EXPECT_EQ(code_of(run(context.get()), &message), TN_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(message.find("string 1 has 2 bytes at NULL"), std::string::npos) << message;
  }
  x[1] = {nullptr, 0};
  context.run();
  EXPECT_EQ(view(y[1]), "!");
}

TEST_F(CapiStrings, AreNoWeights) {
  tenon::Refitter refitter(engine);
  size_t count = 0;
  ASSERT_TRUE(ok(tn_refitter_get_weight_count(refitter.get(), &count)));
  EXPECT_EQ(count, 0u);
  const tn_string other = text("?");
  const int64_t one = 1;
  EXPECT_EQ(code_of(tn_refitter_set_weight(refitter.get(), "w", TN_DATA_TYPE_STRING, &one, 1, &other, sizeof other)), TN_ERROR_NOT_FOUND);
}

TEST_F(CapiStrings, PlansComeBack) {
  tenon::Engine again(tenon::Runtime(), engine.serialize());
  tenon::ExecutionContext context(again, 0);
  std::array<tn_string, 2> x = {text("a"), text("b")}, y;
  std::array<int64_t, 2> counts{};
  std::array<tn_string, 2> pieces;
  context.set_input_shape("x", {2});
  context.set_buffer("x", x.data(), sizeof x);
  context.set_buffer("y", y.data(), sizeof y);
  context.set_buffer("counts", counts.data(), sizeof counts);
  context.set_buffer("pieces", pieces.data(), sizeof pieces);
  context.run();
  EXPECT_EQ(view(y[0]), "a!");
  EXPECT_EQ(view(pieces[1]), "b!");
}

// The layer above owns what outputs it gives: it has no memory for strings.
TEST_F(CapiStrings, TheLayerAboveRefusesOutputs) {
  tenon::ExecutionContext context(engine, 0);
  const std::array<tn_string, 2> x = {text("a"), text("b")};
  try {
    context.run({{"x", tenon::TensorView(tenon::DataType::string, {2}, x.data(), sizeof x)}});
    FAIL();
  } catch (const tenon::Error& error) {
    EXPECT_EQ(error.code(), tenon::ErrorCode::unsupported);
    EXPECT_NE(error.message().find("string tensors are not supported in this layer"), std::string::npos);
  }
}

}  // namespace
}  // namespace tenon_test
