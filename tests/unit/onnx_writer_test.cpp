#include "onnx/writer.h"

#include <gtest/gtest.h>

#include "support/onnx_bytes.h"

namespace tenon::onnx {
namespace {

using namespace tenon::testing;

std::vector<std::byte> written(const ModelView& model) {
  auto bytes = write_model(model);
  EXPECT_TRUE(bytes) << bytes.error().text();
  return bytes ? *bytes : std::vector<std::byte>();
}

TEST(OnnxWriter, WhatIsReadBackIsWrittenTheSame) {
  ModelView model;
  model.ir_version = 10;
  model.producer_name = "test";
  model.opsets = {{"", 17, 0}, {"own", 300, 0}};
  model.has_graph = true;
  model.graph.name = "g";
  const float raw[2] = {1, -2};
  TensorView& tensor = model.graph.initializers.emplace_back();
  tensor.name = "w";
  tensor.data_type = 1;
  tensor.dims = {2, 1};
  tensor.has_raw = true;
  tensor.raw = std::as_bytes(std::span(raw));
  TensorView& beside = model.graph.initializers.emplace_back();
  beside.name = "far";
  beside.data_type = 7;
  beside.dims = {int64_t{1} << 40};
  beside.external = true;
  beside.external_data = {{"location", "w.bin"}, {"offset", "0"}};
  ValueInfoView& input = model.graph.inputs.emplace_back();
  input.name = "x";
  input.type = {
      TypeView::Kind::tensor, 1, true, {{DimView::Kind::value, 3, {}}, {DimView::Kind::param, 0, "N"}, {}}};
  model.graph.outputs.push_back(input);
  NodeView& node = model.graph.nodes.emplace_back();
  node.name = "n";
  node.op_type = "Op";
  node.domain = "own";
  node.inputs = {"x", "", "w"};
  node.outputs = {"y"};
  auto attribute = [&](std::string_view name, AttributeType type) -> AttributeView& {
    AttributeView& a = node.attributes.emplace_back();
    a.name = name;
    a.type = type;
    return a;
  };
  attribute("i", AttributeType::integer).i = -1;
  attribute("f", AttributeType::number).f = 0.5f;
  attribute("s", AttributeType::text).s = "text";
  attribute("is", AttributeType::integers).ints = {1, -300, INT64_MIN};
  attribute("fs", AttributeType::numbers).floats = {1, 2};
  attribute("ss", AttributeType::texts).strings = {"a", ""};
  attribute("none", AttributeType::integers);
  attribute("t", AttributeType::tensor).tensors.push_back(model.graph.initializers[0]);
  AttributeView& body = attribute("g", AttributeType::graph);
  body.graphs.push_back(std::make_unique<GraphView>());
  body.graphs[0]->name = "body";
  FunctionView& function = model.functions.emplace_back();
  function.name = "F";
  function.domain = "own";
  function.inputs = {"a"};
  function.outputs = {"b"};
  function.opsets = {{"", 17, 0}};

  const std::vector<std::byte> once = written(model);
  auto again = read_model(once, {});
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(written(*again), once);
  EXPECT_EQ(again->opsets[1].version, 300);
  EXPECT_EQ(again->functions[0].name, "F");
  ASSERT_EQ(again->graph.nodes.size(), 1u);
  const NodeView& n = again->graph.nodes[0];
  EXPECT_EQ(n.inputs, node.inputs);
  ASSERT_EQ(n.attributes.size(), 9u);
  EXPECT_EQ(n.attributes[0].i, -1);
  EXPECT_EQ(n.attributes[1].f, 0.5f);
  EXPECT_EQ(n.attributes[3].ints, (std::vector<int64_t>{1, -300, INT64_MIN}));
  EXPECT_EQ(n.attributes[5].strings, (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(n.attributes[6].type, AttributeType::integers);
  EXPECT_EQ(n.attributes[8].graphs[0]->name, "body");
  const TensorView& w = again->graph.initializers[0];
  EXPECT_EQ(std::memcmp(w.raw.data(), raw, sizeof raw), 0);
  EXPECT_TRUE(again->graph.initializers[1].external);
  EXPECT_EQ(again->graph.initializers[1].dims[0], int64_t{1} << 40);
  EXPECT_EQ(again->graph.inputs[0].type.dims[1].param, "N");
  EXPECT_EQ(again->graph.inputs[0].type.dims[2].kind, DimView::Kind::unknown);
}

// Only sizes are looked at before memory is taken, so that the bytes need not be there.
TEST(OnnxWriter, MoreThanAFileHoldsIsRefused) {
  ModelView model;
  model.has_graph = true;
  TensorView& tensor = model.graph.initializers.emplace_back();
  tensor.has_raw = true;
  static const std::byte kOne{};
  tensor.raw = {&kOne, static_cast<size_t>(kMaxModelBytes)};
  auto bytes = write_model(model);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, Code::limit_exceeded);
  EXPECT_NE(bytes.error().text().find("external data"), std::string::npos);
}

}  // namespace
}  // namespace tenon::onnx
