// What the oneDNN tactics claim and refuse; every candidate prepares for every value of the symbols.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/cpu.h"
#include "device/kernel_table.h"
#include "onednn/params.h"
#include "ops/ops.h"
#include "tactics/problem.h"
#include "unit/onednn_harness.h"

namespace tenon::testing {
namespace {

TargetInfo target(uint32_t features = kAvx2 | kAvx512) {
  TargetInfo out;
  out.cpu_features = features;
  out.threads = 2;
  out.onednn = "onednn 2.6.3";
  return out;
}

// The last node of the graph whose statements are `body`.
struct Parsed {
  Graph graph;
  NodeView node() const { return {graph, graph.node(graph.order().back())}; }
};

Parsed parse(const std::string& body) {
  Result<Graph> graph = parse_graph("graph \"g\" core {\n" + body + "\n}", find_op);
  if (!graph) {
    ADD_FAILURE() << graph.error().text() << "\n" << body;
    std::abort();
  }
  return {std::move(*graph)};
}

const Tactic& tactic(std::string_view name) {
  for (const Tactic* t : all_tactics())
    if (t->name == name) return *t;
  ADD_FAILURE() << "no tactic " << name;
  std::abort();
}

Claim claim(std::string_view name, const Parsed& p, const TargetInfo& t = target()) {
  return tactic(name).claim(p.node(), t);
}

// Every candidate's kernel takes the node at several values of its symbols.
void expect_prepares(const Parsed& p, const Claim& c) {
  TN_NEED_ONEDNN();
  EXPECT_FALSE(c.candidates.empty()) << c.refusal;
  for (const Candidate& candidate : c.candidates)
    for (int64_t n : {1, 2, 5})
      for (int64_t h : {1, 8, 33}) {
        SCOPED_TRACE(fmt::format("{} {} N={} H={}", candidate.call.kernel, candidate.config, n, h));
        const auto trial = concrete_trial(p.node(), candidate, ProblemPoint{{{"N", n}, {"H", h}}, {}});
        ASSERT_TRUE(trial) << trial.error().text();
        const Kernel& k = kernel(trial->kernel);
        Prepared prepared;
        const Status status = k.prepare(PrepareCall{trial->params, trial->inputs, trial->outputs, 2}, prepared);
        EXPECT_TRUE(status) << text(status);
      }
}

std::string conv_text(int c, int o, int k, int group, const std::string& extras = "", const std::string& epilogue = "") {
  const int pad = k / 2;
  std::string out = fmt::format("input %x: f32[N,{},H,H] \"x\"\n constant %w: f32[{},{},{},{}] refit \"w\"\n", c, o, c / group, k, k);
  std::string names;
  for (size_t i = 0; i < extras.size(); ++i) {
    const std::string dims = extras[i] == 's' ? fmt::format("N,{},H,H", o) : extras[i] == 'c' ? fmt::format("1,{},1,1", o)
                             : extras[i] == 'n' ? fmt::format("N,{},1,1", o) : "1";
    out += fmt::format("input %e{}: f32[{}] \"e{}\"\n", i, dims, i);
    names += fmt::format(", %e{}", i);
  }
  out += fmt::format("%y: f32[N,{},H,H] = conv(%x, %w{}{}) {{dilations = i[1, 1], group = {}, pads = [{}, {}, {}, {}], strides = i[1, 1]{}}} @\"conv\"\n"
                     "output %y \"y\"", o, extras.empty() ? "" : ", _", names, group, pad, pad, pad, pad,
                     epilogue.empty() ? "" : ", epilogue = " + epilogue);
  return out;
}

std::vector<std::string> forms(const Claim& c) {
  std::vector<std::string> out;
  for (const Candidate& candidate : c.candidates)
    out.push_back(fmt::format("{} {} > {}", candidate.config, name_of(candidate.inputs[0]), name_of(candidate.outputs[0])));
  return out;
}

using Forms = std::vector<std::string>;

TEST(OnednnTactics, ConvFormats) {
  EXPECT_EQ(forms(claim("onednn_conv", parse(conv_text(3, 64, 7, 1)))),
            (Forms{"panels of 16 linear > c16", "panels of 64 nhwc > nhwc", "panels of 48 nhwc > nhwc", "panels of 32 nhwc > nhwc"}));
  EXPECT_EQ(forms(claim("onednn_conv", parse(conv_text(64, 24, 1, 1)))), (Forms{"blocks of 16 c16 > c16", "panels of 32 nhwc > nhwc"}));
  EXPECT_EQ(forms(claim("onednn_conv", parse(conv_text(64, 64, 3, 64)))), (Forms{"blocks of 16 c16 > c16", "blocks of 16 nhwc > nhwc"}));
  EXPECT_EQ(forms(claim("onednn_conv", parse(conv_text(64, 64, 3, 64)), target(kAvx2))), (Forms{"blocks of 8 c8 > c8"}));
  EXPECT_EQ(forms(claim("onednn_conv", parse(conv_text(20, 30, 3, 2)), target(kAvx2))), Forms{});
}

TEST(OnednnTactics, ConvPrepares) {
  for (const std::string& text :
       {conv_text(3, 64, 7, 1), conv_text(17, 33, 3, 1), conv_text(64, 200, 1, 1), conv_text(24, 24, 3, 24), conv_text(20, 30, 3, 2),
        conv_text(32, 64, 3, 2), conv_text(16, 32, 3, 1, "s", "(f32, f32) -> max(add(x0, x1), 0.0)"),
        conv_text(16, 32, 3, 1, "cs", "(f32, f32, f32) -> max(add(add(x0, x1), x2), 0.0)"),
        conv_text(16, 30, 1, 1, "c1", "(f32, f32, f32) -> mul(mul(x0, x1), x2)")}) {
    const Parsed p = parse(text);
    expect_prepares(p, claim("onednn_conv", p));
  }
}

TEST(OnednnTactics, SumTakesTheOutputsMemory) {
  const Claim sum = claim("onednn_conv", parse(conv_text(16, 32, 3, 1, "s", "(f32, f32) -> max(add(x0, x1), 0.0)")));
  for (const Candidate& c : sum.candidates) EXPECT_EQ(c.call.kernel, "onednn.conv_sum.f32");
  const Claim late = claim("onednn_conv", parse(conv_text(16, 32, 3, 1, "s", "(f32, f32) -> add(max(x0, 0.0), x1)")));
  for (const Candidate& c : late.candidates) EXPECT_EQ(c.call.kernel, "onednn.conv.f32");
}

TEST(OnednnTactics, ConvRefusals) {
  const auto refused = [](const Claim& c, std::string_view reason) {
    EXPECT_TRUE(c.candidates.empty());
    EXPECT_NE(c.refusal.find(reason), std::string::npos) << c.refusal;
  };
  TargetInfo without = target();
  without.onednn.clear();
  refused(claim("onednn_conv", parse(conv_text(16, 32, 3, 1)), without), "not there");
  refused(claim("onednn_conv", parse(conv_text(16, 32, 3, 1)), target(0)), "AVX2");
  refused(claim("onednn_conv", parse(conv_text(16, 32, 3, 1, "", "(f32) -> sin(x0)"))), "post-ops");
  refused(claim("onednn_conv", parse(conv_text(16, 32, 3, 1, "n", "(f32, f32) -> mul(x0, x1)"))), "one value along");
}

TEST(OnednnTactics, Matmul) {
  const Parsed packed = parse("input %a: f32[N,H,64] \"a\"\n constant %b: f32[64,100] refit \"b\"\n constant %c: f32[100] refit \"c\"\n"
                              "%y: f32[N,H,100] = matmul(%a, %b, %c) {epilogue = (f32, f32) -> max(add(x0, x1), 0.0)} @\"m\"\n"
                              "output %y \"y\"");
  Claim c = claim("onednn_matmul", packed);
  EXPECT_EQ(c.candidates.size(), 3u);
  for (const Candidate& candidate : c.candidates) EXPECT_EQ(candidate.packs.size(), 1u);
  expect_prepares(packed, c);

  const Parsed scores = parse("input %q: f32[N,H,4,64] \"q\"\n input %k: f32[N,H,4,64] \"k\"\n"
                              "%y: f32[N,4,H,H] = matmul(%q, %k) {epilogue = (f32) -> mul(x0, 0.125), perm_a = i[0, 2, 1, 3], "
                              "perm_b = i[0, 2, 3, 1]} @\"m\"\n output %y \"y\"");
  c = claim("onednn_matmul", scores);
  ASSERT_EQ(c.candidates.size(), 1u) << c.refusal;
  EXPECT_EQ(c.candidates[0].config, "plain");
  expect_prepares(scores, c);

  // A constant b, but heads between batch and rows of the result: no packing.
  const Parsed heads = parse("input %a: f32[N,4,H,64] \"a\"\n constant %b: f32[64,100] refit \"b\"\n"
                             "%y: f32[N,H,4,100] = matmul(%a, %b) {perm_out = i[0, 2, 1, 3]} @\"m\"\n output %y \"y\"");
  c = claim("onednn_matmul", heads);
  ASSERT_EQ(c.candidates.size(), 1u) << c.refusal;
  EXPECT_TRUE(c.candidates[0].packs.empty());
  expect_prepares(heads, c);

  const Parsed mask = parse("input %q: f32[N,4,H,64] \"q\"\n input %k: f32[N,4,64,H] \"k\"\n input %m: f32[N,1,1,H] \"m\"\n"
                            "%y: f32[N,4,H,H] = matmul(%q, %k, %m) {epilogue = (f32, f32) -> add(x0, x1)} @\"m\"\n output %y \"y\"");
  EXPECT_TRUE(claim("onednn_matmul", mask).candidates.empty());
}

TEST(OnednnTactics, Pool) {
  const Parsed p = parse("input %x: f32[N,24,H,H] \"x\"\n"
                         "%y: f32[N,24,floordiv(H - 1, 2) + 1,floordiv(H - 1, 2) + 1] = pool(%x) {kernel = i[3, 3], kind = \"max\", pads = [1, 1, 1, 1], strides = i[2, 2]} @\"p\"\n"
                         "output %y \"y\"");
  const Claim c = claim("onednn_pool", p);
  EXPECT_EQ(c.candidates.size(), 3u) << c.refusal;
  expect_prepares(p, c);
}

}  // namespace
}  // namespace tenon::testing
