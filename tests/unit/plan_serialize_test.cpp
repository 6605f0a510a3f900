#include "plan/serialize.h"

#include <gtest/gtest.h>

#include "plan/container.h"
#include "plan/verify.h"
#include "support/plans.h"

namespace tenon::plan {
namespace {

using test::PlanBuilder;
using test::looping_plan;
using test::small_plan;

std::string error_of(const Plan& plan) {
  auto bytes = write(plan);
  return bytes ? "" : bytes.error().text();
}

TEST(PlanBytes, RoundTripKeepsEverything) {
  PlanBuilder b = small_plan();
  auto bytes = write(b.finish());
  ASSERT_TRUE(bytes) << bytes.error().text();
  auto plan = load(*bytes, Limits{});
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(dump(*plan), dump(b.plan));
  EXPECT_EQ(dump_json(*plan), dump_json(b.plan));
  EXPECT_EQ(*write(*plan), *bytes);
  EXPECT_TRUE(std::ranges::equal(plan->weight_bytes, b.plan.weight_bytes));
  EXPECT_EQ(plan->profiles[0].region.steps[1].params, b.region().steps[1].params);
  const ptrdiff_t weights = plan->weight_bytes.data() - bytes->data();
  EXPECT_EQ(plan->weight_bytes.size(), 76u);
  EXPECT_EQ(weights % 64, 0) << "the section is aligned within the plan";
  EXPECT_LE(weights + 76, ptrdiff_t(bytes->size())) << "and not copied out of it";
}

TEST(PlanBytes, DumpNamesWhatAPlanHolds) {
  PlanBuilder b = small_plan();
  std::string text = dump(b.finish());
  for (const char* part : {"d2=mul(N, 3)", "view_of=5", "kernel=pointwise.reference", "arena 64 bytes 48",
                           "scale", "it was folded into a step", "op_type=Relu", "min=1  opt=2  max=4"})
    EXPECT_NE(text.find(part), text.npos) << part << " in\n" << text;
}

TEST(PlanBytes, LoadsAtAnyAddress) {
  std::vector<std::byte> bytes = small_plan().bytes();
  std::vector<std::byte> shifted(bytes.size() + 1);
  std::copy(bytes.begin(), bytes.end(), shifted.begin() + 1);
  EXPECT_TRUE(load(std::span(shifted).subspan(1), Limits{}));
}

TEST(PlanBytes, EveryTruncationIsRefused) {
  std::vector<std::byte> bytes = small_plan().bytes();
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(load(std::span(bytes).first(n), Limits{})) << n;
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(load(bytes, Limits{}));
}

TEST(PlanBytes, AnotherVersionIsIncompatible) {
  std::vector<std::byte> bytes = small_plan().bytes();
  bytes[offsetof(Header, version)] = std::byte{9};
  rehash(bytes);
  auto plan = load(bytes, Limits{});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::incompatible_plan);
}

TEST(PlanBytes, LimitsAreNamed) {
  Limits limits;
  limits.plan_bytes = 100;
  auto plan = load(small_plan().bytes(), limits);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().text().find("plan_bytes"), std::string::npos);
}

// Each of these plans is wrong in one place; the message must tell which.
struct Forgery {
  const char* message;
  void (*forge)(PlanBuilder& b);
};

const Forgery kForgeries[] = {
    {"before any step has written",
     [](PlanBuilder& b) { std::swap(b.region().steps[0], b.region().steps[1]); }},
    {"a second time", [](PlanBuilder& b) { b.add(b.region().steps[0]); }},
    {"an input or a weight", [](PlanBuilder& b) { b.region().steps[0].outputs = {0}; }},
    {"reads value 99", [](PlanBuilder& b) { b.region().steps[0].inputs[0] = 99; }},
    {"writes value 99", [](PlanBuilder& b) { b.region().steps[0].outputs[0] = 99; }},
    {"writes nothing", [](PlanBuilder& b) { b.region().steps[0].outputs.clear(); }},
    {"no step writes", [](PlanBuilder& b) { b.region().steps.pop_back(); }},
    {"does not lie within the arena", [](PlanBuilder& b) { b.region().values[5].offset = 128; }},
    {"does not lie within the arena", [](PlanBuilder& b) { b.region().values[5].offset = 8; }},
    {"does not lie within the arena",
     [](PlanBuilder& b) {
       b.region().values[5].offset = uint64_t{0} - 64, b.region().values[5].max_bytes = 64;
     }},
    {"lies over value",
     [](PlanBuilder& b) { b.region().values[5].offset = b.region().values[6].offset = 0; }},
    {"differs from it in kind", [](PlanBuilder& b) { b.region().values[6].offset = 0; }},
    {"limit arena_bytes", [](PlanBuilder& b) { b.region().arena_bytes = uint64_t{1} << 50; }},
    {"views value", [](PlanBuilder& b) { b.region().values[6].view_of = 6; }},
    {"views value", [](PlanBuilder& b) { b.region().values[6].view_of = 7; }},
    {"value's kind", [](PlanBuilder& b) { b.region().values[3].kind = ValueKind::string; }},
    {"value's kind", [](PlanBuilder& b) { b.region().values[3].kind = ValueKind{200}; }},
    {"element type", [](PlanBuilder& b) { b.region().values[3].dtype = DType{99}; }},
    {"element type", [](PlanBuilder& b) { b.region().values[3].dtype = DType::none; }},
    {"which no refit program's value is", [](PlanBuilder& b) { b.plan.programs[1].region.values[0].dtype = DType::string; }},
    {"neither index nor place", [](PlanBuilder& b) { b.region().values[3].kind = ValueKind::found; }},
    {"layout", [](PlanBuilder& b) { b.region().values[3].format.block = 3; }},
    {"layout", [](PlanBuilder& b) { b.region().values[3].format.layout = tenon::Layout{7}; }},
    {"dim table of", [](PlanBuilder& b) { b.region().values[3].dims[0] = 1000; }},
    {"at most 8", [](PlanBuilder& b) { b.region().values[3].dims.resize(9); }},
    {"dim table is malformed", [](PlanBuilder& b) { b.plan.dims[2].a = 2; }},
    {"dim table is malformed", [](PlanBuilder& b) { b.plan.dims[2].op = DimOp{77}; }},
    {"dim table is malformed", [](PlanBuilder& b) { b.plan.dims[0].value = 1; }},
    {"dim table is malformed", [](PlanBuilder& b) { b.plan.dims[0].value = -1; }},
    {"no input of the plan has a dim", [](PlanBuilder& b) { b.plan.inputs[0].dims[0] = 1; }},
    {"are named 'x'", [](PlanBuilder& b) { b.plan.outputs[0].name = "x"; }},
    {"has no name", [](PlanBuilder& b) { b.plan.outputs[0].name = ""; }},
    {"holds a zero byte", [](PlanBuilder& b) { b.plan.outputs[0].name = std::string("a\0b", 3); }},
    {"min <= opt <= max", [](PlanBuilder& b) { b.plan.profiles[0].symbols[0].opt = 9; }},
    {"min <= opt <= max", [](PlanBuilder& b) { b.plan.profiles[0].symbols[0].min = -1; }},
    {"has 2 ranges", [](PlanBuilder& b) { b.plan.profiles[0].symbols.push_back({}); }},
    {"no profile", [](PlanBuilder& b) { b.plan.profiles.clear(); }},
    {"weight 0 is damaged", [](PlanBuilder& b) { b.plan.weights[0].hash ^= 1; }},
    {"weight 0 lies at", [](PlanBuilder& b) { b.plan.weights[0].dims = {4}; }},
    {"weight 1 lies at", [](PlanBuilder& b) { b.plan.weights[1].offset = 0; }},
    {"weight 1 lies at",
     [](PlanBuilder& b) {
       b.plan.weights[1].dims = {int64_t{1} << 30}, b.plan.weights[1].bytes = 4ull << 30;
     }},
    {"negative dim", [](PlanBuilder& b) { b.plan.weights[1].dims = {-3}; }},
    {"too many elements",
     [](PlanBuilder& b) {
       b.plan.weights[1].dims = {int64_t{1} << 40, int64_t{1} << 40};
     }},
    {"its weights end at",
     [](PlanBuilder& b) {
       b.plan.weights.pop_back(), b.plan.programs.clear(), b.region().values[2].index = 0;
     }},
    {"two values of kind 1", [](PlanBuilder& b) { b.region().values[2].index = 0; }},
    {"no value stands for output 1",
     [](PlanBuilder& b) { b.region().values.pop_back(), b.region().steps.pop_back(); }},
    {"comes from node", [](PlanBuilder& b) { b.region().steps[0].origins = {2}; }},
    {"dim parameter",
     [](PlanBuilder& b) {
       b.region().steps[0].dim_params = {{4, 0}};
     }},
    {"dim parameter",
     [](PlanBuilder& b) {
       b.region().steps[0].dim_params = {{uint32_t{0} - 8, 0}};
     }},
    {"dim parameter",
     [](PlanBuilder& b) {
       b.region().steps[0].dim_params = {{0, 99}};
     }},
    {"dim parameter",
     [](PlanBuilder& b) {
       b.region().steps[0].dim_params = {{8, 0}, {8, 0}};
     }},
    {"thread count", [](PlanBuilder& b) { b.plan.target.threads = 0; }},
    {"is computed twice", [](PlanBuilder& b) { b.plan.programs[1].weights = {0}; }},
    {"does not exist", [](PlanBuilder& b) { b.plan.programs[1].weights = {7}; }},
    {"takes source", [](PlanBuilder& b) { b.plan.programs[1].sources = {7}; }},
    {"differs from it in size", [](PlanBuilder& b) { b.plan.programs[1].sources = {2}; }},
    {"differ in number, type", [](PlanBuilder& b) { b.plan.programs[0].sources = {2}; }},
    {"runs on device", [](PlanBuilder& b) { b.plan.programs[0].device = "gpu"; }},
    {"not constant", [](PlanBuilder& b) { b.plan.programs[1].region.values[0].dims = {0}; }},
    {"no refit source", [](PlanBuilder& b) { b.plan.pins[0].name = "nothing"; }},
    {"pin 0 has a value", [](PlanBuilder& b) { b.plan.pins[0].value.clear(); }},
    {"that are named 'shift'", [](PlanBuilder& b) { b.plan.sources[0].name = "shift"; }},
};

// Kernels multiply the dims beside a 0 too.
TEST(PlanVerifier, SizesOfEmptyTensorsAreCounted) {
  const int64_t big = int64_t{1} << 40;
  EXPECT_EQ(storage_bytes(DType::f32, kLinear, std::vector<int64_t>{0, 3}), 0);
  EXPECT_EQ(storage_bytes(DType::f32, kLinear, std::vector<int64_t>{}), 4);
  for (auto dims : {std::vector<int64_t>{0, big, big}, {big, 0, big}, {big, big, 0}, {INT64_MAX, 0}})
    EXPECT_EQ(storage_bytes(DType::f32, kLinear, dims), std::nullopt);
}

TEST(PlanVerifier, RefusesForgeries) {
  for (size_t i = 0; i < std::size(kForgeries); ++i) {
    PlanBuilder b = small_plan();
    b.finish();
    kForgeries[i].forge(b);
    std::string error = error_of(b.plan);
    EXPECT_NE(error.find(kForgeries[i].message), error.npos)
        << "forgery " << i << ": expected '" << kForgeries[i].message << "', got '" << error << "'";
  }
}

TEST(PlanVerifier, LiteralsOfAProgramMayNotBeRefitted) {
  PlanBuilder b = small_plan();
  plan::RefitProgram& p = b.plan.programs[1];
  p.region.values.push_back({ValueKind::weight, DType::f32, kLinear, {1}, 0});
  b.plan.dims[1].value = 3;
  EXPECT_NE(error_of(b.finish()).find("which a refit changes"), std::string::npos);
}

TEST(PlanVerifier, MemoryIsFreeAfterTheLastRead) {
  PlanBuilder b = small_plan();
  uint32_t late = b.arena({0, 1}, 0, 48);  // where u was, which step 3 reads last
  b.add(PlanBuilder::pointwise("neg(x0)", {0}, late));
  EXPECT_EQ(error_of(b.finish()), "");
  std::swap(b.region().steps[3], b.region().steps[5]);
  EXPECT_NE(error_of(b.finish()).find("lies over"), std::string::npos);
}

TEST(PlanVerifier, PiecesOfAValue) {
  PlanBuilder good = test::pieces_plan();
  EXPECT_EQ(error_of(good.finish()), "");
  EXPECT_EQ(in_place_steps(good.region()).size(), 0u) << "what a step reads and writes of one value lies apart";
  const Forgery forgeries[] = {
      {"before any step has written", [](PlanBuilder& b) { b.region().steps.erase(b.region().steps.begin() + 1); }},
      {"before any step has written", [](PlanBuilder& b) { std::swap(b.region().steps[1], b.region().steps[2]); }},
      {"before any step has written", [](PlanBuilder& b) { b.region().steps[1].inputs = {5}; }},
      {"a second time", [](PlanBuilder& b) { b.region().steps[1].outputs = {4}; }},
      {"a second time", [](PlanBuilder& b) { b.region().steps[2].outputs = {3}; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].offset = 192; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].offset = 0; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].offset = 100; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].offset = UINT64_MAX - 63; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].max_bytes = 65; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].max_bytes = UINT64_MAX; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].max_bytes = 0; }},
      {"does not lie within it", [](PlanBuilder& b) { b.region().values[5].dtype = DType::i32; }},
      {"lies over",
       [](PlanBuilder& b) {
         b.add(PlanBuilder::pointwise("neg(x0)", {0}, b.arena({0}, 128, 64)));
         std::rotate(b.region().steps.begin() + 1, b.region().steps.begin() + 4, b.region().steps.end());
       }},
  };
  for (const Forgery& forgery : forgeries) {
    PlanBuilder b = test::pieces_plan();
    b.finish();
    forgery.forge(b);
    const std::string error = error_of(b.plan);
    EXPECT_NE(error.find(forgery.message), error.npos)
        << "forgery " << &forgery - forgeries << ": expected '" << forgery.message << "', got '" << error << "'";
  }
}

// A step that reads a value and a piece of it does not write over them.
TEST(PlanVerifier, NoPieceIsReadBesideWhatIsTakenOver) {
  PlanBuilder b;
  const uint32_t half = b.constant(16), all = b.constant(32);
  const uint32_t x = b.input("x", {all}), y = b.output("y", {all});
  const uint32_t whole = b.arena({all}, 0, 128), part = b.piece(whole, {half}, 64, 64), after = b.arena({all}, 0, 128);
  b.add(PlanBuilder::pointwise("tanh(x0)", {x}, whole));
  b.add(PlanBuilder::pointwise("add(x0, x1)", {whole, part}, after));
  b.add(PlanBuilder::pointwise("neg(x0)", {after}, y));
  EXPECT_NE(error_of(b.finish()).find("lies over"), std::string::npos);
  b.region().steps[1] = PlanBuilder::pointwise("add(x0, x0)", {whole}, after);
  EXPECT_EQ(error_of(b.plan), "");
}

// What a step writes over dies with it as a whole, and the step reads all of it.
TEST(PlanVerifier, NoPieceIsTakenOver) {
  PlanBuilder b;
  const uint32_t half = b.constant(16), all = b.constant(32);
  const uint32_t x = b.input("x", {all}), y = b.output("y", {half});
  const uint32_t whole = b.arena({all}, 0, 128), part = b.piece(whole, {half}, 0, 64), after = b.arena({half}, 0, 128);
  b.add(PlanBuilder::pointwise("tanh(x0)", {x}, whole));
  b.add(PlanBuilder::pointwise("neg(x0)", {part}, after));
  b.add(PlanBuilder::pointwise("neg(x0)", {after}, y));
  EXPECT_NE(error_of(b.finish()).find("lies over"), std::string::npos);
}

// x [N], N in 1 … 4: the positions of what is not zero, as many as are found.
PlanBuilder finding_plan() {
  PlanBuilder b;
  const uint32_t n = b.symbol("N", {1, 2, 4}), found = b.symbol("found_0", {0, 2, 4}), one = b.constant(1);
  const uint32_t x = b.input("x", {n}), y = b.output("y", {found}, DType::i64);
  const uint32_t positions = b.arena({n, one}, 0, 64, DType::i64), sizes = b.arena({one}, 64, 64, DType::i64);
  b.add(PlanBuilder::step("nonzero.reference", {x}, {positions, sizes}, "find", {1}));
  b.add(PlanBuilder::step("slice.reference", {positions}, {y}, "take"));
  return b;
}

TEST(PlanVerifier, SizesThatStepsFind) {
  PlanBuilder good = finding_plan();
  EXPECT_EQ(error_of(good.finish()), "");
  const std::vector<std::byte> bytes = good.bytes();
  auto again = load(bytes, Limits{});
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->profiles[0].region.steps[0].found, std::vector<uint32_t>{1});
  const Forgery forgeries[] = {
      {"no step finds it", [](PlanBuilder& b) { b.region().steps[0].found.clear(); }},
      {"symbol 7 of 2", [](PlanBuilder& b) { b.region().steps[0].found = {7}; }},
      {"a second time", [](PlanBuilder& b) { b.region().steps[0].found = {1, 1}; }},
      {"which an input's dim gives", [](PlanBuilder& b) { b.region().steps[0].found = {0}; }},
      {"must hold the 1 sizes", [](PlanBuilder& b) { std::swap(b.region().steps[0].outputs[0], b.region().steps[0].outputs[1]); }},
      {"must hold the 1 sizes", [](PlanBuilder& b) { b.region().values[3].dtype = DType::u64; }},
      {"must hold the 1 sizes", [](PlanBuilder& b) { b.region().values[3].dims = {0}; }},
  };
  for (const Forgery& forgery : forgeries) {
    PlanBuilder b = finding_plan();
    b.finish();
    forgery.forge(b);
    const std::string error = error_of(b.plan);
    EXPECT_NE(error.find(forgery.message), error.npos) << "expected '" << forgery.message << "', got '" << error << "'";
  }
}

TEST(PlanVerifier, StepsThatRunRegions) {
  PlanBuilder good = looping_plan();
  EXPECT_EQ(error_of(good.finish()), "");
  const std::vector<std::byte> bytes = good.bytes();
  auto again = load(bytes, Limits{});
  ASSERT_TRUE(again) << again.error().text();
  const Step& loop = again->profiles[0].region.steps[0];
  EXPECT_EQ(loop.control, good.region().steps[0].control);
  ASSERT_EQ(loop.bodies.size(), 1u);
  EXPECT_EQ(loop.bodies[0].steps.size(), 5u);
  EXPECT_EQ(dump(*again), dump(good.plan));
  EXPECT_NE(dump(*again).find("bodies.0.steps.2"), std::string::npos);
  const Forgery forgeries[] = {
      {"it has 1 bodies, and runs none", [](PlanBuilder& b) { b.region().steps[0].control = {}; }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[0].control.kind = static_cast<ControlKind>(9); }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[0].bodies.clear(); }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[0].control.split = 3; }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[0].control.reversed = {0, 0}; }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[2].control.split = 3; }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[2].control.sizes[0] = {0}; }},
      {"do not fit what it runs", [](PlanBuilder& b) { b.region().steps[2].bodies.pop_back(); }},
      {"in order 2", [](PlanBuilder& b) { b.region().steps[0].control.reversed = {2}; }},
      {"beyond the dim table", [](PlanBuilder& b) { b.region().steps[0].control.selector = 99; }},
      {"does not find its condition", [](PlanBuilder& b) { b.region().steps[0].control.condition = 2; }},
      {"does not find its condition", [](PlanBuilder& b) { b.region().steps[0].control.condition = 77; }},
      {"must be a vector of bytes", [](PlanBuilder& b) { b.region().values[6].dtype = DType::f32; }},
      {"must be a vector of bytes", [](PlanBuilder& b) { b.region().values[6].dims = {0}; }},
      {"it is input 1 but differs", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[1].dtype = DType::i32; }},
      {"it is input 2 of 2", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[1].index = 2; }},
      {"stand for number 0", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[7].index = 0; }},
      {"it is output 2 of 2", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[7].index = 2; }},
      {"lies over", [](PlanBuilder& b) { b.region().values[6].offset = 128; }},
      {"lies over", [](PlanBuilder& b) { b.region().steps[0].bodies[0].values[5].offset = 0; }},
      {"a second time", [](PlanBuilder& b) { b.region().steps[0].found = {1}; }},
      {"no step finds it", [](PlanBuilder& b) { b.region().steps[0].bodies[0].steps[2].found = {}; b.region().steps[0].control.condition = kNoSymbol; }},
      {"deeper than 16", [](PlanBuilder& b) {
         for (int i = 0; i < 16; ++i) {
           Step outer = b.region().steps[2];
           b.region().steps[2].bodies[0].steps = {outer};
           b.region().steps[2].bodies[0].steps[0].inputs = {0, 0};
           b.region().steps[2].bodies[0].values.push_back(PlanBuilder::absent());
           b.region().steps[2].bodies[0].steps[0].outputs = {1, 2, 2};
         }
       }},
  };
  for (const Forgery& forgery : forgeries) {
    PlanBuilder b = looping_plan();
    b.finish();
    forgery.forge(b);
    const std::string error = error_of(b.plan);
    EXPECT_NE(error.find(forgery.message), error.npos) << "expected '" << forgery.message << "', got '" << error << "'";
  }
}

}  // namespace
}  // namespace tenon::plan
