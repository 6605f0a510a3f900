// Refit of an engine on a device that is not the host, and of many weights on many threads: against plans that the new
// weights would have given, byte for byte, and with failures in the middle.
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "device/kernel_table.h"
#include "runtime/engine.h"
#include "runtime/upload.h"
#include "support/plans.h"

namespace tenon {
namespace {

using test::PlanBuilder;

// A device whose copies happen late: when their event is waited for, or the stream ends. What is changed or freed before
// shows in the result. Its kernels and memory are the host's.
class LateDevice final : public Device {
 public:
  struct Copy {
    void* to;
    const void* from;
    uint64_t bytes;
  };
  struct Queue {
    std::mutex mutex;
    std::vector<Copy> copies;
    void drain() {
      std::lock_guard lock(mutex);
      for (const Copy& c : copies) std::memcpy(c.to, c.from, c.bytes);
      copies.clear();
    }
  };

  class LateEvent final : public Event {
   public:
    explicit LateEvent(Queue& queue) : queue_(queue) {}
    Status wait() override {
      if (pending) queue_.drain();
      pending = false;
      return result;
    }
    bool done() const override { return !pending; }
    bool pending = false;
    Status result;

   private:
    Queue& queue_;
  };

  class LateStream final : public Stream {
   public:
    explicit LateStream(const LateDevice& device) : device_(device), team_(*Team::create(1)) {}
    ~LateStream() override { queue_.drain(); }
    int threads() const override { return 1; }
    Result<std::unique_ptr<Event>> create_event() override { return std::make_unique<LateEvent>(queue_); }
    Status run(Work& work) override {
      queue_.drain();
      Status status = work.execute({team_.get(), &queue_});
      queue_.drain();
      return status;
    }
    Status submit(Work& work, Event& event, void*) override {
      auto& late = static_cast<LateEvent&>(event);
      EXPECT_FALSE(late.pending);
      if (device_.fails_at_submit > 0 && --device_.fails_at_submit == 0) return fail(Code::device, "the submit failed");
      std::lock_guard lock(mutex_);
      late.result = work.execute({team_.get(), &queue_});
      late.pending = true;
      return {};
    }

   private:
    const LateDevice& device_;
    std::unique_ptr<Team> team_;
    std::mutex mutex_;
    Queue queue_;
  };

  class Session final : public DeviceSession {
   public:
    std::vector<KernelImage> images() const override { return {}; }
    void begin_collecting() override {}
    void end_collecting(int) override {}
    void wait_for_code() override {}
  };

  std::string_view name() const override { return "late"; }
  bool is_host() const override { return false; }
  Result<Block> allocate(Allocator&, uint64_t bytes, const char* what) const override {
    if (fails_at_allocate > 0 && --fails_at_allocate == 0) return fail(Code::out_of_memory, "no memory for {}", what);
    TN_ASSIGN(Block block, Block::allocate(default_allocator(), bytes, what));
    if (bytes) std::memset(block.data(), 0xcd, bytes);
    return block;
  }
  Result<std::unique_ptr<Stream>> create_stream(int) const override { return std::make_unique<LateStream>(*this); }
  Result<std::unique_ptr<DeviceSession>> create_session(const SessionOptions&) const override {
    return std::make_unique<Session>();
  }
  Result<Block> allocate_host(uint64_t bytes, const char* what) const override {
    most_host = std::max(most_host.load(), bytes);
    if (fails_at_allocate > 0 && --fails_at_allocate == 0) return fail(Code::out_of_memory, "no memory for {}", what);
    return Block::allocate(default_allocator(), bytes, what);
  }
  Status copy(void* to, const void* from, uint64_t bytes, Direction) const override {
    if (bytes) std::memcpy(to, from, bytes);
    return {};
  }
  Status copy(void* to, const void* from, uint64_t bytes, Direction, void* queue) const override {
    if (fails_at_copy > 0 && --fails_at_copy == 0) return fail(Code::device, "the copy failed");
    auto& q = *static_cast<Queue*>(queue);
    std::lock_guard lock(q.mutex);
    q.copies.push_back({to, from, bytes});
    return {};
  }
  MemoryKind kind_of(const void*) const override { return MemoryKind::device; }

  // From now, the how many-th fails; 0: none.
  mutable std::atomic<int> fails_at_allocate{0}, fails_at_submit{0}, fails_at_copy{0};
  mutable std::atomic<uint64_t> most_host{0};
};

// Weights of many sizes: copies, computed ones, some from two sources, one with a literal, some that no refit changes; a
// few are larger than what is moved at a time.
struct Case {
  PlanBuilder builder;
  std::vector<std::pair<std::string, std::vector<float>>> sources;

  static std::vector<float> draw(size_t count, uint32_t seed) {
    std::vector<float> out(count);
    for (float& f : out) f = static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 20) / 64.0f;
    return out;
  }

  // Adds source and returns its number.
  uint32_t source(const std::vector<float>& values) {
    std::string name = "s" + std::to_string(sources.size());
    builder.plan.sources.push_back({name, DType::f32, {static_cast<int64_t>(values.size())}});
    sources.emplace_back(name, values);
    return static_cast<uint32_t>(sources.size() - 1);
  }

  void program(std::string_view text, std::vector<uint32_t> from, uint32_t weight, uint32_t dim, int literal = -1) {
    plan::RefitProgram p{"cpu", from, {weight}, {}};
    if (!text.empty()) {
      std::vector<uint32_t> inputs;
      for (uint32_t i = 0; i < from.size(); ++i) {
        p.region.values.push_back({plan::ValueKind::input, DType::f32, kLinear, {dim}, i});
        inputs.push_back(i);
      }
      if (literal >= 0) {
        p.region.values.push_back({plan::ValueKind::weight, DType::f32, kLinear, {dim}, static_cast<uint32_t>(literal)});
        inputs.push_back(static_cast<uint32_t>(inputs.size()));
      }
      p.region.values.push_back({plan::ValueKind::output, DType::f32, kLinear, {dim}, 0});
      p.region.steps = {PlanBuilder::pointwise(text, inputs, static_cast<uint32_t>(inputs.size()))};
    }
    builder.plan.programs.push_back(std::move(p));
  }

  Case(uint32_t seed, bool on_device, int threads, uint32_t changed = 0) {
    PlanBuilder& b = builder;
    b.plan.target.threads = threads;
    if (on_device) b.plan.target.device = "late";
    std::vector<float> factor = draw(5, 77);
    uint32_t first = 0;
    for (uint32_t i = 0; i < 60; ++i) {
      const size_t count = i == 3 ? 1'500'001 : i == 9 ? 900'003 : i == 17 ? 700'000 : i % 7 == 0 ? 20'000 + i : 1 + i * 37;
      const uint32_t dim = b.constant(static_cast<int64_t>(count));
      // From `changed` on another draw, for a refit of some weights.
      const uint32_t own = i >= changed ? seed : 1;
      std::vector<float> x = draw(count, own * 1000 + i), y = x;
      const std::vector<int64_t> dims = {static_cast<int64_t>(count)};
      switch (i == 3 ? 0u : i == 9 ? 1u : i % 5) {
        case 0: program("", {source(x)}, b.weight(x, dims), dim); break;
        case 1: {
          for (float& f : y) f = f * 2 + 1;
          const uint32_t s = source(x);
          program("add(mul(x0, 2), 1)", {s}, b.weight(y, dims), dim);
          break;
        }
        case 2: {
          std::vector<float> z = draw(count, own * 1000 + i + 500);
          for (size_t k = 0; k < count; ++k) y[k] = x[k] - z[k];
          const uint32_t s = source(x), t = source(z);
          program("sub(x0, x1)", {s, t}, b.weight(y, dims), dim);
          break;
        }
        case 3: b.weight(draw(count, i), dims); break;  // stays
        case 4: {
          std::vector<float> c = draw(count, i);
          for (size_t k = 0; k < count; ++k) y[k] = x[k] + c[k];
          const uint32_t s = source(x), literal = b.weight(c, dims);
          program("add(x0, x1)", {s}, b.weight(y, dims), dim, static_cast<int>(literal));
          break;
        }
      }
      if (i == 1) first = static_cast<uint32_t>(b.plan.weights.size() - 1);
    }
    // y = x + the second weight, which a device reads in memory of the host
    const uint32_t n = b.constant(b.plan.weights[first].dims[0]);
    uint32_t x = b.input("x", {n}), w = b.weight_value(first), y = b.output("y", {n});
    plan::Step step = PlanBuilder::pointwise("add(x0, x1)", {x, w}, y);
    if (on_device) {
      step.kernel = "late.pointwise";
      for (Format* format : {&b.plan.weights[first].format, &b.region().values[w].format}) format->place = Place::host;
    }
    b.add(std::move(step));
  }

  std::vector<Engine::NewWeight> weights(size_t from = 0) const {
    std::vector<Engine::NewWeight> out;
    for (size_t i = from; i < sources.size(); ++i) {
      const auto& [name, values] = sources[i];
      out.push_back({name, DType::f32, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values))});
    }
    return out;
  }
};

// Fails for results that begin with this number.
constexpr float kBad = -12345;
Status check_bad(const LaunchCall& call) {
  const Arg& x = call.inputs[0];
  if (x.count() && x.as<float>()[0] == kBad) return fail(Code::internal, "bad value, {} elements", x.count());
  return host_kernel_table().find("pointwise.reference")->launch(call);
}

class RefitOn : public testing::TestWithParam<std::tuple<bool, int>> {
 protected:
  RefitOn() : kernels(host_kernels()) {
    const Kernel& reference = *host_kernel_table().find("pointwise.reference");
    on_device = reference;
    on_device.id = "late.pointwise";
    on_device.place = on_device.output_place = Place::device;
    on_device.host_inputs = 2;  // the weight
    failing = reference;
    failing.launch = check_bad;
    const Kernel* const own[] = {&failing, &on_device};
    kernels = KernelTable(own);
    kernels.add(host_kernels());
  }
  bool late() const { return std::get<0>(GetParam()); }
  int threads() const { return std::get<1>(GetParam()); }
  Case made(uint32_t seed, uint32_t changed = 0) const { return Case(seed, late(), threads(), changed); }
  std::shared_ptr<Engine> load(std::span<const std::byte> bytes) {
    EngineOptions options;
    options.kernels = &kernels;
    options.recordings = false;
    if (late()) options.device = &device;
    auto engine = Engine::load(bytes, options, Log{});
    EXPECT_TRUE(engine) << engine.error().text();
    return engine ? *engine : nullptr;
  }
  float first_result(Context& context, size_t count) {
    std::vector<float> x(count), y(count, NAN);
    EXPECT_TRUE(context.set_input_shape("x", std::vector<int64_t>{static_cast<int64_t>(count)}));
    EXPECT_TRUE(context.set_buffer("x", x.data(), 4 * count));
    EXPECT_TRUE(context.set_buffer("y", y.data(), 4 * count));
    Status status = context.run();
    EXPECT_TRUE(status) << status.error().text();
    return y[0];
  }

  LateDevice device;  // before what lies on it
  Kernel on_device{}, failing{};
  KernelTable kernels;
};

TEST_P(RefitOn, GivesThePlansOfTheNewWeights) {
  Case a = made(1), b = made(2), mixed = made(2, 30);
  const std::vector<std::byte> plan_a = a.builder.bytes(), plan_b = b.builder.bytes(), plan_mixed = mixed.builder.bytes();
  ASSERT_NE(plan_a, plan_b);
  auto engine = load(plan_a);
  ASSERT_TRUE(engine);
  for (int round = 0; round < 2; ++round) {
    Status status = engine->refit(b.weights());
    ASSERT_TRUE(status) << status.error().text();
    EXPECT_TRUE(*engine->serialize() == plan_b);
    ASSERT_TRUE(engine->refit(a.weights()));
    EXPECT_TRUE(*engine->serialize() == plan_a);
  }
  size_t same = 0;  // sources of the first weights
  while (a.sources[same] == mixed.sources[same]) ++same;
  ASSERT_GT(same, 20u);
  ASSERT_TRUE(engine->refit(mixed.weights(same)));
  EXPECT_TRUE(*engine->serialize() == plan_mixed);
  EXPECT_LE(device.most_host, Upload::kMostSlots * Upload::kSlotBytes);
}

TEST_P(RefitOn, FailuresChangeNothing) {
  Case a = made(1), b = made(2);
  const std::vector<std::byte> plan_a = a.builder.bytes(), plan_b = b.builder.bytes();
  auto engine = load(plan_a);
  ASSERT_TRUE(engine);
  auto context = std::move(*engine->create_context(0));
  const auto count = static_cast<size_t>(engine->io()[0].shape[0]);
  const float before = first_result(*context, count);
  auto expect_same = [&] {
    EXPECT_TRUE(*engine->serialize() == plan_a);
    EXPECT_EQ(first_result(*context, count), before);
  };
  // Two programs fail: always the same one is named, whoever is first.
  Case bad = made(2);
  int computed = 0;
  for (const plan::RefitProgram& program : bad.builder.plan.programs)
    if (!program.region.steps.empty() && ++computed % 10 == 5) bad.sources[program.sources[0]].second[0] = kBad;
  ASSERT_GT(computed, 20);
  std::string text;
  for (int i = 0; i < 5; ++i) {
    Status status = engine->refit(bad.weights());
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().text().find("nothing was changed"), std::string::npos) << status.error().text();
    if (i == 0) text = status.error().text();
    EXPECT_EQ(status.error().text(), text);
    expect_same();
  }
  // A large one, which the whole team computes.
  bad = made(2);
  for (auto& [name, values] : bad.sources)
    if (values.size() == 900'003) values[0] = kBad;
  ASSERT_FALSE(engine->refit(bad.weights()));
  expect_same();
  if (late()) {
    for (std::atomic<int>* counter : {&device.fails_at_allocate, &device.fails_at_submit, &device.fails_at_copy}) {
      int failures = 0;
      for (int place = 1; place < 400; place += place < 8 ? 1 : 61) {
        *counter = place;
        Status status = engine->refit(b.weights());
        const bool happened = *counter <= 0;  // threads may count on behind it
        *counter = 0;
        EXPECT_EQ(!status, happened) << place;
        if (status) break;
        ++failures;
        expect_same();
      }
      EXPECT_GE(failures, 2);
      ASSERT_TRUE(engine->refit(a.weights()));
      expect_same();
    }
  }
  ASSERT_TRUE(engine->refit(b.weights()));
  EXPECT_TRUE(*engine->serialize() == plan_b);
  EXPECT_NE(first_result(*context, count), before);
}

// The engine's allocator fails at each place in turn, on whatever thread.
TEST_P(RefitOn, FailedAllocations) {
  struct Counting final : Allocator {
    void* allocate(size_t bytes, size_t alignment) override {
      if (left > 0 && --left == 0) return nullptr;
      ++blocks;
      return default_allocator().allocate(bytes, alignment);
    }
    void free(void* data, size_t bytes, size_t alignment) override {
      --blocks;
      default_allocator().free(data, bytes, alignment);
    }
    std::atomic<int> left{0}, blocks{0};
  };
  auto counting = std::make_shared<Counting>();
  Case a = made(1), b = made(2);
  const std::vector<std::byte> plan_a = a.builder.bytes();
  EngineOptions options;
  options.kernels = &kernels;
  options.recordings = false;
  options.allocator = counting;
  if (late()) options.device = &device;
  auto engine = *Engine::load(plan_a, options, Log{});
  const int blocks = counting->blocks;
  int failures = 0;
  for (int place = 1; place < 100; ++place) {
    counting->left = place;
    Status status = engine->refit(b.weights());
    const bool happened = counting->left <= 0;
    counting->left = 0;
    if (!happened) break;
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::out_of_memory);
    EXPECT_EQ(counting->blocks, blocks);
    EXPECT_TRUE(*engine->serialize() == plan_a);
    ++failures;
  }
  EXPECT_GE(failures, 1);
}

INSTANTIATE_TEST_SUITE_P(Devices, RefitOn, testing::Combine(testing::Bool(), testing::Values(1, 2, 5)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "late" : "host") +
                                  std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace tenon
