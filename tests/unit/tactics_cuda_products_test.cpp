// What the CUDA tactics of products and convolutions claim and refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cuda/gemm_params.h"
#include "ops/ops.h"
#include "tactics/tactic.h"

namespace tenon::testing {
namespace {

TargetInfo target(bool f16 = true, bool tf32 = false) {
  TargetInfo out;
  out.device = "cuda";
  out.architecture = 90;
  out.multiprocessors = 132;
  out.shared_memory = 227 << 10;
  out.allow_f16 = f16;
  out.allow_tf32 = tf32;
  return out;
}

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

Claim claim(std::string_view name, const Parsed& p, const TargetInfo& t = target()) {
  for (const Tactic* tactic : all_tactics())
    if (tactic->name == name) {
      EXPECT_EQ(tactic->device, "cuda");
      return tactic->claim(p.node(), t);
    }
  ADD_FAILURE() << "no tactic " << name;
  std::abort();
}

Parsed matmul(const std::string& type, const std::string& a, const std::string& b, const std::string& y, const std::string& extras = "",
              const std::string& attributes = "") {
  std::string inputs, names;
  size_t at = 0, i = 0;
  while (at < extras.size()) {
    const size_t end = std::min(extras.find(';', at), extras.size());
    inputs += fmt::format("input %e{}: {}[{}] \"e{}\"\n", i, type, extras.substr(at, end - at), i);
    names += fmt::format(", %e{}", i++);
    at = end + 1;
  }
  return parse(fmt::format("input %a: {0}[{1}] \"a\"\ninput %b: {0}[{2}] \"b\"\n{4}%y: {0}[{3}] = matmul(%a, %b{5}){6} @\"matmul\"\noutput %y \"y\"",
                           type, a, b, y, inputs, names, attributes));
}

std::set<std::string> precisions(const Claim& c) {
  std::set<std::string> out;
  for (const Candidate& candidate : c.candidates) out.insert(name_of(candidate.inputs[0]) + " > " + name_of(candidate.outputs[0]));
  return out;
}

void expect_distinct_configs(const Claim& c) {
  std::set<std::string> seen;
  for (const Candidate& candidate : c.candidates) EXPECT_TRUE(seen.insert(candidate.config).second) << candidate.config;
}

using Set = std::set<std::string>;
constexpr char kGelu[] = " {epilogue = (f32, f32) -> mul(mul(add(x0, x1), 0.5), add(erf(mul(add(x0, x1), 0.7071067812)), 1))}";

TEST(CudaMatmulLt, OffersWhatTheTargetAllows) {
  const Parsed p = matmul("f32", "4,8", "8,16", "4,16");
  const Claim strict = claim("cuda_matmul_lt", p, target(false)), all = claim("cuda_matmul_lt", p, target(true, true));
  EXPECT_EQ(precisions(strict), (Set{"linear > linear"}));
  EXPECT_EQ(precisions(all), (Set{"linear > linear", "f16 linear > f16 linear", "f16 linear > linear"}));
  EXPECT_TRUE(std::any_of(all.candidates.begin(), all.candidates.end(), [](const Candidate& c) { return c.config.starts_with("tf32"); }));
  expect_distinct_configs(all);
}

TEST(CudaMatmulLt, AppliesLinearEpiloguesAndLeavesOthersToAKernelBehind) {
  auto apart = [](const Parsed& p) {
    const Claim c = claim("cuda_matmul_lt", p);
    EXPECT_FALSE(c.candidates.empty()) << c.refusal;
    CudaMatmulLtParams params;
    std::memcpy(&params, c.candidates.at(0).call.params.data(), sizeof params);
    return params.apart != 0;
  };
  EXPECT_FALSE(apart(matmul("f32", "4,8", "8,16", "4,16", "16", " {epilogue = (f32, f32) -> max(add(x0, x1), 0)}")));
  EXPECT_FALSE(apart(matmul("f32", "4,8", "8,16", "4,16", "16;4,16", " {epilogue = (f32, f32, f32) -> add(add(x0, x1), x2)}")));
  EXPECT_FALSE(apart(matmul("f32", "4,8", "8,16", "4,16", "", " {epilogue = (f32) -> mul(x0, 0.125)}")));
  // The library's GELU is the one by tanh.
  EXPECT_TRUE(apart(matmul("f32", "4,8", "8,16", "4,16", "16", kGelu)));
  // Two values a column; a value a row; activation before the residual.
  EXPECT_TRUE(apart(matmul("f32", "4,8", "8,16", "4,16", "16;16", " {epilogue = (f32, f32, f32) -> add(add(x0, x1), x2)}")));
  EXPECT_TRUE(apart(matmul("f32", "4,8", "8,16", "4,16", "4,1", " {epilogue = (f32, f32) -> add(x0, x1)}")));
  EXPECT_TRUE(apart(matmul("f32", "4,8", "8,16", "4,16", "4,16", " {epilogue = (f32, f32) -> add(max(x0, 0), x1)}")));
}

TEST(CudaMatmulLt, RefusesNamingTheReason) {
  EXPECT_NE(claim("cuda_matmul_lt", matmul("i32", "4,8", "8,16", "4,16")).refusal.find("i32"), std::string::npos);
  const Claim batch = claim("cuda_matmul_lt", matmul("f32", "3,4,8", "3,8,16", "4,16,3", "", " {perm_out = i[1, 2, 0]}"));
  EXPECT_NE(batch.refusal.find("innermost dim must be M or N"), std::string::npos) << batch.refusal;
}

TEST(CudaGemm, ClaimsAnyEpilogueInReducedPrecision) {
  const Parsed p = matmul("f32", "128,768", "768,3072", "128,3072", "3072", kGelu);
  for (const char* name : {"cuda_matmul_mma", "cuda_matmul_wgmma"}) {
    const Claim c = claim(name, p);
    EXPECT_EQ(precisions(c), (Set{"f16 linear > f16 linear", "f16 linear > linear"})) << name;
    expect_distinct_configs(c);
    EXPECT_NE(claim(name, p, target(false)).refusal.find("f16 or bf16"), std::string::npos);
    // A network of f16 is what its types say.
    EXPECT_EQ(precisions(claim(name, matmul("f16", "4,8", "8,16", "4,16"), target(false))), (Set{"linear > linear"}));
  }
}

TEST(CudaGemm, WgmmaNeedsHopper) {
  TargetInfo other = target();
  other.architecture = 80;
  const Parsed p = matmul("f32", "4,8", "8,16", "4,16");
  EXPECT_NE(claim("cuda_matmul_wgmma", p, other).refusal.find("architecture 90"), std::string::npos);
  EXPECT_FALSE(claim("cuda_matmul_mma", p, other).candidates.empty());
}

TEST(CudaGemm, FewRowsSplitK) {
  const Claim c = claim("cuda_matmul_wgmma", matmul("f32", "1,4096", "4096,4096", "1,4096"));
  ASSERT_FALSE(c.candidates.empty());
  CudaGemmParams params;
  std::memcpy(&params, c.candidates[0].call.params.data(), sizeof params);
  EXPECT_TRUE(kGemmTiles[params.tile].swap) << c.candidates[0].config;
  EXPECT_GT(params.parts, 1) << c.candidates[0].config;
}

std::string conv(int c, int o, int k, int group, int stride = 1, const std::string& more = "") {
  return fmt::format("input %x: f32[N,{},16,16] \"x\"\nconstant %w: f32[{},{},{},{}] refit \"w\"\n"
                     "%y: f32[N,{},{},{}] = conv(%x, %w) {{dilations = i[1, 1], group = {}, pads = [{}, {}, {}, {}], strides = i[{}, {}]{}}} @\"conv\"\n"
                     "output %y \"y\"",
                     c, o, c / group, k, k, o, 16 / stride, 16 / stride, group, k / 2, k / 2, k / 2, k / 2, stride, stride, more);
}

TEST(CudaConv, CudnnOffersPlansInNhwc) {
  const Claim c = claim("cuda_conv_cudnn", parse(conv(16, 32, 3, 1)));
  ASSERT_FALSE(c.candidates.empty()) << c.refusal;
  expect_distinct_configs(Claim{c});
  const Set found = precisions(c);
  EXPECT_TRUE(found.count("f16 nhwc > f16 nhwc"));
  EXPECT_TRUE(found.count("nhwc > nhwc"));
  EXPECT_FALSE(found.count("linear > linear")) << "f32 is the likely loser here";
  EXPECT_TRUE(precisions(claim("cuda_conv_cudnn", parse(conv(3, 32, 3, 1)))).count("linear > linear")) << "an image";
  for (const Candidate& candidate : c.candidates) EXPECT_EQ(candidate.inputs[1], candidate.inputs[0]) << "w lies as x does";
}

TEST(CudaConv, ProductsAreConvolutionsWithAKernelOfOne) {
  EXPECT_FALSE(claim("cuda_conv_lt", parse(conv(16, 32, 1, 1))).candidates.empty());
  EXPECT_NE(claim("cuda_conv_lt", parse(conv(16, 32, 3, 1))).refusal.find("kernel of 1"), std::string::npos);
  EXPECT_NE(claim("cuda_conv_lt", parse(conv(16, 32, 1, 4))).refusal.find("one group"), std::string::npos);
  EXPECT_NE(claim("cuda_conv_lt", parse(conv(16, 32, 1, 1, 2))).refusal.find("strides of 1"), std::string::npos);
}

}  // namespace
}  // namespace tenon::testing
