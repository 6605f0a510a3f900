// Networks whose concatenations and slices copy nothing compute the same bits as where they copy.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/json.h"
#include "compile/compile.h"
#include "ops/ops.h"
#include "runtime/engine.h"

namespace tenon {
namespace {

struct Built {
  std::shared_ptr<Engine> engine;
  std::set<std::string> joined;  // nodes without a step
  size_t steps = 0;
  double arena_bytes = 0;
};

Built build(const Graph& graph, BuildConfig config) {
  config.timer = "fake";
  auto result = build_plan(graph, config, Log{});
  if (!result) {
    ADD_FAILURE() << result.error().text();
    return {};
  }
  Built out;
  auto loaded = Engine::load(result->plan, {}, Log{});
  if (!loaded) ADD_FAILURE() << loaded.error().text();
  else out.engine = std::move(*loaded);
  auto report = parse_json(result->report);
  for (const Json& node : report->find("nodes")->elements())
    if (node.find("joined")) out.joined.insert(node.find("name")->text());
  const Json& region = report->find("plan")->find("regions")->elements().front();
  out.steps = static_cast<size_t>(region.find("steps")->number());
  out.arena_bytes = region.find("arena_bytes")->number();
  return out;
}

std::vector<float> run(Engine& engine, const std::vector<int64_t>& x_dims, size_t y_count) {
  auto context = *engine.create_context(0);
  size_t count = 1;
  for (int64_t dim : x_dims) count *= static_cast<size_t>(dim);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> range(-2, 2);
  std::vector<float> x(count), y(y_count, NAN);
  for (float& f : x) f = range(random);
  EXPECT_TRUE(context->set_input_shape("x", x_dims));
  EXPECT_TRUE(context->set_buffer("x", x.data(), x.size() * 4));
  EXPECT_TRUE(context->set_buffer("y", y.data(), y.size() * 4));
  Status status;
  for (int i = 0; i < 2; ++i) status = context->run();  // what the first run left in the arena does not matter
  EXPECT_TRUE(status) << status.error().text();
  return y;
}

struct Network {
  std::string body;  // from %x to %y
  std::vector<int64_t> x, y;
  std::set<std::string> joined;
};

std::string shape_text(const std::vector<int64_t>& dims) { return fmt::format("{}", fmt::join(dims, ",")); }

std::string conv(const std::string& to, const std::string& from, int channels_in, int channels, int size) {
  std::vector<std::string> weights;
  std::mt19937 random(static_cast<uint32_t>(to[0]));
  for (int i = 0; i < channels_in * channels * 9; ++i)
    weights.push_back(fmt::format("{:.3f}", (static_cast<double>(random() % 2001) - 1000) / 8000));
  return fmt::format(
      "  constant %w_{0}: f32[{3},{2},3,3] refit \"w_{0}\" = [{5}]\n"
      "  %{0}: f32[1,{3},{4},{4}] = conv(%{1}, %w_{0}) {{dilations = i[1, 1], group = 1, pads = [1, 1, 1, 1], strides = i[1, 1]}} @\"{0}\"\n",
      to, from, channels_in, channels, size, fmt::join(weights, ", "));
}
std::string concat(const std::string& to, const std::string& of, const std::string& dims, int axis = 1) {
  return fmt::format("  %{}: f32[{}] = concat({}) {{axis = {}}} @\"{}\"\n", to, dims, of, axis, to);
}
std::string slice(const std::string& to, const std::string& from, int start, int channels, int size) {
  return fmt::format("  %{0}: f32[1,{3},{4},{4}] = slice(%{1}) {{sizes = [1, {3}, {4}, {4}], starts = [0, {2}, 0, 0], steps = i[1, 1, 1, 1]}} @\"{0}\"\n",
                     to, from, start, channels, size);
}
std::string relu(const std::string& to, const std::string& from, const std::string& dims) {
  return fmt::format("  %{0}: f32[{2}] = pointwise(%{1}) {{program = (f32) -> max(x0, 0.0)}} @\"{0}\"\n", to, from, dims);
}
std::string softmax(const std::string& to, const std::string& from, const std::string& dims) {
  return fmt::format("  %{0}: f32[{2}] = softmax(%{1}) {{axis = 1}} @\"{0}\"\n", to, from, dims);
}

Graph graph_of(const std::string& body, const std::string& x_dims) {
  const std::string text = "graph \"g\" core {\n  input %x: f32[" + x_dims + "] \"x\"\n" + body + "  output %y \"y\"\n}\n";
  auto graph = parse_graph(text, find_op);
  if (!graph) {
    ADD_FAILURE() << graph.error().text() << "\n" << text;
    return {};
  }
  return std::move(*graph);
}

class Pieces : public testing::TestWithParam<size_t> {};

const Network& network(size_t index) {
  static const std::vector<Network> all = {
      // a fire module
      {conv("a", "x", 16, 16, 8) + conv("b", "a", 16, 32, 8) + conv("c", "a", 16, 16, 8) + concat("j", "%b, %c", "1,48,8,8") +
           conv("y", "j", 48, 16, 8),
       {1, 16, 8, 8}, {1, 16, 8, 8}, {"j"}},
      // layers that read all layers before them
      {conv("a", "x", 16, 16, 6) + conv("b", "a", 16, 16, 6) + concat("ab", "%a, %b", "1,32,6,6") + conv("c", "ab", 32, 16, 6) +
           concat("abc", "%a, %b, %c", "1,48,6,6") + conv("d", "abc", 48, 16, 6) + concat("abcd", "%a, %b, %c, %d", "1,64,6,6") +
           conv("y", "abcd", 64, 16, 6),
       {1, 16, 6, 6}, {1, 16, 6, 6}, {"ab", "abc", "abcd"}},
      // split, one half computed on, all together
      {conv("a", "x", 16, 32, 6) + slice("p", "a", 0, 16, 6) + slice("q", "a", 16, 16, 6) + conv("r", "q", 16, 16, 6) +
           concat("j", "%p, %q, %r", "1,48,6,6") + conv("y", "j", 48, 16, 6),
       {1, 16, 6, 6}, {1, 16, 6, 6}, {"p", "q", "j"}},
      // what follows runs in place over the whole; a part is read again behind it
      {softmax("a", "x", "2,32") + softmax("b", "a", "2,32") + concat("j", "%a, %b", "4,32", 0) + softmax("s", "j", "4,32") +
           relu("r", "s", "4,32") + softmax("t", "r", "4,32") + concat("y", "%t, %b", "6,32", 0),
       {2, 32}, {6, 32}, {"j"}},
      // through views
      {softmax("a", "x", "2,32") + "  %v: f32[64] = reshape(%a) {shape = [64]} @\"v\"\n" + softmax("b", "a", "2,32") +
           "  %w: f32[64] = reshape(%b) {shape = [64]} @\"w\"\n" + concat("j", "%v, %w", "128", 0) +
           "  %u: f32[4,32] = reshape(%j) {shape = [4, 32]} @\"u\"\n" + softmax("y", "u", "4,32"),
       {2, 32}, {4, 32}, {"j"}},
  };
  return all.at(index);
}

TEST_P(Pieces, SameBitsAsWithCopies) {
  const Network& n = network(GetParam());
  const Graph graph = graph_of(n.body, shape_text(n.x));
  BuildConfig apart;
  apart.disabled_passes = {"pieces"};
  const Built copies = build(graph, apart), pieces = build(graph, {});
  ASSERT_TRUE(copies.engine && pieces.engine);
  EXPECT_EQ(pieces.joined, n.joined);
  EXPECT_EQ(copies.joined, std::set<std::string>());
  EXPECT_EQ(pieces.steps + n.joined.size(), copies.steps);
  size_t count = 1;
  for (int64_t dim : n.y) count *= static_cast<size_t>(dim);
  const std::vector<float> want = run(*copies.engine, n.x, count), got = run(*pieces.engine, n.x, count);
  for (float f : want) ASSERT_TRUE(std::isfinite(f));
  EXPECT_EQ(got, want);
}
INSTANTIATE_TEST_SUITE_P(Networks, Pieces, testing::Range<size_t>(0, 5));

// A batch that may be 2 has its parts apart; one that is 1 in every profile does not.
TEST(PiecesOfABatch, WhereTheBatchIsOne) {
  const std::string body = "  %a: f32[N,16,4] = softmax(%x) {axis = 1} @\"a\"\n  %b: f32[N,16,4] = softmax(%a) {axis = 1} @\"b\"\n"
                           "  %j: f32[N,32,4] = concat(%a, %b) {axis = 1} @\"j\"\n  %y: f32[N,32,4] = softmax(%j) {axis = 1} @\"y\"\n";
  const Graph graph = graph_of(body, "N,16,4");
  BuildConfig one, two, none;
  one.profiles = {{{"x", {{1, 16, 4}, {1, 16, 4}, {1, 16, 4}}}}};
  two.profiles = {{{"x", {{1, 16, 4}, {1, 16, 4}, {2, 16, 4}}}}};
  none = two;
  none.disabled_passes = {"pieces"};
  const Built always_one = build(graph, one), up_to_two = build(graph, two), copies = build(graph, none);
  ASSERT_TRUE(always_one.engine && up_to_two.engine && copies.engine);
  EXPECT_EQ(always_one.joined, std::set<std::string>{"j"});
  EXPECT_EQ(up_to_two.joined, std::set<std::string>());
  EXPECT_EQ(run(*always_one.engine, {1, 16, 4}, 128), run(*copies.engine, {1, 16, 4}, 128));
  EXPECT_EQ(run(*up_to_two.engine, {2, 16, 4}, 256), run(*copies.engine, {2, 16, 4}, 256));
}

// A part that is made long before its concatenation would hold the room of the whole all the time.
TEST(PiecesOfALongLife, CopyWhereMemoryWouldGrowFar) {
  std::string body, previous = "x";
  std::vector<std::string> kept;
  for (int i = 0; i < 4; ++i) {
    const std::string name = fmt::format("e{}", i);
    body += softmax(name, previous, "1,64,64");
    kept.push_back(previous = name);
  }
  // Each is joined with seven times as much, but late.
  auto sum = [](const std::string& to, const std::string& from) {
    return fmt::format("  %{0}: f32[1,1,64] = reduce(%{1}) {{axes = i[1], keep_dims = 1, kind = \"sum\"}} @\"{0}\"\n", to, from);
  };
  auto expand = [](const std::string& to, const std::string& from, int rows) {
    return fmt::format("  %{0}: f32[1,{2},64] = expand(%{1}) {{shape = [1, {2}, 64]}} @\"{0}\"\n", to, from, rows);
  };
  for (int i = 0; i < 4; ++i) {
    auto name = [&](const char* what) { return fmt::format("{}{}", what, i); };
    body += sum(name("p"), previous) + expand(name("d"), name("p"), 448) +
            concat(name("j"), "%" + kept[static_cast<size_t>(i)] + ", %" + name("d"), "1,512,64") + sum(name("q"), name("j")) +
            expand(name("s"), name("q"), 64);
    previous = name("s");
  }
  body += softmax("y", previous, "1,64,64");
  const Graph graph = graph_of(body, "1,64,64");
  BuildConfig apart;
  apart.disabled_passes = {"pieces"};
  const Built copies = build(graph, apart), pieces = build(graph, {});
  ASSERT_TRUE(copies.engine && pieces.engine);
  EXPECT_EQ(pieces.joined, std::set<std::string>());
  EXPECT_LE(pieces.arena_bytes, 1.25 * copies.arena_bytes);
  EXPECT_EQ(run(*pieces.engine, {1, 64, 64}, 4096), run(*copies.engine, {1, 64, 64}, 4096));
}

}  // namespace
}  // namespace tenon
