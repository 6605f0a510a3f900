// Loops and branches on a device that is not the host: everything that is queued happens when the queue is waited for, in
// order, with the addresses that it was queued with.
#include <gtest/gtest.h>

#include <functional>

#include "device/kernel_table.h"
#include "runtime/engine.h"
#include "support/plans.h"

namespace tenon {
namespace {

using test::looping_plan;
using test::PlanBuilder;

struct Queue {
  std::vector<std::function<Status()>> work;
  int drains = 0;
  Status drain() {
    ++drains;
    Status first;
    for (auto& item : std::exchange(work, {}))
      if (Status status = item(); !status && first) first = std::move(status);
    return first;
  }
};

class QueuedStream final : public Stream {
 public:
  class Done final : public Event {
   public:
    explicit Done(Queue& queue) : queue_(queue) {}
    Status wait() override {
      Status status = std::exchange(launched, Status());
      Status done = queue_.drain();
      return status ? std::move(done) : std::move(status);
    }
    bool done() const override { return queue_.work.empty(); }
    Status launched;

   private:
    Queue& queue_;
  };

  int threads() const override { return 1; }
  Result<std::unique_ptr<Event>> create_event() override { return std::make_unique<Done>(queue); }
  Status run(Work& work) override {
    Status launched = work.execute({team_.get(), &queue});
    Status done = queue.drain();
    return launched ? std::move(done) : std::move(launched);
  }
  Status submit(Work& work, Event& event, void* captured) override {
    static_cast<Done&>(event).launched = work.execute({team_.get(), &queue, captured != nullptr});
    return {};
  }
  Result<std::vector<double>> measure(Work& work, int runs, bool together) override {
    EXPECT_EQ(runs, 1);
    measured_together.push_back(together);
    TN_TRY(run(work));
    return std::vector<double>{1};
  }
  Status drain(const Lane&) override { return queue.drain(); }
  Status call_host(const Lane&, void (*function)(void*), void* argument) override {
    queue.work.push_back([=] {
      function(argument);
      return Status();
    });
    return {};
  }

  Queue queue;
  std::vector<bool> measured_together;

 private:
  std::unique_ptr<Team> team_ = *Team::create(1);
};

class QueuedDevice final : public Device {
  class Session final : public DeviceSession {
    std::vector<KernelImage> images() const override { return {}; }
    void begin_collecting() override {}
    void end_collecting(int) override {}
    void wait_for_code() override {}
  };

 public:
  std::string_view name() const override { return "queued"; }
  bool is_host() const override { return false; }
  Result<Block> allocate(Allocator&, uint64_t bytes, const char* what) const override {
    return Block::allocate(default_allocator(), bytes, what);
  }
  Result<Block> allocate_host(uint64_t bytes, const char* what) const override { return Block::allocate(default_allocator(), bytes, what); }
  Result<std::unique_ptr<Stream>> create_stream(int) const override {
    auto out = std::make_unique<QueuedStream>();
    last = out.get();
    return out;
  }
  Result<std::unique_ptr<DeviceSession>> create_session(const SessionOptions&) const override { return std::make_unique<Session>(); }
  Status copy(void* to, const void* from, uint64_t bytes, Direction) const override {
    if (bytes) std::memcpy(to, from, bytes);
    return {};
  }
  Status copy(void* to, const void* from, uint64_t bytes, Direction direction, void* queue) const override {
    EXPECT_EQ(direction, Direction::within);
    ++copies;
    static_cast<Queue*>(queue)->work.push_back([=] {
      std::memcpy(to, from, bytes);
      return Status();
    });
    return {};
  }
  MemoryKind kind_of(const void*) const override { return MemoryKind::device; }

  mutable QueuedStream* last = nullptr;  // of the context created last
  mutable int copies = 0;
};

// A kernel's launch with what it was given, later.
Status launch_later(const Kernel& kernel, const LaunchCall& call) {
  std::vector<Arg> args(call.inputs.begin(), call.inputs.end());
  args.insert(args.end(), call.outputs.begin(), call.outputs.end());
  for (const Arg& output : call.outputs) EXPECT_EQ(reinterpret_cast<uintptr_t>(output.data) % 16, 0u) << "what a device's kernels count on";
  static_cast<Queue*>(call.queue)->work.push_back([&kernel, call, args, count = call.inputs.size()] {
    LaunchCall own = call;
    own.inputs = std::span(args).first(count);
    own.outputs = std::span(args).subspan(count);
    return kernel.launch(own);
  });
  return {};
}
Status pointwise_later(const LaunchCall& call) { return launch_later(*host_kernel_table().find("pointwise.reference"), call); }
Status copy_now(const LaunchCall& call) {
  std::memcpy(call.outputs[0].data, call.inputs[0].data, static_cast<size_t>(storage_bytes(call.inputs[0])));
  return {};
}
const Kernel kCopy{"queued.copy", 0, 0, 0, nullptr, copy_now};
Status copy_later(const LaunchCall& call) { return launch_later(kCopy, call); }
Status prepare_copy(const PrepareCall&, Prepared&) { return {}; }

class OnQueue : public testing::Test {
 protected:
  OnQueue() : list(host_kernels().begin(), host_kernels().end()) {
    pointwise = *host_kernel_table().find("pointwise.reference");
    pointwise.id = "queued.pointwise";
    pointwise.launch = pointwise_later;
    pointwise.place = pointwise.output_place = Place::device;
    to_host.id = "queued.to_host";
    to_host.prepare = prepare_copy;
    to_host.launch = copy_later;
    to_host.place = Place::device;
    to_host.output_place = Place::host;
    list.push_back(&pointwise);
    list.push_back(&to_host);
    table = std::make_unique<KernelTable>(std::span<const Kernel* const>(list));
  }

  // looping_plan, with its condition brought to the host; `conditional`: or without one.
  std::vector<std::byte> plan(bool conditional) {
    PlanBuilder b = looping_plan();
    b.finish();
    b.plan.target.device = "queued";
    plan::Step& loop = b.region().steps[0];
    plan::Region& body = loop.bodies[0];
    const uint32_t one = body.values[5].dims[0], bytes = b.constant(128);
    plan::Value hosted = body.values[4];
    hosted.format.place = body.values[5].format.place = Place::host;
    hosted.offset = 0;
    body.values[5].offset = 64;
    body.values.push_back(hosted);
    body.arena_bytes = 192;
    body.host_arena_bytes = 128;
    body.steps[2].inputs = {8};
    body.steps.insert(body.steps.begin() + 2, PlanBuilder::step("queued.to_host", {4}, {8}, "to host"));
    const uint32_t workspace = b.value({plan::ValueKind::arena, DType::u8, kHostLinear, {bytes}, 0, 0, 128});
    plan::Value& sizes = b.region().values[loop.outputs[4]];
    sizes.format.place = Place::host;
    sizes.offset = 128;
    b.region().host_arena_bytes = 192;
    loop.outputs[3] = workspace;
    if (!conditional) {  // the symbol is found by the branch, for nobody
      loop.control.condition = plan::kNoSymbol;
      body.steps.erase(body.steps.begin() + 1, body.steps.begin() + 4);
      plan::Step& branch = b.region().steps[2];
      branch.found = {1};
      branch.control.sizes[0] = branch.control.sizes[1] = {one};
      plan::Value told = b.region().values[loop.outputs[4]];
      told.offset = 192;
      branch.outputs.push_back(b.value(told));
      b.region().host_arena_bytes = 256;
    }
    auto rename = [](plan::Region& region, const auto& again) -> void {
      for (plan::Step& step : region.steps) {
        if (step.kernel == "pointwise.reference") step.kernel = "queued.pointwise";
        for (plan::Region& inner : step.bodies) again(inner, again);
      }
    };
    rename(b.region(), rename);
    auto written = plan::write(b.finish());
    EXPECT_TRUE(written) << written.error().text();
    return written ? *written : std::vector<std::byte>();
  }

  Result<std::shared_ptr<Engine>> load(bool conditional) {
    EngineOptions options;
    options.device = &device;
    options.kernels = table.get();
    options.threads = 1;
    return Engine::load(plan(conditional), options, Log{});
  }

  std::vector<const Kernel*> list;
  Kernel pointwise{}, to_host{};
  std::unique_ptr<KernelTable> table;
  QueuedDevice device;
};

struct Buffers {
  std::vector<float> x, last, all, side;
  alignas(16) int64_t more[2] = {};
};

float at(const std::vector<float>& list, size_t i) { return list[i]; }

void run_and_check(Context& context, Buffers& b, int64_t n, int64_t flag, const std::function<Status()>& run, bool conditional) {
  const size_t size = static_cast<size_t>(3 * n);
  b.x.resize(size + 4);
  for (size_t i = 0; i < size; ++i) b.x[i] = static_cast<float>(i * 7 % 11) / 3 - 1.5f;
  b.last.assign(size + 4, NAN), b.side.assign(size + 4, NAN), b.all.assign(size * static_cast<size_t>(n) + 4, NAN);
  b.more[0] = flag;
  ASSERT_TRUE(context.set_input_shape("x", std::vector<int64_t>{n, 3}));
  ASSERT_TRUE(context.set_input_shape("more", std::vector<int64_t>{1}));
  ASSERT_TRUE(context.set_buffer("x", b.x.data(), size * 4));
  ASSERT_TRUE(context.set_buffer("more", b.more, 8));
  ASSERT_TRUE(context.set_buffer("last", b.last.data(), size * 4));
  ASSERT_TRUE(context.set_buffer("all", b.all.data(), size * static_cast<size_t>(n) * 4));
  ASSERT_TRUE(context.set_buffer("side", b.side.data(), size * 4));
  Status status = run();
  ASSERT_TRUE(status) << status.error().text();
  const float w[] = {0.5f, 1, -2};
  const int64_t iterations = conditional && flag <= -2 ? 1 : n;
  std::vector<float> h(b.x.begin(), b.x.begin() + static_cast<std::ptrdiff_t>(size));
  for (int64_t i = 0; i < iterations; ++i)
    for (size_t k = 0; k < size; ++k) {
      const float t = std::max(h[k] + w[k % 3], 0.0f);
      EXPECT_EQ(at(b.all, static_cast<size_t>(i) * size + k), t) << "iteration " << i << " of " << n;
      h[k] = t * w[k % 3];
    }
  for (size_t k = 0; k < size; ++k) {
    EXPECT_EQ(b.last[k], h[k]);
    EXPECT_EQ(b.side[k], -h[k]);
  }
}

TEST_F(OnQueue, LoopsRunBehindTheirQueue) {
  for (bool conditional : {true, false}) {
    auto engine = load(conditional);
    ASSERT_TRUE(engine) << engine.error().text();
    auto context = (*engine)->create_context(0);
    ASSERT_TRUE(context);
    Buffers buffers;
    for (int64_t n : {4, 1, 3, 2, 3})
      for (int64_t flag : {0, -9}) run_and_check(**context, buffers, n, flag, [&] { return (*context)->run(); }, conditional);
    EXPECT_GT(device.copies, 0) << "slices of 36 bytes are not where kernels may write";
    const auto replay = (*context)->replay();
    ASSERT_TRUE(replay);
    EXPECT_NE(replay->why_not.find("loops or branches"), std::string::npos) << replay->why_not;
  }
}

TEST_F(OnQueue, WhoRecordsIsTold) {
  auto engine = load(true);
  ASSERT_TRUE(engine) << engine.error().text();
  auto context = (*engine)->create_context(0);
  ASSERT_TRUE(context);
  Buffers buffers;
  run_and_check(**context, buffers, 2, 0, [&] { return (*context)->run(); }, true);
  char queue = 0;
  ASSERT_TRUE((*context)->enqueue(&queue));
  const Status status = (*context)->wait();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text().find("cannot be recorded"), std::string::npos) << status.error().text();
}

TEST_F(OnQueue, ALoopIsMeasuredAsItRuns) {
  auto engine = load(true);
  ASSERT_TRUE(engine) << engine.error().text();
  auto context = (*engine)->create_context(0);
  ASSERT_TRUE(context);
  std::vector<std::string> steps;
  ASSERT_TRUE((*context)->set_profiler([&](const plan::Step& step, double) { steps.push_back(step.name); }));
  Buffers buffers;
  run_and_check(**context, buffers, 3, 0, [&] { return (*context)->run(); }, true);
  EXPECT_EQ(steps, (std::vector<std::string>{"loop", "neg(neg(x0))", "branch"}));
  EXPECT_EQ(device.last->measured_together, (std::vector<bool>{false, true, false}));
}

// Conditions are read after each iteration; without one the number of waits is the same however many there are.
TEST_F(OnQueue, NothingWaitsWithoutACondition) {
  for (bool conditional : {true, false}) {
    auto engine = load(conditional);
    ASSERT_TRUE(engine) << engine.error().text();
    auto context = (*engine)->create_context(0);
    ASSERT_TRUE(context);
    Buffers buffers;
    std::vector<int> drains;
    for (int64_t n : {1, 4}) {
      const int before = device.last->queue.drains;
      run_and_check(**context, buffers, n, 0, [&] { return (*context)->run(); }, conditional);
      drains.push_back(device.last->queue.drains - before);
    }
    EXPECT_EQ(drains[1] - drains[0], conditional ? 3 : 0);
  }
}

}  // namespace
}  // namespace tenon
