// Selection: what it times, what it takes from a timing cache, what is forced.
#include <gtest/gtest.h>

#include "device/kernel_table.h"
#include "ops/ops.h"
#include "passes/static_values.h"
#include "tactics/select.h"

namespace tenon::testing {
namespace {

Graph network(const std::string& body) {
  auto graph = parse_graph("graph \"g\" core {\n" + body + "  output %y \"y\"\n}\n", find_op);
  if (!graph) ADD_FAILURE() << graph.error().text();
  return graph ? std::move(*graph) : Graph();
}
Graph softmax_network() { return network("  input %x: f32[N,8] \"x\"\n  %y: f32[N,8] = softmax(%x) {axis = 1} @\"y\"\n"); }
Graph convolution_network() {
  return network(
      "  input %x: f32[N,16,8,8] \"x\"\n  constant %w: f32[16,16,3,3] refit \"w\"\n"
      "  %y: f32[N,16,6,6] = conv(%x, %w) {dilations = i[1, 1], group = 1, pads = [0, 0, 0, 0], strides = i[1, 1]} @\"y\"\n");
}

struct Chooser {
  Graph graph = softmax_network();
  TimingCache cache;
  SelectOptions options;

  Chooser() {
    options.fingerprint = "one target";
    options.target.cpu_features = cpu_features();
    options.points.push_back({{{"N", 4}}, {}});
  }
  Result<Selection> choose() {
    auto timer = make_fake_timer(host_kernel_table(), 1, nullptr);
    return select(graph, static_values(graph), host_kernel_table(), *timer, cache, options);
  }
  std::string tactic() {
    auto selection = choose();
    if (!selection) return selection.error().text();
    const NodeReport& report = selection->nodes.at(0);
    return std::string(report.candidates.at(static_cast<size_t>(report.chosen)).tactic->name);
  }
};

TEST(Select, TimesAreOfOneTarget) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Chooser chooser;
  chooser.graph = convolution_network();   // several tactics
  ASSERT_TRUE(chooser.choose());
  const size_t once = chooser.cache.size();
  ASSERT_GT(once, 0u);
  ASSERT_TRUE(chooser.choose());
  EXPECT_EQ(chooser.cache.size(), once) << "the same target is not timed again";
  chooser.options.fingerprint = "another target";
  ASSERT_TRUE(chooser.choose());
  EXPECT_EQ(chooser.cache.size(), 2 * once);
}

TEST(Select, ForcedTacticsAreTaken) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Chooser chooser;
  EXPECT_EQ(chooser.tactic(), "softmax_rows");
  chooser.options.forced = "reference";
  EXPECT_EQ(chooser.tactic(), "reference");
  chooser.options.forced = "softmax_rows";
  EXPECT_EQ(chooser.tactic(), "softmax_rows");
  chooser.options.forced = "matmul_packed";   // cannot compute it
  EXPECT_EQ(chooser.tactic(), "softmax_rows");
}

TEST(Select, NothingIsTimedBehindTheDeadline) {
  Chooser chooser;
  chooser.options.deadline = std::chrono::steady_clock::time_point::min();
  auto selection = chooser.choose();
  ASSERT_TRUE(selection);
  const NodeReport& report = selection->nodes.at(0);
  EXPECT_EQ(report.candidates.at(static_cast<size_t>(report.chosen)).timing.kind, Timing::Kind::not_tried);
}

}  // namespace
}  // namespace tenon::testing
