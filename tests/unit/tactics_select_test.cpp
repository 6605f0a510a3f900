// Selection: what it times, what it takes from a timing cache, what is forced.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "conv/params.h"
#include "device/kernel_table.h"
#include "matmul/params.h"
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

TEST(Select, ShuffledTimesChooseByTheirNumber) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  const auto chosen = [](int seed) {
    Chooser chooser;
    chooser.graph = convolution_network();
    auto timer = make_fake_timer(host_kernel_table(), 1, nullptr, fmt::format("shuffled:{}", seed));
    auto selection =
        select(chooser.graph, static_values(chooser.graph), host_kernel_table(), *timer, chooser.cache, chooser.options);
    if (!selection) return selection.error().text();
    const NodeReport& report = selection->nodes.at(0);
    return std::string(report.candidates.at(static_cast<size_t>(report.chosen)).tactic->name);
  };
  std::set<std::string> seen;
  for (int seed = 0; seed < 32; ++seed) {
    seen.insert(chosen(seed));
    EXPECT_EQ(chosen(seed), chosen(seed)) << seed;
  }
  EXPECT_GT(seen.size(), 2u);
  EXPECT_EQ(seen.count("reference"), 0u);
  for (const char* name : {"real", "fake", "shuffled:0", "shuffled:18446744073709551615"}) EXPECT_TRUE(is_timer(name)) << name;
  for (const char* name : {"", "sundial", "shuffled", "shuffled:", "shuffled:-1", "shuffled:1 ", "shuffled:18446744073709551616"})
    EXPECT_FALSE(is_timer(name)) << name;
}

// Answers from a list for each kernel, in turn; the last one again and again.
class ScriptedTimer : public Timer {
 public:
  std::map<std::string, std::vector<double>> answers;
  std::vector<std::string> asked;
  std::string_view name() const override { return "scripted"; }
  Result<Timing> time(const Trial& trial, double) override {
    asked.push_back(trial.kernel);
    std::vector<double>& list = answers.at(trial.kernel);
    const double now = list.front();
    if (list.size() > 1) list.erase(list.begin());
    if (now < 0) return fail(Code::out_of_memory, "no memory");
    return Timing{Timing::Kind::measured, now};
  }
};

// The two tactics of a network of one softmax without its rows: a quick one that was disturbed, and another.
struct Contest {
  Chooser chooser;
  ScriptedTimer timer;
  std::string first, second;  // kernels

  Contest() {
    chooser.graph = convolution_network();
    chooser.options.target.onednn = "";
    chooser.options.contests = 2;
    chooser.options.disabled = {"conv_winograd", "conv_winograd_line", "conv_strassen", "conv_first", "conv_depthwise"};
    const bool wide = cpu_features() & kAvx512;
    first = wide ? "conv.blocked.f32.avx512" : "conv.blocked.f32.avx2";
    second = wide ? "conv.linear.f32.avx512" : "conv.linear.f32.avx2";
    timer.answers["reformat.tiles"] = timer.answers["reformat.reference"] = {0.01};
  }
  Result<Selection> choose() {
    return select(chooser.graph, static_values(chooser.graph), host_kernel_table(), timer, chooser.cache, chooser.options);
  }
  std::string chosen() {
    auto selection = choose();
    if (!selection) return selection.error().text();
    const NodeReport& report = selection->nodes.at(0);
    return report.candidates.at(static_cast<size_t>(report.chosen)).candidate.call.kernel;
  }
};

TEST(Select, CloseCandidatesAreTimedAgainInTurns) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.timer.answers[contest.first] = {11, 7};
  contest.timer.answers[contest.second] = {10};
  EXPECT_EQ(contest.chosen(), contest.first) << "its first time was a disturbed one";
  const auto count = [&](const std::string& kernel) { return std::ranges::count(contest.timer.asked, kernel); };
  EXPECT_EQ(count(contest.first), 3) << "once, and in two contests";
  EXPECT_EQ(count(contest.second), 3);
  // A build with the cache asks nothing, and chooses the same.
  contest.timer.asked.clear();
  EXPECT_EQ(contest.chosen(), contest.first);
  EXPECT_EQ(contest.timer.asked, std::vector<std::string>());
}

// All times but the first were taken while the machine did something else, which slows everything down alike.
TEST(Select, ATimeFromAQuieterMomentDecidesNothing) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.timer.answers[contest.first] = {10, 17};
  contest.timer.answers[contest.second] = {15};
  EXPECT_EQ(contest.chosen(), contest.second);
}

TEST(Select, OneDisturbedTurnDecidesNothing) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.chooser.options.contests = 3;
  contest.timer.answers[contest.first] = {7, 7, 50, 7};
  contest.timer.answers[contest.second] = {10, 10, 10, 10};
  EXPECT_EQ(contest.chosen(), contest.first);
  auto selection = contest.choose();
  ASSERT_TRUE(selection);
  for (const Considered& c : selection->nodes.at(0).candidates) {
    EXPECT_DOUBLE_EQ(c.timing.microseconds, c.candidate.call.kernel == contest.first ? 7 : 10) << c.candidate.call.kernel;
  }
}

TEST(Select, ALaterFailureChangesNothing) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.timer.answers[contest.first] = {11, -1};
  contest.timer.answers[contest.second] = {10};
  EXPECT_EQ(contest.chosen(), contest.second);
}

TEST(Select, WithoutContestsTheFirstTimesDecide) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.chooser.options.contests = 0;
  contest.timer.answers[contest.first] = {11, 7};
  contest.timer.answers[contest.second] = {10};
  EXPECT_EQ(contest.chosen(), contest.second);
  EXPECT_EQ(std::ranges::count(contest.timer.asked, contest.first), 1);
}

// Times of the packed product's panels, by their width in vectors.
class WidthTimer : public Timer {
 public:
  std::map<int64_t, std::vector<double>> answers;
  std::map<int64_t, int> asked;
  std::string_view name() const override { return "widths"; }
  Result<Timing> time(const Trial& trial, double) override {
    if (trial.kernel.find("matmul.packed") == std::string::npos) return Timing{Timing::Kind::measured, 1000};
    MatmulPackedParams params;
    std::memcpy(&params, trial.params.data(), sizeof params);
    ++asked[params.vectors];
    std::vector<double>& list = answers.at(params.vectors);
    const double now = list.front();
    if (list.size() > 1) list.erase(list.begin());
    return Timing{Timing::Kind::measured, now};
  }
};

TEST(Select, FinalsDecideBetweenCloseCandidates) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Chooser chooser;
  chooser.graph = network("  input %a: f32[N,64] \"a\"\n  input %b: f32[64,96] \"b\"\n  %y: f32[N,96] = matmul(%a, %b) @\"y\"\n");
  chooser.options.target.onednn = "";
  chooser.options.contests = 2, chooser.options.finals = 5;
  WidthTimer timer;
  timer.answers[2] = {10, 10, 10, 12};  // worse in all turns of the finals
  timer.answers[3] = {10.5};
  timer.answers[4] = {30};              // far behind: asked once
  auto selection = select(chooser.graph, static_values(chooser.graph), host_kernel_table(), timer, chooser.cache, chooser.options);
  ASSERT_TRUE(selection) << selection.error().text();
  const NodeReport& report = selection->nodes.at(0);
  MatmulPackedParams params;
  const Candidate& chosen = report.candidates.at(static_cast<size_t>(report.chosen)).candidate;
  ASSERT_EQ(chosen.call.params.size(), sizeof params) << chosen.call.kernel;
  std::memcpy(&params, chosen.call.params.data(), sizeof params);
  EXPECT_EQ(params.vectors, 3);
  EXPECT_EQ(timer.asked[2], 1 + 2 + 5);
  EXPECT_EQ(timer.asked[3], 1 + 2 + 5);
  if (cpu_features() & kAvx512) {
    EXPECT_EQ(timer.asked[4], 1);
  }
}

// Every tactic of products and convolutions refuses a processor without vectors, and says so.
TEST(Select, WithoutVectorsTheReferenceStands) {
  for (const char* body : {"  input %x: f32[N,64,3,3] \"x\"\n  constant %w: f32[96,64,1,1] refit \"w\"\n"
                           "  %y: f32[N,96,3,3] = conv(%x, %w) {dilations = i[1, 1], group = 1, pads = [0, 0, 0, 0], strides = i[1, 1]} @\"y\"\n",
                           "  input %x: f32[N,64] \"x\"\n  constant %w: f32[64,96] refit \"w\"\n  %y: f32[N,96] = matmul(%x, %w) @\"y\"\n"}) {
    Chooser chooser;
    chooser.graph = network(body);
    chooser.options.target.cpu_features = 0;
    chooser.options.target.threads = 2;
    chooser.options.target.typical = &chooser.options.points[0].values;
    EXPECT_EQ(chooser.tactic(), "reference");
  }
}

// Candidates whose threads make rows together are there where a product has few blocks of rows and many panels, and they stand.
TEST(Select, RowsAreMadeTogetherWhereThereAreFewBlocks) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  const auto together = [](int threads, int rows) {
    Chooser chooser;
    chooser.graph = network("  input %a: f32[N,128] \"a\"\n  constant %b: f32[128,640] refit \"b\"\n  %y: f32[N,640] = matmul(%a, %b) @\"y\"\n");
    chooser.options.target.threads = threads;
    chooser.options.points[0].values["N"] = rows;
    chooser.options.target.typical = &chooser.options.points[0].values;
    std::set<std::string> tactics;
    auto selection = chooser.choose();
    if (!selection) ADD_FAILURE() << selection.error().text();
    for (const Considered& c : selection->nodes.at(0).candidates)
      if (c.failure.empty() && c.candidate.config.find("rows together") != std::string::npos) tactics.insert(std::string(c.tactic->name));
    return tactics;
  };
  const std::set<std::string> both = {"matmul_packed", "matmul_strassen"}, none;
  EXPECT_EQ(together(1, 100), none);
  EXPECT_EQ(together(2, 100), both);
  EXPECT_EQ(together(2, 10), none) << "too few rows";
  EXPECT_EQ(together(2, 100'000), none) << "blocks for all";
  EXPECT_EQ(together(16, 100), none) << "too few panels";
}

// Blocks are cut for the processor's second-level cache, where it says what is likely.
TEST(Select, BlocksAreCutForTheCache) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  const Graph convolution = convolution_network(),
              product = network("  input %x: f32[N,128] \"x\"\n  constant %b: f32[128,640] refit \"b\"\n  %y: f32[N,640] = matmul(%x, %b) @\"y\"\n");
  std::set<std::string> tactics;
  for (auto [l2, expected] : {std::pair<int64_t, int64_t>{64 << 10, 256 << 10}, {512 << 10, 512 << 10}, {8 << 20, 2 << 20}})
    for (const Graph* graph : {&convolution, &product}) {
      Chooser chooser;
      chooser.graph = *graph;
      chooser.options.target.l2 = l2;
      auto selection = chooser.choose();
      ASSERT_TRUE(selection) << selection.error().text();
      for (const Considered& c : selection->nodes.at(0).candidates) {
        const std::string name(c.tactic->name);
        const bool of_product = name == "matmul_packed" || name == "matmul_strassen", of_conv = name == "conv_blocked" || name == "conv_winograd";
        if (!of_product && !of_conv) continue;
        const std::vector<std::byte>& params = c.candidate.call.params;
        ASSERT_EQ(params.size(), of_product ? sizeof(MatmulPackedParams) : sizeof(ConvPackedParams));
        int64_t cache = 0;
        std::memcpy(&cache, params.data() + (of_product ? offsetof(MatmulPackedParams, cache) : offsetof(ConvPackedParams, cache)), sizeof cache);
        EXPECT_EQ(cache, expected) << name;
        tactics.insert(name);
      }
    }
  EXPECT_EQ(tactics.size(), 4u);
}

// What needs no step costs nothing, and gets the quickest candidate all the same.
TEST(Select, FreeNodes) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  contest.timer.answers[contest.first] = {7};
  contest.timer.answers[contest.second] = {10};
  contest.chooser.options.is_free = [](const Graph&, NodeId, const Candidate& c) { return c.inputs[0].format == kLinear; };
  EXPECT_EQ(contest.chosen(), contest.second);
  EXPECT_EQ(contest.choose()->microseconds, 0);
}

// Where weights come from is part of what a time says.
TEST(Select, TimesOfEachLevelOfWeightsAreTheirOwn) {
  if (!(cpu_features() & kAvx2)) GTEST_SKIP() << "the fast tactics need AVX2";
  Contest contest;
  auto choose = [&](Weights weights) {
    auto timer = make_real_timer(host_kernel_table(), 2, weights);
    ASSERT_TRUE(timer) << timer.error().text();
    auto selection = select(contest.chooser.graph, static_values(contest.chooser.graph), host_kernel_table(), **timer,
                            contest.chooser.cache, contest.chooser.options);
    ASSERT_TRUE(selection) << selection.error().text();
    EXPECT_GT(selection->microseconds, 0);
  };
  choose({});
  const size_t once = contest.chooser.cache.size();
  EXPECT_GT(once, 0u);
  choose({int64_t{1} << 20, Weights::Level::near});
  EXPECT_EQ(contest.chooser.cache.size(), once);
  choose({int64_t{1} << 20, Weights::Level::last});
  EXPECT_EQ(contest.chooser.cache.size(), 2 * once);
  choose({int64_t{1} << 20, Weights::Level::memory});
  EXPECT_EQ(contest.chooser.cache.size(), 3 * once);
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
