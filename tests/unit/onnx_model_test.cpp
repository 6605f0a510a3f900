#include "onnx/model.h"

#include <gtest/gtest.h>

#include <random>

#include "onnx/wire.h"
#include "support/onnx_bytes.h"

namespace tenon::onnx {
namespace {

using namespace tenon::testing;

std::string problem(const Message& bytes, const Limits& limits = {}) {
  auto model = read_model(bytes.span(), limits);
  return model ? "" : model.error().text();
}

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "'" << (part) << "' is not in: " << (text)

TEST(OnnxModel, ReadsWhatASmallModelHolds) {
  Message bytes = small_model();
  auto model = read_model(bytes.span(), {});
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(model->ir_version, 8);
  ASSERT_EQ(model->opsets.size(), 1u);
  EXPECT_EQ(model->opsets[0].version, 17);
  const GraphView& graph = model->graph;
  EXPECT_EQ(graph.name, "small");
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op_type, "Add");
  EXPECT_EQ(graph.nodes[0].inputs, (std::vector<std::string_view>{"x", "w"}));
  EXPECT_EQ(graph.nodes[1].outputs, (std::vector<std::string_view>{"y"}));
  ASSERT_EQ(graph.initializers.size(), 1u);
  EXPECT_EQ(graph.initializers[0].dims, (std::vector<int64_t>{3}));
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].type.elem_type, 1);
  ASSERT_EQ(graph.inputs[0].type.dims.size(), 2u);
  EXPECT_EQ(graph.inputs[0].type.dims[1].value, 3);
  // Views lie within the file.
  EXPECT_GE(graph.name.data(), bytes.bytes().data());
  EXPECT_LT(graph.name.data(), bytes.bytes().data() + bytes.bytes().size());
  EXPECT_EQ(bytes.bytes()[graph.nodes[0].offset], '\x0a');  // tag of field 1, length-delimited
}

TEST(OnnxModel, EveryTruncationIsAnErrorOrASmallerModel) {
  std::string whole = small_model().bytes();
  int errors = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    auto* begin = reinterpret_cast<const std::byte*>(whole.data());
    std::vector<std::byte> cut(begin,
                               begin + size);  // on the heap, exactly as long: a sanitiser sees reads beyond
    auto model = read_model(cut, {});
    if (model) continue;  // cut between two fields of the outermost message
    ++errors;
    std::string text = model.error().text();
    EXPECT_TRUE(text.find("byte ") != std::string::npos || text.find("no graph") != std::string::npos ||
                text.find("empty") != std::string::npos)
        << text;
  }
  EXPECT_GE(errors, static_cast<int>(whole.size()) - 2);
}

TEST(OnnxModel, MutatedBytesNeverReadOutsideTheFile) {
  std::string whole = small_model().bytes();
  std::mt19937 random(7);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> mutated(whole.size());
      std::memcpy(mutated.data(), whole.data(), whole.size());
      mutated[at] ^= std::byte(1 << bit);
      if (bit == 7) mutated[random() % whole.size()] ^= std::byte(random() & 255);
      auto model = read_model(mutated, {});
      EXPECT_TRUE(model || !model.error().message.empty());
    }
  }
}

TEST(OnnxModel, ErrorsNameOffsetAndPath) {
  Message attribute = Message().text(1, "axis").text(3, "not a number");
  Message graph;
  graph.message(1, node("Relu", {"x"}, {"y"}));
  Message bad = node("Softmax", {"x"}, {"y"});
  bad.message(5, attribute);
  graph.message(1, bad);
  std::string text = problem(model(graph));
  EXPECT_HAS(text, "graph/node[1]/attribute[0]");
  EXPECT_HAS(text, "i (field 3) must be a varint");
  size_t at = model(graph).bytes().find(std::string("\x1a\x0cnot a", 7));
  ASSERT_NE(at, std::string::npos);
  EXPECT_HAS(text, "byte " + std::to_string(at) + ",");
}

TEST(OnnxModel, UnknownFieldsAreSkipped) {
  Message graph;
  graph.text(99, "unknown").integer(98, 5).number(97, 1.5f);
  graph.message(1, node("Relu", {"x"}, {"y"}).text(2000, "more"));
  auto model = read_model(testing::model(graph).integer(150, 7).span(), {});
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(model->graph.nodes.size(), 1u);
}

TEST(OnnxModel, RepeatedMessagesMergeAndRepeatedScalarsTakeTheLast) {
  Message first, second;
  first.message(1, node("Relu", {"x"}, {"y"})).text(2, "first");
  second.message(1, node("Neg", {"y"}, {"z"})).text(2, "second");
  Message bytes;
  bytes.integer(1, 3).integer(1, 8).message(7, first).message(7, second).message(8, opset(13));
  auto model = read_model(bytes.span(), {});
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(model->ir_version, 8);
  EXPECT_EQ(model->graph.name, "second");
  ASSERT_EQ(model->graph.nodes.size(), 2u);
  EXPECT_EQ(model->graph.nodes[1].op_type, "Neg");
}

TEST(OnnxModel, RepeatedNumbersMayBePackedOrNot) {
  Message packed = Message().text(1, "a").integers(8, {1, -2, 300}).integer(20, 7);
  Message plain = Message().text(1, "a").integer(8, 1).integer(8, -2).integer(8, 300).integer(20, 7);
  Message floats = Message().text(1, "a").number(7, 1.f).floats(7, {2.f, 3.f}).integer(20, 6);
  Message graph;
  Message n = node("Foo", {}, {"y"});
  n.message(5, packed).message(5, plain).message(5, floats);
  graph.message(1, n);
  Message bytes = testing::model(graph);
  auto model = read_model(bytes.span(), {});
  ASSERT_TRUE(model) << model.error().text();
  const auto& attributes = model->graph.nodes[0].attributes;
  EXPECT_EQ(attributes[0].ints, (std::vector<int64_t>{1, -2, 300}));
  EXPECT_EQ(attributes[1].ints, attributes[0].ints);
  EXPECT_EQ(attributes[2].floats, (std::vector<float>{1, 2, 3}));
}

TEST(OnnxModel, AnAttributeWithoutTypeTakesItFromItsValue) {
  Message graph;
  Message n = node("Foo", {}, {"y"});
  n.message(5, Message().text(1, "a").integer(3, 4));
  graph.message(1, n);
  Message bytes = testing::model(graph);
  auto model = read_model(bytes.span(), {});
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(model->graph.nodes[0].attributes[0].type, AttributeType::integer);
}

TEST(OnnxModel, AnAttributeWithTwoKindsOfValuesIsRefused) {
  Message graph;
  Message n = node("Foo", {}, {"y"});
  n.message(5, Message().text(1, "a").integer(3, 4).number(2, 1.f).integer(20, 2));
  graph.message(1, n);
  EXPECT_HAS(problem(testing::model(graph)), "another kind");
}

TEST(OnnxModel, LimitsAreNamed) {
  Limits limits;
  limits.nodes = 1;
  EXPECT_HAS(problem(small_model(), limits), "the limit is nodes");
  limits = {};
  limits.model_records = 3;
  EXPECT_HAS(problem(small_model(), limits), "the limit is model_records");
  limits = {};
  limits.name_bytes = 3;
  EXPECT_HAS(problem(small_model(), limits), "the limit name_bytes");
  limits = {};
  limits.model_bytes = 10;
  EXPECT_HAS(problem(small_model(), limits), "the limit model_bytes");
  // Sub-graphs within sub-graphs.
  Message graph;
  for (int depth = 0; depth < 40; ++depth) {
    Message n = node("If", {"c"}, {"y"});
    n.message(5, Message().text(1, "then_branch").message(6, graph).integer(20, 5));
    graph = Message().message(1, n);
  }
  EXPECT_HAS(problem(testing::model(graph)), "nested deeper than 32");
}

TEST(OnnxModel, NamesMustBeText) {
  Message graph;
  graph.message(1, node("Relu", {"x"}, {std::string_view("y\xff", 2)}));
  EXPECT_HAS(problem(testing::model(graph)), "UTF-8");
  graph = {};
  graph.message(1, node("Relu", {"x"}, {std::string_view("y\0z", 3)}));
  EXPECT_HAS(problem(testing::model(graph)), "UTF-8");
  EXPECT_TRUE(is_utf8("Grüße, 世界 😀"));
  EXPECT_FALSE(is_utf8("\xc0\x80"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xe4\xb8"));
}

TEST(OnnxModel, VersionsAndGarbage) {
  EXPECT_HAS(problem(Message().integer(1, 99).message(7, Message())), "ir_version 99");
  EXPECT_HAS(problem(Message().integer(1, 8)), "no graph");
  EXPECT_HAS(problem(Message()), "empty");
  Message text;
  std::string garbage = "This is not a model, it is a letter.";
  EXPECT_FALSE(read_model(std::as_bytes(std::span(garbage.data(), garbage.size())), {}));
}

}  // namespace
}  // namespace tenon::onnx
