// ONNX operators that move data, with symbolic dims: what shapes and shape values follow.
#include <gtest/gtest.h>

#include <cstring>

#include "ops/content.h"
#include "ops/ops.h"

namespace tenon {
namespace {

const Dim N = Dim::symbol("N"), S = Dim::symbol("S");

// Makes ONNX nodes one by one, as the expand pass does.
class Model {
 public:
  explicit Model(int64_t version = 17) : version_(version) {}

  ValueId input(Shape shape, DType dtype = DType::f32) {
    return graph.add_input("x" + std::to_string(graph.inputs.size()), {dtype, std::move(shape), kLinear});
  }
  ValueId integers(std::vector<int64_t> values) { return patch().constant_integers(values); }
  ValueId integer(int64_t value) { return patch().scalar(DType::i64, static_cast<double>(value)); }
  ValueId weight(std::string name, std::vector<int64_t> values) {
    auto bytes = Bytes::copy(std::as_bytes(std::span(values)));
    TensorType type{DType::i64, {Dim(static_cast<int64_t>(values.size()))}, kLinear};
    return graph.add_constant(name, std::make_shared<Constant>(Constant{type, bytes, name}));
  }
  ValueId floats(std::vector<float> values) {
    return patch().constant({DType::f32, {Dim(static_cast<int64_t>(values.size()))}, kLinear},
                            std::as_bytes(std::span(values)));
  }

  Result<std::vector<ValueId>> try_add(std::string op_type, std::vector<ValueId> inputs, Attrs attrs = {},
                                       size_t outputs = 1) {
    attrs.set("op_type", op_type);
    attrs.set("domain", std::string());
    attrs.set("version", version_);
    TN_ASSIGN(NodeId id, graph.add_node(&kOnnxOp, op_type, inputs, outputs, std::move(attrs), {}));
    for (size_t i = 0; i < outputs; ++i) graph.set_value_name(graph.node(id).outputs[i], op_type + std::to_string(i));
    OnnxNode node(graph, graph, id, patch(), {inputs.begin(), inputs.end()}, version_);
    TN_ASSIGN(const OnnxRow* row, require_onnx_row("", op_type, version_));
    TN_TRY(row->expand(node));
    std::vector<ValueId> made;
    for (const OnnxValue& output : node.outputs()) made.push_back(output.tensor);
    return made;
  }

  ValueId add(std::string op_type, std::vector<ValueId> inputs, Attrs attrs = {}) {
    auto out = try_add(op_type, std::move(inputs), std::move(attrs));
    if (out) return (*out)[0];
    ADD_FAILURE() << op_type << ": " << out.error().text();
    return input({});
  }

  std::string refusal(std::string op_type, std::vector<ValueId> inputs, Attrs attrs = {}, size_t outputs = 1) {
    auto out = try_add(std::move(op_type), std::move(inputs), std::move(attrs), outputs);
    return out ? "" : out.error().text();
  }

  std::string shape(ValueId id) { return print(graph.value(id).type.shape); }
  std::string content(ValueId id) {
    Content known = content_of(graph, id);
    return known ? print(Shape(*known)) : "unknown";
  }

  Graph graph;

 private:
  Patch& patch() {
    if (!patch_) patch_ = std::make_unique<Patch>(graph, std::span<const NodeId>());
    return *patch_;
  }
  int64_t version_;
  std::unique_ptr<Patch> patch_;
};

TEST(Shapes, ReshapeZeroAndMinusOne) {
  Model m;
  ValueId x = m.input({N, S, Dim(768)});
  EXPECT_EQ(m.shape(m.add("Reshape", {x, m.integers({0, 0, 12, -1})})), "[N,S,12,64]");
  EXPECT_EQ(m.shape(m.add("Reshape", {x, m.integers({-1, 768})})), "[N*S,768]");
  EXPECT_EQ(m.shape(m.add("Reshape", {x, m.integers({0, -1})})), "[N,768*S]");
  EXPECT_NE(m.refusal("Reshape", {x, m.integers({-1, -1})}), "");
  EXPECT_NE(m.refusal("Reshape", {x, m.integers({0, 0, 0, 0})}), "");
  ValueId empty = m.input({Dim(0), Dim(3)});
  EXPECT_EQ(m.shape(m.add("Reshape", {empty, m.integers({3, 0})}, {{"allowzero", int64_t{1}}})), "[3,0]");
  ValueId fixed = m.input({Dim(2), Dim(3)});
  EXPECT_NE(m.refusal("Reshape", {fixed, m.integers({4, 2})}), "");
  // A factor that is a sum cancels against the same dim.
  ValueId sum = m.input({N, S + Dim(1), Dim(12), Dim(64)});
  ValueId wanted = m.add("Concat", {m.add("Shape", {sum}, {{"start", int64_t{0}}, {"end", int64_t{2}}}), m.integers({-1})},
                         {{"axis", int64_t{0}}});
  EXPECT_EQ(m.shape(m.add("Reshape", {sum, wanted})), "[N,S + 1,768]");
}

TEST(Shapes, FlattenSqueezeUnsqueeze) {
  Model m;
  ValueId x = m.input({N, Dim(1), S, Dim(1)});
  EXPECT_EQ(m.shape(m.add("Flatten", {x}, {{"axis", int64_t{3}}})), "[N*S,1]");
  EXPECT_EQ(m.shape(m.add("Flatten", {x}, {{"axis", int64_t{0}}})), "[1,N*S]");
  EXPECT_EQ(m.shape(m.add("Squeeze", {x})), "[N,S]");
  EXPECT_EQ(m.shape(m.add("Squeeze", {x, m.integers({-1})})), "[N,1,S]");
  EXPECT_EQ(m.shape(m.add("Unsqueeze", {x, m.integers({0, -1})})), "[1,N,1,S,1,1]");
  EXPECT_NE(m.refusal("Unsqueeze", {x, m.integers({0, 0})}), "");
  EXPECT_NE(m.refusal("Squeeze", {m.input({Dim(3)}), m.integers({0})}), "");
  Model old(11);
  ValueId y = old.input({N, Dim(1), S});
  EXPECT_EQ(old.shape(old.add("Squeeze", {y}, {{"axes", std::vector<int64_t>{1}}})), "[N,S]");
  EXPECT_EQ(old.shape(old.add("Unsqueeze", {y}, {{"axes", std::vector<int64_t>{1}}})), "[N,1,1,S]");
}

TEST(Shapes, SliceOfSymbolicDims) {
  Model m;
  ValueId x = m.input({N, S, Dim(10)});
  auto slice = [&](std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                   std::vector<int64_t> steps) {
    return m.shape(m.add("Slice", {x, m.integers(starts), m.integers(ends), m.integers(axes), m.integers(steps)}));
  };
  EXPECT_EQ(slice({0}, {INT64_MAX}, {1}, {1}), "[N,S,10]");
  EXPECT_EQ(slice({-1}, {INT64_MAX}, {1}, {1}), "[N,1,10]");
  EXPECT_EQ(slice({0}, {-1}, {1}, {1}), "[N,S - 1,10]");
  EXPECT_EQ(slice({1}, {INT32_MAX}, {1}, {1}), "[N,S - 1,10]");
  EXPECT_EQ(slice({-1}, {INT64_MIN}, {1}, {-1}), "[N,S,10]");
  EXPECT_EQ(slice({0, 2}, {1, 100}, {1, 2}, {1, 3}), "[N,1,3]");
  EXPECT_EQ(slice({-2}, {-20}, {2}, {-2}), "[N,S,5]");
  EXPECT_EQ(slice({8}, {3}, {2}, {1}), "[N,S,0]");
  EXPECT_EQ(slice({0}, {7}, {1}, {1}), "[N,min(S, 7),10]");
  EXPECT_NE(m.refusal("Slice", {x, m.integers({0}), m.integers({1}), m.integers({3}), m.integers({1})}), "");
  EXPECT_NE(m.refusal("Slice", {x, m.integers({0}), m.integers({1}), m.integers({0}), m.integers({0})}), "");
  // A buffer cut to the length of the sequence: the sequence is never longer than that.
  ValueId table = m.input({Dim(1), Dim(512)}, DType::i64);
  ValueId length = m.add("Shape", {x}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
  ValueId cut = m.add("Slice", {table, m.integers({0}), length, m.integers({1})});
  EXPECT_EQ(m.shape(cut), "[1,min(S, 512)]");
  ValueId ids = m.input({N, S}, DType::i64);
  EXPECT_EQ(m.shape(m.add("Add", {ids, cut})), "[N,S]");
}

TEST(Shapes, Split) {
  Model m;
  ValueId x = m.input({N, Dim(9)});
  auto parts = m.try_add("Split", {x, m.integers({2, 3, 4})}, {{"axis", int64_t{-1}}}, 3);
  ASSERT_TRUE(parts);
  EXPECT_EQ(m.shape((*parts)[2]), "[N,4]");
  EXPECT_NE(m.refusal("Split", {x}, {{"axis", int64_t{1}}}, 2), "");
  EXPECT_NE(m.refusal("Split", {x, m.integers({2, 3, 5})}, {{"axis", int64_t{1}}}, 3), "");
  Model m18(18);
  auto uneven = m18.try_add("Split", {m18.input({Dim(7)})}, {{"num_outputs", int64_t{3}}}, 3);
  ASSERT_TRUE(uneven);
  EXPECT_EQ(m18.shape((*uneven)[0]), "[3]");
  EXPECT_EQ(m18.shape((*uneven)[2]), "[1]");
}

TEST(Shapes, ShapeArithmeticOfExportersVanishes) {
  Model m;
  ValueId x = m.input({N, S, Dim(768)});
  // view(shape[0], shape[1], 12, 64) as the tracing exporter writes it.
  ValueId shape = m.add("Shape", {x});
  EXPECT_EQ(m.content(shape), "[N,S,768]");
  auto dim = [&](int64_t i) { return m.add("Unsqueeze", {m.add("Gather", {shape, m.integer(i)}), m.integers({0})}); };
  ValueId wanted = m.add("Concat", {dim(0), dim(1), m.integers({12}), m.integers({64})}, {{"axis", int64_t{0}}});
  EXPECT_EQ(m.shape(m.add("Reshape", {x, wanted})), "[N,S,12,64]");
  // expand(-1, 1, S, S): the -1 becomes 1 by ConstantOfShape, Mul, Equal, Where.
  ValueId target = m.add("Concat", {m.integers({-1}), m.integers({1}), dim(1), dim(1)}, {{"axis", int64_t{0}}});
  ValueId ones = m.add("ConstantOfShape", {m.integers({4})},
                       {{"value", std::make_shared<const Constant>(Constant{
                                      {DType::i64, {Dim(1)}, kLinear},
                                      Bytes::copy(std::as_bytes(std::span<const int64_t>(std::vector<int64_t>{1}))), ""})}});
  ValueId minus = m.add("Mul", {ones, m.integer(-1)});
  ValueId chosen = m.add("Where", {m.add("Equal", {target, minus}), ones, target});
  EXPECT_EQ(m.content(chosen), "[1,1,S,S]");
  EXPECT_EQ(m.shape(m.add("Expand", {m.input({N, Dim(1), Dim(1), S}), chosen})), "[N,1,S,S]");
  // arange(S), and S // 2 + 1.
  ValueId length = m.add("Gather", {shape, m.integer(1)});
  EXPECT_EQ(m.shape(m.add("Range", {m.integer(0), length, m.integer(1)})), "[S]");
  ValueId half = m.add("Add", {m.add("Div", {length, m.integer(2)}), m.integer(1)});
  EXPECT_EQ(m.content(half), "[floordiv(S, 2) + 1]");
  EXPECT_EQ(m.shape(m.add("ConstantOfShape", {m.add("Unsqueeze", {half, m.integers({0})})})), "[floordiv(S, 2) + 1]");
}

// As exporters scale dims: Cast, Mul, Floor, Cast.
TEST(Shapes, DimsThroughFloats) {
  Model m;
  ValueId x = m.input({N, S, Dim(7)});
  ValueId shape = m.add("Shape", {x});
  auto length = [&](int64_t i) { return m.add("Cast", {m.add("Gather", {shape, m.integer(i)})}, {{"to", int64_t{1}}}); };
  auto whole = [&](ValueId of) { return m.content(m.add("Cast", {of}, {{"to", int64_t{7}}})); };
  EXPECT_EQ(whole(m.add("Floor", {m.add("Mul", {length(1), m.floats({0.5f})})})), "[floordiv(S, 2)]");
  EXPECT_EQ(whole(m.add("Ceil", {m.add("Div", {length(1), m.floats({4})})})), "[ceildiv(S, 4)]");
  EXPECT_EQ(whole(m.add("Floor", {m.add("Mul", {length(1), m.floats({2})})})), "[2*S]");
  EXPECT_EQ(whole(m.add("Mul", {m.add("Add", {length(1), m.floats({1})}), m.floats({0.5f})})), "[floordiv(S + 1, 2)]");
  EXPECT_EQ(whole(m.add("Floor", {m.add("Mul", {length(2), m.floats({0.7f})})})), "[4]");
  EXPECT_EQ(whole(m.add("Floor", {m.add("Mul", {m.add("Cast", {shape}, {{"to", int64_t{1}}}), m.floats({1, 2, 0.5f})})})), "[N,2*S,3]");
  EXPECT_EQ(whole(m.add("Floor", {m.add("Mul", {length(1), m.floats({0.7f})})})), "unknown");  // f32 may round to an integer
  EXPECT_EQ(whole(m.add("Exp", {length(1)})), "unknown");
  EXPECT_EQ(whole(m.add("Sub", {m.floats({0.5f}), length(1)})), "unknown");  // casts cut towards 0
}

TEST(Shapes, ValuesThatAreNotKnownAreRefusedByName) {
  Model m;
  ValueId x = m.input({N, S}), given = m.input({Dim(2)}, DType::i64);
  std::string text = m.refusal("Reshape", {x, given});
  EXPECT_NE(text.find("Reshape"), std::string::npos) << text;
  EXPECT_NE(text.find("shape"), std::string::npos) << text;
}

TEST(Shapes, ConstantsThatDecideAreJustThosePinned) {
  Model m;
  ValueId x = m.input({N, Dim(6)});
  ValueId wanted = m.weight("wanted", {-1, 3});
  m.add("Reshape", {x, wanted});
  ASSERT_EQ(m.graph.pins.size(), 1u);
  EXPECT_EQ(m.graph.pins[0].refit_name, "wanted");
}

TEST(Shapes, PadExpandTileConcat) {
  Model m;
  ValueId x = m.input({N, Dim(3), S});
  EXPECT_EQ(m.shape(m.add("Pad", {x, m.integers({0, 1, 2, 0, 1, -1})})), "[N,5,S + 1]");
  EXPECT_EQ(m.shape(m.add("Tile", {x, m.integers({1, 2, 3})})), "[N,6,3*S]");
  EXPECT_EQ(m.shape(m.add("Concat", {x, m.input({N, Dim(4), S})}, {{"axis", int64_t{1}}})), "[N,7,S]");
  EXPECT_NE(m.refusal("Concat", {x, m.input({N, Dim(4), Dim(2), S})}, {{"axis", int64_t{1}}}), "");
  EXPECT_NE(m.refusal("Concat", {m.input({Dim(2), Dim(3)}), m.input({Dim(3), Dim(3)})}, {{"axis", int64_t{1}}}), "");
  EXPECT_EQ(m.shape(m.add("Expand", {m.input({Dim(3), Dim(1)}), m.integers({2, 1, 6})})), "[2,3,6]");
  EXPECT_NE(m.refusal("Expand", {m.input({Dim(3)}), m.integers({4})}), "");
}

TEST(Shapes, GatherAndFriends) {
  Model m;
  ValueId x = m.input({N, S, Dim(8)}), ids = m.input({Dim(2), S}, DType::i64);
  EXPECT_EQ(m.shape(m.add("Gather", {x, ids}, {{"axis", int64_t{1}}})), "[N,2,S,8]");
  EXPECT_NE(m.refusal("Gather", {x, ids}, {{"axis", int64_t{3}}}), "");
  EXPECT_NE(m.refusal("Gather", {x, x}), "");
  ValueId rows = m.input({N, Dim(5), Dim(1)}, DType::i64);
  EXPECT_EQ(m.shape(m.add("GatherND", {x, rows}, {{"batch_dims", int64_t{1}}})), "[N,5,8]");
  EXPECT_EQ(m.shape(m.add("GatherElements", {x, m.input({N, S, Dim(2)}, DType::i64)}, {{"axis", int64_t{2}}})), "[N,S,2]");
}

TEST(Shapes, ResizeSizesAndScales) {
  Model m(19);
  ValueId x = m.input({N, Dim(3), S, Dim(10)});
  EXPECT_EQ(m.shape(m.add("Resize", {x, {}, m.floats({1, 1, 2, 0.7f})})), "[N,3,2*S,7]");
  EXPECT_EQ(m.shape(m.add("Resize", {x, {}, m.floats({1, 1, 0.5f, 1.5f})})), "[N,3,floordiv(S, 2),15]");
  EXPECT_EQ(m.shape(m.add("Resize", {x, {}, {}, m.integers({4, 5})}, {{"axes", std::vector<int64_t>{2, 3}}})), "[N,3,4,5]");
  ValueId fixed = m.input({Dim(1), Dim(1), Dim(4), Dim(6)});
  EXPECT_EQ(m.shape(m.add("Resize", {fixed, {}, {}, m.integers({8, 9})},
                          {{"axes", std::vector<int64_t>{2, 3}}, {"keep_aspect_ratio_policy", std::string("not_larger")}})),
            "[1,1,6,9]");
  EXPECT_NE(m.refusal("Resize", {fixed}), "");
  EXPECT_NE(m.refusal("Resize", {fixed, {}, m.floats({1, 1, 2, 2})}, {{"mode", std::string("fancy")}}), "");
}

TEST(Shapes, Composites) {
  Model m;
  ValueId x = m.input({N, Dim(8), S, Dim(5)});
  EXPECT_EQ(m.shape(m.add("DepthToSpace", {x}, {{"blocksize", int64_t{2}}})), "[N,2,2*S,10]");
  EXPECT_EQ(m.shape(m.add("SpaceToDepth", {m.input({N, Dim(2), Dim(4), Dim(6)})}, {{"blocksize", int64_t{2}}})), "[N,8,2,3]");
  EXPECT_EQ(m.shape(m.add("OneHot", {m.input({N, S}, DType::i64), m.integer(7), m.floats({0, 1})})), "[N,S,7]");
  EXPECT_EQ(m.shape(m.add("Trilu", {m.input({N, S, S})})), "[N,S,S]");
  EXPECT_EQ(m.shape(m.add("CumSum", {x, m.integer(-1)})), "[N,8,S,5]");
}

// A plan's steps list their dynamic parameters by offset.
TEST(Shapes, DynamicPadsAreListedInOrder) {
  Model m;
  ValueId x = m.input({N, Dim(2), S, S + Dim(3)});
  ValueId y = m.add("AveragePool", {x}, {{"kernel_shape", std::vector<int64_t>{3, 2}}, {"strides", std::vector<int64_t>{2, 2}},
                                         {"auto_pad", std::string("SAME_UPPER")}});
  const NodeId id = m.graph.value(y).producer;
  auto call = m.graph.node(id).op->reference(NodeView(m.graph, m.graph.node(id)));
  ASSERT_TRUE(call) << call.error().text();
  ASSERT_EQ(call->dims.size(), 4u);
  for (size_t i = 1; i < call->dims.size(); ++i) EXPECT_LT(call->dims[i - 1].offset, call->dims[i].offset);
}

TEST(Registry, RowsByVersionAndNearestNames) {
  EXPECT_EQ(find_onnx_row("", "Slice", 9)->since, 1);
  EXPECT_EQ(find_onnx_row("ai.onnx", "Slice", 18)->since, 10);
  EXPECT_EQ(find_onnx_row("", "GatherND", 10), nullptr);
  EXPECT_EQ(find_onnx_row("com.example", "Slice", 18), nullptr);
  auto late = require_onnx_row("", "GatherND", 10);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().text().find("11"), std::string::npos);
  auto typo = require_onnx_row("", "Reshap", 17);
  ASSERT_FALSE(typo);
  EXPECT_NE(typo.error().text().find("Reshape"), std::string::npos);
  EXPECT_EQ(find_op("gather"), &kGather);
  EXPECT_EQ(find_op("gathe"), nullptr);
  EXPECT_EQ(nearest_op("gathe"), "gather");
}

}  // namespace
}  // namespace tenon
