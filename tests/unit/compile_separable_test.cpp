// Depthwise convolutions and the 1 x 1 convolutions around them as one step: where that is chosen, and that it computes the
// same, at every shape and with other weights.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "compile/compile.h"
#include "compile/separable.h"
#include "device/kernel_table.h"
#include "ops/ops.h"
#include "passes/static_values.h"
#include "plan/serialize.h"
#include "runtime/engine.h"
#include "support/onnx_bytes.h"

namespace tenon {
namespace {

using namespace tenon::testing;

// --- Where it is chosen ---

// An inverted residual. `stride`: of the first product; `extra`: what the last one adds to its result.
std::string chain(int64_t stride = 1, const std::string& extra = "%x") {
  const int64_t size = 20 / stride, channels = extra == "%plane" ? 48 : 16;
  return fmt::format(
      "  input %x: f32[N,16,20,20] \"x\"\n"
      "  constant %a: f32[48,16,1,1] refit \"a\"\n"
      "  constant %b: f32[48,1,3,3] refit \"b\"\n"
      "  constant %c: f32[{2},48,1,1] refit \"c\"\n"
      "  constant %s: f32[48,1,1] refit \"s\"\n"
      "  constant %c0: f32[16,1,1] refit \"c0\"\n"
      "  %wide: f32[N,48,{0},{0}] = conv(%x, %a, _, %s) {{epilogue = (f32, f32) -> max(add(x0, x1), 0), strides = i[{1}, {1}]}} "
      "@\"wide\"\n"
      "  %plane: f32[N,48,{0},{0}] = conv(%wide, %b) {{group = 48, pads = [1, 1, 1, 1]}} @\"plane\"\n"
      "  %y: f32[N,{2},{0},{0}] = conv(%plane, %c, _, {3}) {{epilogue = (f32, f32) -> add(x0, x1)}} @\"y\"\n",
      size, stride, channels, extra);
}

// Kernels of separable convolutions take as long as the test says, others of blocked tensors 10 microseconds.
class GivenTimer : public Timer {
 public:
  explicit GivenTimer(double separable) : separable_(separable) {}
  std::string_view name() const override { return "given"; }
  Result<Timing> time(const Trial& trial, double) override {
    auto is = [&](std::string_view part) { return trial.kernel.find(part) != std::string::npos; };
    const double slow = is("reference") || is("linear") ? 1000 : 1;
    return Timing{Timing::Kind::measured, slow * (is("reformat") ? 0.01 : is("separable") ? separable_ : 10)};
  }

 private:
  double separable_;
};

struct Chosen {
  Graph graph;
  std::vector<Decision> decisions;
  Code error = Code::ok;  // of the fusion
  std::string nodes() const {
    std::string out;
    for (NodeId id : graph.order()) out += std::string(graph.node(id).op->name) + " ";
    return out;
  }
};

// `progress`: of the fusion.
Chosen choose(const std::string& body, double separable, const std::string& forced = "", std::function<bool(double)> progress = {}) {
  Chosen out;
  auto graph = parse_graph("graph \"g\" core {\n" + body + "  output %y \"y\"\n}\n", find_op);
  if (!graph) {
    ADD_FAILURE() << graph.error().text();
    return out;
  }
  out.graph = std::move(*graph);
  SelectOptions options;
  options.fingerprint = "one target";
  options.target.cpu_features = cpu_features();
  options.points.push_back({{{"N", 2}}, {}});
  options.forced = forced;
  GivenTimer timer(separable);
  TimingCache cache;
  auto selection = select(out.graph, static_values(out.graph), host_kernel_table(), timer, cache, options);
  if (!selection) {
    ADD_FAILURE() << selection.error().text();
    return out;
  }
  options.progress = progress;
  auto fused = fuse_separable(out.graph, *selection, host_kernel_table(), timer, cache, options, out.decisions);
  if (!fused) out.error = fused.error().code;
  if (!fused && !progress) ADD_FAILURE() << fused.error().text();
  Status status = verify(out.graph);
  EXPECT_TRUE(status) << status.error().text();
  return out;
}

class Separable : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the kernels need AVX2";
  }
};

TEST_F(Separable, IsChosenWhereItIsQuicker) {
  const Chosen out = choose(chain(), 15);  // all three save most
  EXPECT_EQ(out.nodes(), "separable_conv ");
  ASSERT_EQ(out.decisions.size(), 3u);
  EXPECT_EQ(out.decisions[0].node, "wide");
  EXPECT_EQ(out.decisions[0].what, "expand, depthwise, project as one node: counts as 15.0 µs, saves 16.5 µs");
  EXPECT_EQ(out.decisions[0].reason, "");
  EXPECT_EQ(out.decisions[1].reason, "a chain that shares a node with it saves more");
  EXPECT_EQ(choose(chain(), 25).nodes(), "separable_conv ") << "two of them take 20";
}

TEST_F(Separable, IsNotChosenWhereItIsSlower) {
  const Chosen out = choose(chain(), 33);
  EXPECT_EQ(out.nodes(), "conv conv conv ");
  ASSERT_EQ(out.decisions.size(), 3u);
  EXPECT_EQ(out.decisions[0].node, "wide");
  EXPECT_EQ(out.decisions[0].reason, "counts as 33.0 µs, its nodes as 30.0 µs");
}

TEST_F(Separable, IsCancelledWhileChainsAreTimed) {
  int asked = 0;
  const Chosen out = choose(chain(), 15, "", [&](double) { return ++asked < 2; });
  EXPECT_EQ(out.nodes(), "conv conv conv ");
  EXPECT_EQ(out.error, Code::cancelled);
  EXPECT_EQ(asked, 2);
}

TEST_F(Separable, IsForced) {
  EXPECT_EQ(choose(chain(), 33, "conv_separable").nodes(), "separable_conv ");
  EXPECT_EQ(choose(chain(), 1, "conv_blocked").nodes(), "conv conv conv ");
}

TEST_F(Separable, WhatIsUsedElsewhereStays) {
  EXPECT_EQ(choose(chain() + "  output %wide \"wide\"\n", 1).nodes(), "conv separable_conv ")
      << "the expanded tensor is an output";
  EXPECT_EQ(choose(chain(1, "%plane"), 1).nodes(), "separable_conv conv ")
      << "what the depthwise convolution gives is used twice";
}

TEST_F(Separable, OtherConvolutionsStay) {
  EXPECT_EQ(choose(chain(2, "%c0"), 1).nodes(), "conv separable_conv ") << "a product with a stride";
}

// --- What it computes ---

struct Weight {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<float> values;
};

Message tensor(const Weight& weight) {
  Message out;
  for (int64_t d : weight.dims) out.integer(1, d);
  return out.integer(2, 1)
      .text(8, weight.name)
      .text(9, {reinterpret_cast<const char*>(weight.values.data()), weight.values.size() * 4});
}

Message ints(std::string_view name, std::initializer_list<int64_t> values) {
  Message out;
  out.text(1, name);
  for (int64_t v : values) out.integer(8, v);
  return out.integer(20, 7);
}

// Two inverted residuals, the first one with a stride, the second one with a sum behind it.
struct Network {
  std::vector<Weight> weights;

  explicit Network(uint32_t seed) {
    std::mt19937 random(seed);
    for (const Weight& w : std::vector<Weight>{{"a1", {24, 9, 1, 1}, {}},
                                               {"a1b", {24}, {}},
                                               {"b1", {24, 1, 3, 3}, {}},
                                               {"b1b", {24}, {}},
                                               {"c1", {20, 24, 1, 1}, {}},
                                               {"c1b", {20}, {}},
                                               {"a2", {40, 20, 1, 1}, {}},
                                               {"b2", {40, 1, 5, 5}, {}},
                                               {"c2", {20, 40, 1, 1}, {}}}) {
      weights.push_back(w);
      int64_t count = 1;
      for (int64_t d : w.dims) count *= d;
      for (int64_t i = 0; i < count; ++i) weights.back().values.push_back(static_cast<float>(random() % 2000) / 4000.0f - 0.25f);
    }
  }

  std::string model(bool dynamic) const {
    Message graph;
    auto conv = [&](std::initializer_list<std::string_view> inputs, std::string_view out,
                    std::initializer_list<Message> attributes) {
      Message n = node("Conv", inputs, {out}, out);
      for (const Message& a : attributes) n.message(5, a);
      graph.message(1, n);
    };
    conv({"x", "a1", "a1b"}, "e1", {});
    graph.message(1, node("Relu", {"e1"}, {"e1r"}, "e1r"));
    conv({"e1r", "b1", "b1b"}, "d1", {ints("strides", {2, 2}), ints("pads", {1, 1, 1, 1}), integer_attribute("group", 24)});
    graph.message(1, node("Relu", {"d1"}, {"d1r"}, "d1r"));
    conv({"d1r", "c1", "c1b"}, "p1", {});
    conv({"p1", "a2"}, "e2", {});
    graph.message(1, node("Sigmoid", {"e2"}, {"e2s"}, "e2s"));
    graph.message(1, node("Mul", {"e2", "e2s"}, {"e2r"}, "e2r"));
    conv({"e2r", "b2"}, "d2", {ints("pads", {2, 2, 2, 2}), integer_attribute("group", 40)});
    conv({"d2", "c2"}, "p2", {});
    graph.message(1, node("Add", {"p2", "p1"}, {"y"}, "y"));
    for (const Weight& w : weights) graph.message(5, tensor(w));
    const Message n = dynamic ? dim("N") : dim(2), h = dynamic ? dim("H") : dim(21), v = dynamic ? dim("W") : dim(18);
    graph.message(11, value_info("x", 1, {n, dim(9), h, v})).message(12, Message().text(1, "y"));
    return testing::model(graph).bytes();
  }
};

struct Built {
  std::shared_ptr<Engine> engine;
  std::string report;
  int separable = 0;
};

Built build(const Network& network, bool dynamic, bool separable, uint32_t masked = 0) {
  Built out;
  const std::string bytes = network.model(dynamic);
  auto graph = import_onnx_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), true, {}, Log());
  if (!graph) {
    ADD_FAILURE() << graph.error().text();
    return out;
  }
  BuildConfig config;
  config.threads = 2;
  config.timer = "fake";
  config.check_passes = true;
  config.masked_cpu_features = masked;
  config.use_onednn = false;
  if (separable)
    config.forced_tactic = "conv_separable";
  else
    config.disabled_tactics = {"conv_separable"};
  if (dynamic) config.profiles = {{{"x", {{1, 9, 5, 3}, {2, 9, 21, 18}, {3, 9, 40, 33}}}}};
  auto built = build_plan(*graph, config, Log());
  if (!built) {
    ADD_FAILURE() << built.error().text();
    return out;
  }
  out.report = built->report;
  auto engine = Engine::load(built->plan, {}, Log());
  if (!engine) {
    ADD_FAILURE() << engine.error().text();
    return out;
  }
  out.engine = std::move(*engine);
  for (const plan::Step& step : out.engine->plan().profiles[0].region.steps)
    out.separable += step.kernel.starts_with("conv.separable.f32");
  return out;
}

std::vector<float> run(const Built& built, std::vector<int64_t> dims) {
  auto context = built.engine->create_context(0);
  if (!context) {
    ADD_FAILURE() << context.error().text();
    return {};
  }
  EXPECT_TRUE((*context)->set_input_shape("x", dims));
  std::vector<float> x(static_cast<size_t>(dims[0] * dims[1] * dims[2] * dims[3]));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 97) / 97.0f - 0.5f;
  auto shape = (*context)->shape("y");
  if (!shape) {
    ADD_FAILURE() << shape.error().text();
    return {};
  }
  std::vector<float> y(static_cast<size_t>((*shape)[0] * (*shape)[1] * (*shape)[2] * (*shape)[3]), NAN);
  EXPECT_TRUE((*context)->set_buffer("x", x.data(), x.size() * 4));
  EXPECT_TRUE((*context)->set_buffer("y", y.data(), y.size() * 4));
  Status status = (*context)->run();
  EXPECT_TRUE(status) << status.error().text();
  return y;
}

TEST_F(Separable, ComputesTheSame) {
  const Built apart = build(Network(1), false, false);
  ASSERT_TRUE(apart.engine);
  EXPECT_EQ(apart.separable, 0);
  for (uint32_t masked : {uint32_t{0}, uint32_t{kAvx512}}) {
    const Built one = build(Network(1), false, true, masked);
    ASSERT_TRUE(one.engine);
    EXPECT_EQ(one.separable, 2);
    const std::vector<float> y = run(one, {2, 9, 21, 18}), expected = run(apart, {2, 9, 21, 18});
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-4f) << i;
    EXPECT_NE(one.report.find("separable_conv"), std::string::npos);
    EXPECT_NE(one.report.find("expand, depthwise, project as one node"), std::string::npos);
    EXPECT_NE(one.report.find("e1r (Relu)"), std::string::npos) << "which nodes of the model a step computes";
  }
}

TEST_F(Separable, TakesEveryShapeOfItsProfile) {
  const Built apart = build(Network(1), true, false), one = build(Network(1), true, true);
  ASSERT_TRUE(apart.engine && one.engine);
  EXPECT_EQ(one.separable, 2);
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{2, 9, 21, 18}, {1, 9, 5, 3}, {3, 9, 40, 33}, {1, 9, 17, 32}}) {
    const std::vector<float> y = run(one, dims), expected = run(apart, dims);
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-4f) << i;
  }
}

TEST_F(Separable, IsRefitted) {
  const Built one = build(Network(1), false, true), other = build(Network(2), false, true);
  ASSERT_TRUE(one.engine && other.engine);
  const std::vector<float> before = run(one, {2, 9, 21, 18});
  const Network network(2);
  std::vector<Engine::NewWeight> weights;
  for (const Weight& w : network.weights) weights.push_back({w.name, DType::f32, w.dims, std::as_bytes(std::span(w.values))});
  Status status = one.engine->refit(weights);
  ASSERT_TRUE(status) << status.error().text();
  const std::vector<float> after = run(one, {2, 9, 21, 18});
  EXPECT_EQ(after, run(other, {2, 9, 21, 18}));
  EXPECT_NE(after, before);
}

}  // namespace
}  // namespace tenon
