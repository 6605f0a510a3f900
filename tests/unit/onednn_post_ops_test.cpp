// Which programs are chains of oneDNN post-ops, and which are refused.
#include <gtest/gtest.h>

#include "onednn/post_ops.h"

namespace tenon::onednn {
namespace {

struct Match {
  bool ok;
  PostOpChain chain;
  std::string refusal;
};

Match match(std::string_view text, int inputs = 1) {
  std::vector<DType> types(static_cast<size_t>(inputs), DType::f32);
  Result<Program> program = parse_program(text, types);
  EXPECT_TRUE(program) << text;
  Match out;
  out.ok = match_post_ops(*program, out.chain, out.refusal);
  return out;
}

void expect_one(std::string_view text, PostOpKind kind, float alpha = 0, float beta = 0) {
  SCOPED_TRACE(std::string(text));
  const Match m = match(text);
  ASSERT_TRUE(m.ok) << m.refusal;
  ASSERT_EQ(m.chain.count, 1);
  EXPECT_EQ(m.chain.ops[0].kind, kind);
  EXPECT_FLOAT_EQ(m.chain.ops[0].alpha, alpha);
  EXPECT_FLOAT_EQ(m.chain.ops[0].beta, beta);
}

TEST(OnednnPostOps, FormsOfOneFunction) {
  expect_one("max(x0, 0)", PostOpKind::relu);
  expect_one("max(0, x0)", PostOpKind::relu);
  expect_one("min(max(x0, 0), 6)", PostOpKind::clip, 0, 6);
  expect_one("max(min(6, x0), 0)", PostOpKind::clip, 0, 6);
  expect_one("mul(x0, sigmoid(x0))", PostOpKind::swish, 1);
  expect_one("mul(sigmoid(mul(1.5, x0)), x0)", PostOpKind::swish, 1.5);
  for (const char* text : {"mul(x0, div(min(max(add(x0, 3), 0), 6), 6))", "div(mul(x0, min(max(add(3, x0), 0), 6)), 6)",
                           "mul(x0, max(0, min(1, add(mul(x0, 0.16666667), 0.5))))",
                           "mul(mul(x0, min(max(add(x0, 3), 0), 6)), 0.16666667)"})
    expect_one(text, PostOpKind::hardswish);
  for (const char* text : {"mul(mul(x0, 0.5), add(erf(mul(x0, 0.70710678)), 1))",
                           "mul(x0, mul(0.5, add(1, erf(div(x0, 1.4142135)))))",
                           "div(mul(x0, add(erf(mul(x0, 0.70710678)), 1)), 2)"})
    expect_one(text, PostOpKind::gelu_erf);
  for (const char* text :
       {"mul(mul(x0, 0.5), add(tanh(mul(add(x0, mul(mul(mul(x0, x0), x0), 0.044715)), 0.7978845608)), 1))",
        "mul(mul(0.5, x0), add(1, tanh(mul(0.7978845608, add(x0, mul(0.044715, pow(x0, 3)))))))",
        "mul(mul(0.5, x0), add(1, tanh(mul(mul(0.7978845608, x0), add(1, mul(0.044715, mul(x0, x0)))))))"})
    expect_one(text, PostOpKind::gelu_tanh);
  expect_one("where(lt(x0, 0), mul(x0, 0.1), x0)", PostOpKind::relu, 0.1f);
  expect_one("where(ge(x0, 0), x0, mul(0.1, x0))", PostOpKind::relu, 0.1f);
  expect_one("add(mul(x0, 3), 1)", PostOpKind::linear, 3, 1);
  expect_one("mul(add(x0, 1), 3)", PostOpKind::linear, 3, 3);
  expect_one("sub(1, x0)", PostOpKind::linear, -1, 1);
}

TEST(OnednnPostOps, Chains) {
  const Match m = match("mul(max(add(mul(x0, x2), x1), 0), x3)", 4);
  ASSERT_TRUE(m.ok) << m.refusal;
  ASSERT_EQ(m.chain.count, 4);
  const PostOpKind kinds[] = {PostOpKind::mul, PostOpKind::add, PostOpKind::relu, PostOpKind::mul};
  const int inputs[] = {2, 1, 0, 3};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(m.chain.ops[i].kind, kinds[i]);
    EXPECT_EQ(m.chain.ops[i].input, inputs[i]);
  }
}

TEST(OnednnPostOps, Refusals) {
  for (const char* text : {"erf(x0)", "sin(x0)", "add(x0, sigmoid(x0))", "mul(x0, tanh(x0))", "add(x0, x0)",
                           "mul(x0, add(erf(mul(x0, 0.70710678)), 1))", "mul(mul(x0, 0.5), add(erf(mul(x0, 0.8)), 1))",
                           "mul(x0, div(min(max(add(x0, 3), 0), 6), 7))", "div(1, x0)",
                           "where(lt(x0, 1), mul(x0, 0.1), x0)",
                           // two clips with different bounds: oneDNN would use the first's for both
                           "min(max(tanh(min(max(x0, 0), 6)), 0), 0.5)"}) {
    const Match m = match(text);
    EXPECT_FALSE(m.ok) << text;
    EXPECT_FALSE(m.refusal.empty());
  }
  for (const char* text : {"sub(x1, x0)", "div(x1, x0)", "add(x0, sigmoid(x1))", "mul(x1, x1)"})
    EXPECT_FALSE(match(text, 2).ok) << text;
  const DType types[] = {DType::f32, DType::i32};
  PostOpChain chain;
  std::string refusal;
  EXPECT_FALSE(match_post_ops(*parse_program("add(x0, cast(x1):f32)", types), chain, refusal));
}

}  // namespace
}  // namespace tenon::onednn
