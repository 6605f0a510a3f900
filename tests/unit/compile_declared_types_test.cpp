// What a model declares of outputs and of values between nodes, against what its nodes compute.
#include <gtest/gtest.h>

#include "compile/compile.h"
#include "passes/passes.h"
#include "support/onnx_bytes.h"

namespace tenon {
namespace {

using namespace tenon::testing;

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "'" << (part) << "' is not in: " << (text)

Message int32_cast(std::string_view from, std::string_view to) {
  return node("Cast", {from}, {to}, to).message(5, integer_attribute("to", 6));
}

// t = Relu(x[N,3]), y = Relu(t), z = Cast(t) to int32.
std::string problem(const Message& y, const Message& z, const Message& between = {}, std::vector<Decision>* decisions = nullptr) {
  Message graph;
  graph.message(11, value_info("x", 1, {dim("N"), dim(3)})).message(12, y).message(12, z);
  if (!between.bytes().empty()) graph.message(13, between);
  graph.message(1, node("Relu", {"x"}, {"t"})).message(1, node("Relu", {"t"}, {"y"})).message(1, int32_cast("t", "z"));
  graph.message(1, node("Relu", {"x"}, {"unused"}));
  auto imported = import_onnx_bytes(model(graph).span(), true, {}, Log());
  if (!imported) return imported.error().text();
  Status status = k_expand.run(*imported, {nullptr, decisions});
  if (status) return "";
  EXPECT_EQ(status.error().code, Code::invalid_model);
  return status.error().text();
}
std::string problem_of_y(const Message& y) { return problem(y, value_info("z", 6, {dim("N"), dim(3)})); }
std::string problem_between(const Message& between) {
  return problem(value_info("y", 1, {dim("N"), dim(3)}), value_info("z", 6, {dim("N"), dim(3)}), between);
}

TEST(DeclaredTypes, WhatAgreesOrSaysNothing) {
  EXPECT_EQ(problem_of_y(value_info("y", 1, {dim("N"), dim(3)})), "");
  EXPECT_EQ(problem_of_y(value_info("y", 1, {dim("other"), dim()})), "");
  EXPECT_EQ(problem_of_y(value_info("y", 1, {dim(7), dim(3)})), "") << "N may be 7";
  EXPECT_EQ(problem_of_y(value_info("y", 1, {dim(-1), dim(-1)})), "");
  EXPECT_EQ(problem_of_y(Message().text(1, "y")), "");
  EXPECT_EQ(problem_of_y(Message().text(1, "y").message(2, Message().message(1, Message()))), "");
  EXPECT_EQ(problem_of_y(Message().text(1, "y").message(2, Message().message(1, Message().integer(1, 1)))), "");
}

TEST(DeclaredTypes, ElementTypesOfOutputs) {
  EXPECT_EQ(problem_of_y(value_info("y", 6, {dim("N"), dim(3)})),
            "output 'y' is declared as i32[?,3], the network computes f32[N,3]");
  EXPECT_HAS(problem_of_y(Message().text(1, "y").message(2, Message().message(1, Message().integer(1, 11)))),
             "output 'y' is declared as f64, the network computes f32[N,3]");
  EXPECT_HAS(problem_of_y(value_info("y", 14, {dim("N"), dim(3)})), "output 'y' (graph/output[0], byte ");
  EXPECT_HAS(problem_of_y(value_info("y", 14, {dim("N"), dim(3)})), "elements of type complex64 are not supported");
  EXPECT_EQ(problem_of_y(Message().text(1, "y").message(2, Message().message(4, Message()))), "") << "a sequence declares nothing";
  EXPECT_HAS(problem_of_y(Message().text(1, "y").message(2, Message().message(5, Message()))), "it is a map");
  std::string both = problem(value_info("y", 6, {}), value_info("z", 1, {dim(), dim(3)}));
  EXPECT_HAS(both, "2 declared types contradict");
  EXPECT_HAS(both, "output 'y' is declared as i32[], the network computes f32[N,3]");
  EXPECT_HAS(both, "output 'z' is declared as f32[?,3], the network computes i32[N,3]");
}

TEST(DeclaredTypes, OtherDimsOfOutputsAreNoted) {
  auto noted = [](const Message& y) {
    std::vector<Decision> decisions;
    EXPECT_EQ(problem(y, value_info("z", 6, {dim("N"), dim(3)}), {}, &decisions), "");
    return decisions.empty() ? "" : decisions[0].node + ": " + decisions[0].what + ", " + decisions[0].reason;
  };
  EXPECT_EQ(noted(value_info("y", 1, {dim("N"), dim(3)})), "");
  EXPECT_EQ(noted(value_info("y", 1, {dim("N"), dim(4)})), "y: keep the declared dims f32[?,4], the network computes f32[N,3]");
  EXPECT_HAS(noted(value_info("y", 1, {dim("N")})), "f32[?],");
  EXPECT_HAS(noted(value_info("y", 1, {dim("N"), dim(3), dim(1)})), "f32[?,3,1],");
  EXPECT_HAS(noted(value_info("y", 1, {})), "f32[],");
}

TEST(DeclaredTypes, ValuesBetweenNodes) {
  EXPECT_EQ(problem_between(value_info("t", 1, {dim("N"), dim(3)})), "");
  EXPECT_EQ(problem_between(value_info("t", 1, {dim(5), dim(5), dim(5)})), "") << "exporters leave old dims behind";
  EXPECT_EQ(problem_between(value_info("nothing", 6, {})), "");
  EXPECT_EQ(problem_between(value_info("unused", 6, {})), "") << "no output needs it";
  EXPECT_EQ(problem_between(value_info("t", 10, {dim("N"), dim(3)})),
            "value 't' is declared as f16, the network computes f32[N,3]");
}

}  // namespace
}  // namespace tenon
