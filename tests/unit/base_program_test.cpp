#include "base/program.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tenon {
namespace {

constexpr DType kF[] = {DType::f32, DType::f32, DType::f32};

TEST(Program, PrintsWhatItParsed) {
  for (const char* text : {"max(add(x0, x1), 0)", "mul(mul(x0, 0.5), add(erf(mul(x0, 0.70710678)), 1))", "x0",
                           "cast(x1):f32", "cast(x0):i64", "where(gt(x0, 0), x0, mul(x0, 0.01))",
                           "t0 = exp(x0); div(t0, add(t0, 1))", "exp(-inf:f32)", "1:i64", "-2.5:f16",
                           "t0 = mul(x0, x1); t1 = add(t0, t0); mul(t1, sub(t1, t0))", "logical_not(isnan(x2))",
                           "where(0:bool, 1:f32, 2:f32)"}) {
    auto program = parse_program(text, kF);
    ASSERT_TRUE(program) << text << ": " << program.error().text();
    EXPECT_TRUE(verify(*program)) << text;
    EXPECT_EQ(print(*program), text);
  }
}

TEST(Program, RefusesBadText) {
  for (const char* text : {"", "add(x0)", "add(x0, x1", "x3", "foo(x0)", "add(1, 2)", "exp(x0) x1", "add(x0, x1,)",
                           "bit_not(x0)", "where(x0, x0, x0)", "cast(x0)", "1.5:i32", "256:u8", "exp(1:string)",
                           "t0 = exp(x0) add(t0, t0)", "constant(x0)"}) {
    EXPECT_FALSE(parse_program(text, kF)) << text;
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "neg(";
  EXPECT_FALSE(parse_program(deep, kF));
}

TEST(Program, RefusesForgedBytes) {
  Program good = *parse_program("max(add(x0, x1), 0)", kF);
  ASSERT_TRUE(verify(good));
  auto broken = [&](auto&& edit) {
    Program bad = good;
    edit(bad);
    return !verify(bad).has_value();
  };
  EXPECT_TRUE(broken([](Program& p) { p.code[0].b = 3; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[2].a = 5; }));
  EXPECT_TRUE(broken([](Program& p) { p.inputs = 17; }));
  EXPECT_TRUE(broken([](Program& p) { p.size = 49; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[0].op = ExprOp::count_; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[0].type = DType::i32; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[0].type = DType::string; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[0].c = 1; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[0].imm = -0.0; }));
  EXPECT_TRUE(broken([](Program& p) { p.code[47].imm = 1; }));
  EXPECT_TRUE(broken([](Program& p) { p.input_type[7] = DType::f32; }));
  EXPECT_TRUE(broken([](Program& p) { p.zero[1] = 1; }));
}

TEST(Program, OneOrderForOneExpression) {
  ProgramBuilder a(kF), b(kF);
  uint8_t one = a.constant(DType::f32, 1);
  a.unary(ExprOp::exp, 2);  // unused
  Program first = *a.finish(a.binary(ExprOp::add, a.unary(ExprOp::neg, 0), one));
  uint8_t negated = b.unary(ExprOp::neg, 0);
  b.unary(ExprOp::neg, 0);
  Program second = *b.finish(b.binary(ExprOp::add, negated, b.constant(DType::f32, 1)));
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.size, 3);
}

TEST(Program, ComposesInnerIntoSlot) {
  Program inner = *parse_program("mul(x0, x1)", std::span(kF, 2));
  Program outer = *parse_program("sub(x0, add(x1, x2))", kF);
  auto both = compose(outer, 1, inner);
  ASSERT_TRUE(both);
  EXPECT_EQ(print(*both), "sub(x2, add(mul(x0, x1), x3))");
  EXPECT_FALSE(compose(outer, 3, inner));
  Program condition = *parse_program("gt(x0, x1)", std::span(kF, 2));
  EXPECT_FALSE(compose(outer, 0, condition));
}

TEST(Program, SaysWhenItIsTooLong) {
  ProgramBuilder builder(kF);
  uint8_t value = 0;
  for (int i = 0; i < 60; ++i) value = builder.unary(ExprOp::exp, value);
  EXPECT_FALSE(builder.finish(value));
}

// Random programs: bytes survive print and parse.
TEST(Program, RoundTripsRandomPrograms) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    ProgramBuilder builder(kF);
    std::vector<uint8_t> numbers{0, 1, 2};
    auto pick = [&] { return numbers[random() % numbers.size()]; };
    for (int i = 0; i < 20; ++i) {
      switch (random() % 5) {
        case 0: numbers.push_back(builder.constant(DType::f32, static_cast<double>(random()) / 7)); break;
        case 1: numbers.push_back(builder.unary(ExprOp::tanh, pick())); break;
        case 2: numbers.push_back(builder.where(builder.binary(ExprOp::lt, pick(), pick()), pick(), pick())); break;
        default: numbers.push_back(builder.binary(ExprOp::mul, pick(), pick()));
      }
    }
    auto program = builder.finish(numbers.back());
    ASSERT_TRUE(program);
    auto again = parse_program(print(*program), kF);
    ASSERT_TRUE(again) << print(*program) << again.error().text();
    EXPECT_EQ(*again, *program) << print(*program);
  }
}

}  // namespace
}  // namespace tenon
