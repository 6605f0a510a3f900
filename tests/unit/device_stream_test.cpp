#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <thread>

#include "device/device.h"
#include "device/kernel_table.h"
#include "device/module.h"

namespace tenon {
namespace {

struct CountingWork final : Work {
  std::atomic<int>& running;
  std::atomic<int>& together;
  int done = 0;
  CountingWork(std::atomic<int>& r, std::atomic<int>& t) : running(r), together(t) {}
  Status execute(const Lane& lane) override {
    Team& team = *lane.team;
    if (++running > 1) ++together;
    std::atomic<int> sum{0};
    team.parallel_for(100, [&](int64_t begin, int64_t end, int) { sum += static_cast<int>(end - begin); });
    --running;
    ++done;
    if (sum != 100) return fail(Code::internal, "the loop covered {} of 100", sum.load());
    return {};
  }
};

TEST(Devices, AreFoundByName) {
  EXPECT_TRUE(find_device("cpu"));
  EXPECT_TRUE(find_device("null"));
  auto none = find_device("abacus");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().text().find("there are: cpu, null"), std::string::npos);
}

// What every device's streams promise, but for null, which executes nothing.
TEST(Devices, StreamsRunOnePieceOfWorkAtATime) {
  for (int threads : {2, 3}) {
    auto stream = std::move(*(*find_device("cpu"))->create_stream(threads));
    EXPECT_EQ(stream->threads(), threads);
    std::atomic<int> running{0}, together{0};
    std::vector<std::thread> callers;
    std::atomic<int> failures{0};
    for (int i = 0; i < 8; ++i)
      callers.emplace_back([&, i] {
        CountingWork work(running, together);
        auto event = std::move(*stream->create_event());
        EXPECT_TRUE(event->done());
        for (int round = 0; round < 50; ++round) {
          Status status = i % 2 ? stream->run(work) : stream->submit(work, *event);
          if (i % 2 == 0 && status) status = event->wait();
          failures += !status;
        }
        EXPECT_EQ(work.done, 50);
      });
    for (std::thread& t : callers) t.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(together, 0);
  }
}

TEST(Devices, AStreamFinishesItsQueueBeforeItGoes) {
  std::atomic<int> running{0}, together{0};
  CountingWork work(running, together);
  auto stream = std::move(*(*find_device("cpu"))->create_stream(2));
  std::vector<std::unique_ptr<Event>> events;
  for (int i = 0; i < 20; ++i) {
    events.push_back(std::move(*stream->create_event()));
    ASSERT_TRUE(stream->submit(work, *events.back()));
  }
  stream.reset();
  EXPECT_EQ(work.done, 20);
  for (auto& event : events) EXPECT_TRUE(event->wait());
}

// Work that runs another piece of work on its own stream, as a callback of the engine might.
struct NestedWork final : Work {
  Stream& stream;
  Work& inner;
  Status nested;
  NestedWork(Stream& s, Work& w) : stream(s), inner(w) {}
  Status execute(const Lane&) override {
    nested = stream.run(inner);
    return {};
  }
};

struct ThrowingWork final : Work {
  Status execute(const Lane&) override { throw std::bad_alloc(); }
};

TEST(Devices, AThreadThatRunsCannotRunMore) {
  auto stream = std::move(*(*find_device("cpu"))->create_stream(2));
  std::atomic<int> running{0}, together{0};
  CountingWork work(running, together);
  NestedWork nested(*stream, work);
  ASSERT_TRUE(stream->run(nested));
  ASSERT_FALSE(nested.nested);
  EXPECT_EQ(nested.nested.error().code, Code::busy);
  EXPECT_EQ(work.done, 0);
  EXPECT_TRUE(stream->run(work));
}

// Work must not throw; where it does all the same, the thread does not stay in a run.
TEST(Devices, AStreamRunsAgainAfterAnException) {
  auto stream = std::move(*(*find_device("cpu"))->create_stream(2));
  ThrowingWork throwing;
  EXPECT_THROW((void)stream->run(throwing), std::bad_alloc);
  std::atomic<int> running{0}, together{0};
  CountingWork work(running, together);
  EXPECT_TRUE(stream->run(work));
  EXPECT_EQ(work.done, 1);
}

TEST(Devices, ImpossibleTeamsAreRefused) {
  EXPECT_FALSE((*find_device("cpu"))->create_stream(0));
  EXPECT_FALSE((*find_device("cpu"))->create_stream(-1));
}

TEST(Blocks, AreAlignedAndEmptyOnesHaveNoMemory) {
  for (uint64_t bytes : {1, 63, 64, 4096, 5 << 20}) {
    auto block = Block::allocate(default_allocator(), bytes, "a test");
    ASSERT_TRUE(block);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % 64, 0u);
    block->data()[bytes - 1] = std::byte{1};
  }
  EXPECT_EQ(Block::allocate(default_allocator(), 0, "a test")->data(), nullptr);
  auto huge = Block::allocate(default_allocator(), UINT64_MAX, "a test");
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().code, Code::out_of_memory);
}

struct CrookedAllocator final : Allocator {
  std::byte memory[256];
  int freed = 0;
  void* allocate(size_t, size_t) override {
    return memory + (reinterpret_cast<uintptr_t>(memory) % 2 ? 2 : 1);
  }
  void free(void*, size_t, size_t) override { ++freed; }
};

TEST(Blocks, AnAllocatorMustKeepTheAlignment) {
  CrookedAllocator allocator;
  auto block = Block::allocate(allocator, 16, "a test");
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code, Code::callback);
  EXPECT_EQ(allocator.freed, 1);
}

TEST(KernelTable, FirstOfAnIdHolds) {
  static const Kernel a = {"x", 1, 0, 0, nullptr, nullptr}, b = {"x", 2, 0, 0, nullptr, nullptr};
  const Kernel* const first[] = {&a};
  const Kernel* const second[] = {&b};
  KernelTable table(first);
  table.add(second);
  EXPECT_EQ(table.find("x"), &a);
  EXPECT_EQ(table.find("y"), nullptr);
  EXPECT_EQ(table.all().size(), 2u);
}

TEST(KernelTable, HostKernelsHaveDistinctIds) {
  for (const Kernel* kernel : host_kernels())
    EXPECT_EQ(host_kernel_table().find(kernel->id), kernel) << kernel->id;
}

TEST(Modules, AbsentOnesSayWhereTheyWereLookedFor) {
  auto module = load_module("nothing");
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::not_found);
  EXPECT_NE(module.error().text().find("libtenon_nothing.so"), std::string::npos);
  EXPECT_EQ(load_module("nothing").error().text(), module.error().text());
}

}  // namespace
}  // namespace tenon
