// Tensors of strings at run time: whose memory they are, how long they stay, what forged plans and callers cannot do.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/text.h"
#include "runtime/engine.h"
#include "support/plans.h"

namespace tenon {
namespace {

using test::PlanBuilder;

plan::Step step(std::string kernel, std::vector<uint32_t> inputs, uint32_t output) {
  plan::Step out;
  out.kernel = out.name = std::move(kernel);
  out.inputs = std::move(inputs);
  out.outputs = {output};
  return out;
}

// y [N] = x [N] + suffix; z [N] = x. N in 1 … 4.
PlanBuilder joining(const std::vector<std::byte>& suffix) {
  PlanBuilder b;
  const uint32_t n = b.symbol("N", {1, 2, 4});
  const uint32_t x = b.input("x", {n}, DType::string), w = b.weight_value(b.text_weight(suffix, {1}));
  const uint32_t joined = b.arena({n}, 0, 64, DType::string);
  const uint32_t y = b.output("y", {n}, DType::string), z = b.output("z", {n}, DType::string);
  b.add(step("string_concat.reference", {x, w}, joined));
  b.add(step("text.keep", {joined}, y));
  b.add(step("text.keep", {x}, z));
  return b;
}

std::vector<std::byte> packed(std::vector<std::string_view> texts) { return pack_texts(texts); }

Result<std::shared_ptr<Engine>> load(PlanBuilder b) { return Engine::load(b.bytes(), {}, Log{}); }

struct Runner {
  std::unique_ptr<Context> context;
  std::vector<Text> x, y, z;
  explicit Runner(Engine& engine) : context(std::move(*engine.create_context(0))) {}

  Status operator()(std::span<const Text> texts) {
    x.assign(texts.begin(), texts.end());
    y.assign(x.size(), {"poison", 6});
    z = y;
    TN_TRY(context->set_input_shape("x", std::vector<int64_t>{static_cast<int64_t>(x.size())}));
    for (auto [name, list] : {std::pair("x", &x), {"y", &y}, {"z", &z}}) TN_TRY(context->set_buffer(name, list->data(), list->size() * sizeof(Text)));
    return context->run();
  }
};

TEST(RuntimeText, OutputsStayWhenInputsGo) {
  auto engine = load(joining(packed({"!?"})));
  ASSERT_TRUE(engine) << engine.error().text();
  Runner run(**engine);
  for (int round = 0; round < 3; ++round) {
    std::string first(1000, static_cast<char>('a' + round)), second = "ß";
    const Text texts[] = {Text::of(first), Text::of(second), {}};
    Status status = run(texts);
    ASSERT_TRUE(status) << status.error().text();
    const std::string wanted = first;
    std::fill(first.begin(), first.end(), '#');
    second = "#####";
    run.x.assign(3, {nullptr, 0});
    EXPECT_EQ(run.y[0].view(), wanted + "!?");
    EXPECT_EQ(run.y[1].view(), "ß!?");
    EXPECT_EQ(run.y[2].view(), "!?");
    EXPECT_EQ(run.z[0].view(), wanted);
    EXPECT_EQ(run.z[1].view(), "ß");
    EXPECT_EQ(run.z[2].size, 0u);
  }
}

TEST(RuntimeText, OutputsStayWhenOtherContextsRunAndGo) {
  auto engine = load(joining(packed({"."})));
  ASSERT_TRUE(engine);
  Runner kept(**engine);
  const Text hello[] = {Text::of("hello")};
  ASSERT_TRUE(kept(hello));
  for (int i = 0; i < 20; ++i) {
    Runner other(**engine);
    const std::string text(static_cast<size_t>(1 + i * 500), 'o');
    const Text texts[] = {Text::of(text)};
    ASSERT_TRUE(other(texts));
  }
  engine->reset();
  EXPECT_EQ(kept.y[0].view(), "hello.");
  EXPECT_EQ(kept.z[0].view(), "hello");
}

TEST(RuntimeText, OutputsMayBeTheNextInputs) {
  auto engine = load(joining(packed({"."})));
  ASSERT_TRUE(engine);
  Runner run(**engine);
  std::string wanted = "a";
  std::vector<Text> next = {Text::of(wanted), Text::of("b")};
  for (int round = 0; round < 50; ++round, wanted += '.') {
    ASSERT_TRUE(run(next));
    EXPECT_EQ(run.z[0].view(), wanted);
    EXPECT_EQ(run.y[0].view(), wanted + ".");
    next = run.y;
  }
}

TEST(RuntimeText, ContextsRunSideBySide) {
  EngineOptions options;
  options.threads = 1;
  auto engine = Engine::load(joining(packed({"-end"})).bytes(), options, Log{});
  ASSERT_TRUE(engine);
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      Runner run(**engine);
      for (size_t i = 0; i < 300; ++i) {
        const std::string text(i * (t + 1) % 700, static_cast<char>('a' + t));
        const Text texts[] = {Text::of(text), Text::of("x")};
        if (!run(texts) || run.y[0].view() != text + "-end" || run.z[0].view() != text || run.y[1].view() != "x-end") ++wrong[t];
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (int count : wrong) EXPECT_EQ(count, 0);
}

TEST(RuntimeText, CallersViewsAreChecked) {
  auto engine = load(joining(packed({""})));
  ASSERT_TRUE(engine);
  Runner run(**engine);
  const Text texts[] = {Text::of("a"), {nullptr, 3}};
  Status status = run(texts);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  EXPECT_NE(status.error().text().find("string 1 has 3 bytes at NULL\n  in input 'x'"), std::string::npos) << status.error().text();
  EXPECT_FALSE(run.context->set_buffer("x", reinterpret_cast<char*>(run.x.data()) + 4, 16));  // not aligned
  const Text good[] = {Text::of("a")};
  EXPECT_TRUE(run(good));
  ASSERT_TRUE(run.context->set_buffer("y", run.y.data(), 15));
  EXPECT_FALSE(run.context->run());
}

TEST(RuntimeText, StringsOfOneRunHaveALimit) {
  EngineOptions options;
  options.limits.arena_bytes = 4096;
  auto engine = Engine::load(joining(packed({"."})).bytes(), options, Log{});
  ASSERT_TRUE(engine);
  Runner run(**engine);
  const std::string large(5000, 'x');
  const Text texts[] = {Text::of(large)}, small[] = {Text::of("a")};
  Status status = run(texts);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::limit_exceeded);
  EXPECT_TRUE(run(small));
}

// The outputs of the last run that succeeded may still be inputs after one that failed.
TEST(RuntimeText, ARunThatFailsKeepsTheStringsOfTheLast) {
  EngineOptions options;
  options.limits.arena_bytes = 4096;
  auto engine = Engine::load(joining(packed({"."})).bytes(), options, Log{});
  ASSERT_TRUE(engine);
  Runner run(**engine);
  const std::string large(5000, 'x');
  const Text first[] = {Text::of("a")};
  ASSERT_TRUE(run(first));
  const std::vector<Text> kept = run.y;
  const Text failing[] = {kept[0], Text::of(large)};
  for (int round = 0; round < 3; ++round) EXPECT_FALSE(run(failing));
  EXPECT_EQ(kept[0].view(), "a.");
  ASSERT_TRUE(run(kept));
  EXPECT_EQ(run.z[0].view(), "a.");
  EXPECT_EQ(run.y[0].view(), "a..");
}

// Memory that is taken in the run holds what memory of the arena would.
TEST(RuntimeText, MemoryTakenInTheRun) {
  PlanBuilder b = joining(packed({"!"}));
  plan::Value& joined = b.region().values[2];
  joined.kind = plan::ValueKind::found;
  joined.max_bytes = 0;
  b.region().arena_bytes = 0;
  auto engine = load(std::move(b));
  ASSERT_TRUE(engine) << engine.error().text();
  Runner run(**engine);
  for (size_t count : {size_t{1}, size_t{4}, size_t{2}}) {
    const std::vector<Text> texts(count, Text::of("abc"));
    Status status = run(texts);
    ASSERT_TRUE(status) << status.error().text();
    for (const Text& text : run.y) EXPECT_EQ(text.view(), "abc!");
  }
}

// What the verifier, or the engine that loads the plan, says; "": nothing.
std::string refusal(PlanBuilder b) {
  if (Status status = plan::verify(b.finish(), Limits{}); !status) return status.error().text();
  auto engine = load(std::move(b));
  return engine ? "" : engine.error().text();
}

struct Forgery {
  const char* message;
  void (*forge)(PlanBuilder& b);
};

const Forgery kForgeries[] = {
    {"only text.keep does", [](PlanBuilder& b) { b.region().steps[1].kernel = "copy.linear"; }},
    {"does not take strings", [](PlanBuilder& b) { b.region().steps[0].kernel = "bitcast.reference"; b.region().steps[0].inputs = {0}; }},
    {"string_concat operand must be string", [](PlanBuilder& b) { b.region().values[2].dtype = DType::f32; }},
    {"which none is", [](PlanBuilder& b) { b.plan.sources.push_back({"words", DType::string, {1}}); }},
    {"neither index nor place", [](PlanBuilder& b) { b.region().values[2].kind = plan::ValueKind::found; }},
    {"weight 0 lies at", [](PlanBuilder& b) { b.plan.weights[0].bytes += 64; }},
    {"fit", [](PlanBuilder& b) { b.plan.weights[0].dims = {5}; }},
};

TEST(RuntimeText, ForgedPlansAreRefused) {
  for (const Forgery& forgery : kForgeries) {
    PlanBuilder b = joining(packed({"ab"}));
    forgery.forge(b);
    const std::string said = refusal(std::move(b));
    EXPECT_NE(said.find(forgery.message), std::string::npos) << forgery.message << ": " << said;
  }
}

// Ends beyond the bytes, falling ends, a table that does not fit: with hashes that are right.
TEST(RuntimeText, ForgedConstantsAreRefused) {
  for (uint64_t end : {uint64_t{3}, uint64_t{1}, UINT64_MAX, uint64_t{1} << 63}) {
    std::vector<std::byte> bytes = packed({"ab"});
    std::memcpy(bytes.data(), &end, sizeof end);
    EXPECT_NE(refusal(joining(bytes)).find("weight 0: "), std::string::npos) << end;
  }
  EXPECT_NE(refusal(joining({})).find("1 strings do not fit into 0 bytes"), std::string::npos);
  EXPECT_NE(refusal(joining(std::vector<std::byte>(7))).find("do not fit"), std::string::npos);
  EXPECT_EQ(refusal(joining(std::vector<std::byte>(8))), "");  // one empty string
}

}  // namespace
}  // namespace tenon
