// The CUDA device on a GPU: memory, copies, streams, events, recordings, measurements, sessions, and what every call's
// failure does. Skips with a reason where there is no GPU.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <thread>

#include "base/half.h"
#include "base/live_count.h"
#include "cuda/code_store.h"
#include "cuda/cubin.h"
#include "cuda/driver.h"
#include "cuda/nvrtc.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"
#include "device/kernel_table.h"
#include "device/module.h"

namespace tenon::cuda {
namespace {

const bool environment_is_set = [] {
  setenv("TENON_CUDA_LIBRARY_DIR", TENON_TEST_CUDA_LIBRARIES, 0);
  setenv("TENON_MODULE_DIR", TENON_TEST_MODULES, 0);
  return true;
}();

constexpr const char* kSource = R"(
#include <cuda_fp16.h>
extern "C" __global__ void add_f32(const float* a, const float* b, float* out, long long n) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x)
    out[i] = a[i] + b[i];
}
extern "C" __global__ void add_f16(const __half* a, const __half* b, __half* out, long long n) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x)
    out[i] = __float2half_rn(__half2float(a[i]) + __half2float(b[i]));
}
extern "C" __global__ void increment(int* x) { ++*x; }
extern "C" __global__ void wait_cycles(long long cycles) {
  const long long begin = clock64();
  while (clock64() - begin < cycles) {}
}
extern "C" __global__ void write_at(int* x, long long at) { x[at] = 1; }
extern "C" __global__ void shared_sum(int* out) {
  extern __shared__ int ones[];
  for (int i = threadIdx.x; i < 16384; i += blockDim.x) ones[i] = 1;
  __syncthreads();
  if (threadIdx.x == 0) { int sum = 0; for (int i = 0; i < 16384; ++i) sum += ones[i]; *out = sum; }
}
)";

template <class T>
T value(Result<T> result) {
  if (!result) ADD_FAILURE() << result.error().text();
  return result ? std::move(*result) : T{};
}

#define EXPECT_OK(...)                                     \
  do {                                                     \
    const auto& ok_ = (__VA_ARGS__);                       \
    EXPECT_TRUE(ok_.has_value()) << ok_.error().text();    \
  } while (0)
#define ASSERT_OK(...)                                     \
  do {                                                     \
    const auto& ok_ = (__VA_ARGS__);                       \
    ASSERT_TRUE(ok_.has_value()) << ok_.error().text();    \
  } while (0)

// Work that a test writes down.
struct Launches final : Work {
  explicit Launches(std::function<Status(const Lane&)> f) : function(std::move(f)) {}
  Status execute(const Lane& lane) override {
    ++executed;
    return function(lane);
  }
  std::function<Status(const Lane&)> function;
  std::atomic<int> executed{0};
};

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (found_devices().devices.empty()) GTEST_SKIP() << found_devices().why_not;
    device_ = static_cast<const CudaDevice*>(found_devices().devices[0]);
    count_streams(&live_count(LiveType::stream));
    SessionOptions options;
    options.compile = true;
    auto session = device_->create_session(options);
    ASSERT_OK(session);
    session_owner_ = std::move(*session);
    session_ = static_cast<Session*>(session_owner_.get());
    auto stream = device_->create_stream(1);
    ASSERT_OK(stream);
    stream_ = std::move(*stream);
    counter_ = value(device_->allocate(default_allocator(), 256, "a counter"));
    ASSERT_NE(counter_.data(), nullptr);
    set(0);
  }

  void TearDown() override { fail_call(0); }

  cudaKernel_t function(const char* entry) { return value(session_->function(kSource, entry)); }

  void set(int x) { EXPECT_OK(device_->copy(counter_.data(), &x, sizeof x, Direction::to_device)); }
  int get() {
    int out = -1;
    EXPECT_OK(device_->copy(&out, counter_.data(), sizeof out, Direction::to_host));
    return out;
  }

  std::function<Status(const Lane&)> increment() {
    return [kernel = function("increment"), x = static_cast<void*>(counter_.data())](const Lane& lane) mutable {
      void* args[] = {&x};
      return launch(kernel, {}, args, lane.queue);
    };
  }
  // Keeps the GPU busy.
  std::function<Status(const Lane&)> delay(long long cycles) {
    return [kernel = function("wait_cycles"), cycles](const Lane& lane) mutable {
      void* args[] = {&cycles};
      return launch(kernel, {}, args, lane.queue);
    };
  }

  template <class T>
  std::vector<T> add(const char* entry, const std::vector<T>& a, const std::vector<T>& b) {
    const uint64_t bytes = a.size() * sizeof(T);
    Block da = value(device_->allocate(default_allocator(), bytes, "a")), db = value(device_->allocate(default_allocator(), bytes, "b")),
          dout = value(device_->allocate(default_allocator(), bytes, "out"));
    std::vector<T> out(a.size());
    std::memset(out.data(), 0xff, bytes);
    EXPECT_OK(device_->copy(da.data(), a.data(), bytes, Direction::to_device));
    EXPECT_OK(device_->copy(db.data(), b.data(), bytes, Direction::to_device));
    EXPECT_OK(device_->copy(dout.data(), out.data(), bytes, Direction::to_device));
    cudaKernel_t kernel = function(entry);
    Launches work([&](const Lane& lane) {
      void *pa = da.data(), *pb = db.data(), *pout = dout.data();
      long long n = static_cast<long long>(a.size());
      void* args[] = {&pa, &pb, &pout, &n};
      LaunchShape shape;
      shape.grid[0] = 32;
      shape.block[0] = 128;
      return launch(kernel, shape, args, lane.queue);
    });
    EXPECT_OK(stream_->run(work));
    EXPECT_OK(device_->copy(out.data(), dout.data(), bytes, Direction::to_host));
    return out;
  }

  const CudaDevice* device_ = nullptr;
  std::unique_ptr<DeviceSession> session_owner_;
  Session* session_ = nullptr;
  std::unique_ptr<Stream> stream_;
  Block counter_;
};

TEST_F(Gpu, TellsItsFacts) {
  const DeviceFacts& facts = device_->facts();
  EXPECT_EQ(device_->name(), "cuda");
  EXPECT_FALSE(facts.product.empty());
  EXPECT_EQ(facts.architecture.substr(0, 3), "sm_");
  EXPECT_GT(facts.multiprocessors, 0);
  EXPECT_GT(facts.memory, int64_t{1} << 30);
  EXPECT_GT(facts.l2, 0);
  EXPECT_GE(facts.shared_memory, 48 << 10);
  std::printf("%s, %s, %d multiprocessors, libraries: %s\n", facts.product.c_str(), facts.architecture.c_str(),
              facts.multiprocessors, device_->libraries().c_str());
}

TEST_F(Gpu, IsFoundThroughTheModule) {
  auto found = find_device("cuda");
  ASSERT_OK(found);
  EXPECT_EQ((*found)->facts().product, device_->facts().product);
  EXPECT_EQ(*find_device("cuda:0"), *found);
  auto many = find_device("cuda:99");
  ASSERT_FALSE(many);
  EXPECT_NE(many.error().text().find("there are: cpu, null, cuda"), std::string::npos) << many.error().text();
  auto table = kernel_table_for(**found);
  ASSERT_OK(table);
  EXPECT_NE((*table)->find("cuda.copy_in"), nullptr);
  EXPECT_NE((*table)->find(host_kernels()[0]->id), nullptr);
  const int64_t before = live_count(LiveType::stream);
  auto stream = (*found)->create_stream(1);
  ASSERT_OK(stream);
  EXPECT_EQ(live_count(LiveType::stream), before + 1);
  stream->reset();
  EXPECT_EQ(live_count(LiveType::stream), before);
}

TEST_F(Gpu, MemoryIsAlignedAndCopied) {
  std::vector<Block> blocks;
  for (uint64_t bytes : {1, 255, 256, 257, 4096, 5 << 20}) {
    auto block = device_->allocate(default_allocator(), bytes, "a test");
    ASSERT_OK(block);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % 256, 0u) << bytes;
    std::vector<unsigned char> in(bytes), out(bytes, 0xee);
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<unsigned char>(i * 7 + bytes);
    EXPECT_OK(device_->copy(block->data(), in.data(), bytes, Direction::to_device));
    EXPECT_OK(device_->copy(out.data(), block->data(), bytes, Direction::to_host));
    EXPECT_EQ(in, out);
    blocks.push_back(std::move(*block));
  }
  // Within the memory of the GPU.
  EXPECT_OK(device_->copy(blocks[5].data(), blocks[4].data(), 4096, Direction::to_device));
  std::vector<unsigned char> a(4096), b(4096, 1);
  EXPECT_OK(device_->copy(a.data(), blocks[4].data(), 4096, Direction::to_host));
  EXPECT_OK(device_->copy(b.data(), blocks[5].data(), 4096, Direction::to_host));
  EXPECT_EQ(a, b);
  EXPECT_EQ(value(device_->allocate(default_allocator(), 0, "a test")).data(), nullptr);
  auto huge = device_->allocate(default_allocator(), uint64_t{1} << 50, "a test");
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().code, Code::out_of_memory);
  EXPECT_NE(huge.error().text().find("bytes free"), std::string::npos) << huge.error().text();
  EXPECT_OK(device_->allocate(default_allocator(), 4096, "after a failure"));
}

TEST_F(Gpu, AsynchronousCopiesKeepTheOrderOfTheirQueue) {
  Block host = value(device_->allocate_host(1 << 20, "pinned")), device = value(device_->allocate(default_allocator(), 1 << 20, "a test"));
  Block back = value(device_->allocate_host(1 << 20, "pinned"));
  std::memset(host.data(), 0x5a, host.bytes());
  std::memset(back.data(), 0, back.bytes());
  Launches work([&](const Lane& lane) -> Status {
    TN_TRY(device_->copy(device.data(), host.data(), host.bytes(), Direction::to_device, lane.queue));
    return device_->copy(back.data(), device.data(), host.bytes(), Direction::to_host, lane.queue);
  });
  EXPECT_OK(stream_->run(work));
  EXPECT_EQ(std::memcmp(host.data(), back.data(), host.bytes()), 0);
}

TEST_F(Gpu, KindsOfMemory) {
  std::vector<int> pageable(16);
  Block pinned = value(device_->allocate_host(64, "pinned"));
  void* managed = nullptr;
  ASSERT_EQ(cudaMallocManaged(&managed, 64, cudaMemAttachGlobal), cudaSuccess);
  EXPECT_EQ(device_->kind_of(pageable.data()), MemoryKind::host);
  EXPECT_EQ(device_->kind_of(pinned.data()), MemoryKind::both);
  EXPECT_EQ(device_->kind_of(managed), MemoryKind::both);
  EXPECT_EQ(device_->kind_of(counter_.data()), MemoryKind::device);
  EXPECT_EQ(device_->kind_of(counter_.data() + 100), MemoryKind::device);
  EXPECT_EQ(device_->kind_of(nullptr), MemoryKind::host);
  cudaFree(managed);
  if (found_devices().devices.size() > 1) {
    Block other = value(found_devices().devices[1]->allocate(default_allocator(), 64, "another GPU"));
    EXPECT_EQ(device_->kind_of(other.data()), MemoryKind::other);
  }
}

TEST_F(Gpu, FunctionsOfASession) {
  std::vector<float> a(10007), b(a.size());
  std::iota(a.begin(), a.end(), 0.5f);
  std::iota(b.rbegin(), b.rend(), 0.25f);
  std::vector<float> sums = add("add_f32", a, b);
  std::vector<uint16_t> ha(a.size()), hb(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(sums[i], a[i] + b[i]) << i;
    ha[i] = float_to_half(static_cast<float>(i % 97) * 0.125f);
    hb[i] = float_to_half(static_cast<float>(i % 89) * 0.5f);
  }
  std::vector<uint16_t> half_sums = add("add_f16", ha, hb);
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(half_sums[i], float_to_half(half_to_float(ha[i]) + half_to_float(hb[i]))) << i;
  EXPECT_EQ(function("add_f32"), function("add_f32"));
  auto absent = session_->function(kSource, "absent");
  EXPECT_FALSE(absent);
  auto images = session_->images();
  ASSERT_EQ(images.size(), 1u);  // one source
  EXPECT_EQ(images[0].key, code_key(kSource, device_->facts().architecture));
  // A session that does not compile runs what it is given, and nothing else.
  SessionOptions options;
  options.images = images;
  auto other = std::move(*device_->create_session(options));
  EXPECT_OK(static_cast<Session&>(*other).function(kSource, "increment"));
  EXPECT_FALSE(static_cast<Session&>(*other).function("extern \"C\" __global__ void f() {}", "f"));
}

TEST_F(Gpu, CodeIsCollectedAndCompiledAhead) {
  auto source = [](int i) { return fmt::format("extern \"C\" __global__ void k(int* x) {{ *x = {}; }}", i); };
  session_->begin_collecting();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(*session_->function(source(i), "k"), nullptr);
  session_->end_collecting(4);
  session_->wait_for_code();
  for (int i = 0; i < 8; ++i) EXPECT_OK(session_->function(source(i), "k"));
}

TEST_F(Gpu, MoreThanTheUsualSharedMemory) {
  cudaKernel_t kernel = function("shared_sum");
  LaunchShape shape;
  shape.block[0] = 256;
  shape.shared_bytes = 65536;
  Launches work([&](const Lane& lane) {
    void* out = counter_.data();
    void* args[] = {&out};
    return launch(kernel, shape, args, lane.queue);
  });
  EXPECT_FALSE(stream_->run(work));
  ASSERT_OK(allow_shared(kernel, shape.shared_bytes));
  EXPECT_OK(stream_->run(work));
  EXPECT_EQ(get(), 16384);
  EXPECT_FALSE(allow_shared(kernel, 1u << 30));
}

TEST_F(Gpu, LibrariesOpenWithHandles) {
  auto lt = session_->cublaslt();
  EXPECT_OK(lt);
  EXPECT_EQ(*session_->cublaslt(), *lt);
  auto dnn = session_->cudnn();
  EXPECT_OK(dnn);
  EXPECT_EQ(*session_->cudnn(), *dnn);
}

TEST_F(Gpu, EventsTellTheEndOfWork) {
  Launches slow(delay(200'000'000));
  auto event = value(stream_->create_event());
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->done());
  EXPECT_OK(event->wait());
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(stream_->submit(slow, *event));
    EXPECT_FALSE(event->done());
    EXPECT_OK(event->wait());
    EXPECT_TRUE(event->done());
    EXPECT_OK(event->wait());
  }
}

TEST_F(Gpu, WorkRunsInTheOrderItCame) {
  // Each sees what the ones before it left, whatever queue they went to.
  cudaStream_t mine = nullptr, other = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&mine, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
  Launches slow([slow = delay(20'000'000), add = increment()](const Lane& lane) mutable -> Status {
    TN_TRY(slow(lane));
    return add(lane);
  });
  std::vector<std::unique_ptr<Event>> events;
  void* queues[] = {nullptr, mine, other, mine, nullptr, nullptr, other};
  for (void* queue : queues) {
    events.push_back(value(stream_->create_event()));
    ASSERT_OK(stream_->submit(slow, *events.back(), queue));
  }
  EXPECT_OK(events.back()->wait());
  EXPECT_EQ(get(), 7);  // the last one came after all
  for (auto& event : events) EXPECT_TRUE(event->done());
  EXPECT_EQ(cudaStreamQuery(mine), cudaSuccess);
  cudaStreamDestroy(mine);
  cudaStreamDestroy(other);
  events.clear();
  Launches add(increment());
  EXPECT_OK(stream_->run(add));  // after the caller's queues are gone
  EXPECT_EQ(get(), 8);
}

TEST_F(Gpu, ManyThreadsShareAStream) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  auto add = increment();
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      Launches work(add);
      auto event = std::move(*stream_->create_event());
      for (int i = 0; i < 50; ++i) {
        Status status = t % 2 ? stream_->run(work) : stream_->submit(work, *event);
        if (status && t % 2 == 0) status = event->wait();
        failures += !status;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(get(), 400);
}

TEST_F(Gpu, AFailureOfLaunchingIsToldByTheWait) {
  Launches work([add = increment()](const Lane& lane) mutable -> Status {
    TN_TRY(add(lane));
    return fail(Code::internal, "half of it");
  });
  auto event = value(stream_->create_event());
  EXPECT_OK(stream_->submit(work, *event));
  Status status = event->wait();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "half of it");
  EXPECT_EQ(get(), 1);
  EXPECT_FALSE(stream_->run(work));
}

TEST_F(Gpu, RecordingsAreReplayed) {
  Launches work([add = increment()](const Lane& lane) mutable -> Status {
    for (int i = 0; i < 3; ++i) TN_TRY(add(lane));
    return {};
  });
  auto recording = stream_->record(work);
  ASSERT_OK(recording);
  EXPECT_EQ(get(), 0);  // nothing is executed by it
  Launches replay([&](const Lane& lane) { return stream_->replay(**recording, lane); });
  for (int i = 1; i <= 5; ++i) {
    EXPECT_OK(stream_->run(replay));
    EXPECT_EQ(get(), 3 * i);
  }
  EXPECT_EQ(work.executed, 1);
  // What a recording does not allow is refused, and the stream goes on.
  Launches waits([&](const Lane& lane) { return check(cudaStreamSynchronize(static_cast<cudaStream_t>(lane.queue)), "waiting"); });
  EXPECT_FALSE(stream_->record(waits));
  EXPECT_OK(stream_->run(replay));
  Launches fails([](const Lane&) -> Status { return fail(Code::internal, "not today"); });
  auto none = stream_->record(fails);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "not today");
  EXPECT_OK(stream_->run(replay));
  EXPECT_EQ(get(), 21);
}

TEST_F(Gpu, RecordingsOfThreadsAreIndependent) {
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::thread beside([&] {
    while (!stop) {
      auto block = device_->allocate(default_allocator(), 1 << 20, "beside a recording");
      failures += !block;
      int x = 1;
      if (block) failures += !device_->copy(block->data(), &x, sizeof x, Direction::to_device);
    }
  });
  Launches work(increment());
  for (int i = 0; i < 200; ++i) failures += !stream_->record(work);
  stop = true;
  beside.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(Gpu, CallsOfTheHostComeInOrder) {
  struct Seen {
    int* pinned;
    std::vector<int> values;
  };
  Block pinned = value(device_->allocate_host(64, "pinned"));
  Seen seen{reinterpret_cast<int*>(pinned.data()), {}};
  *seen.pinned = -1;
  Launches work([&, add = increment()](const Lane& lane) mutable -> Status {
    for (int i = 0; i < 3; ++i) {
      TN_TRY(add(lane));
      TN_TRY(device_->copy(seen.pinned, counter_.data(), sizeof(int), Direction::to_host, lane.queue));
      TN_TRY(stream_->call_host(
          lane, [](void* s) { static_cast<Seen*>(s)->values.push_back(*static_cast<Seen*>(s)->pinned); }, &seen));
    }
    return {};
  });
  EXPECT_OK(stream_->run(work));
  EXPECT_EQ(seen.values, (std::vector<int>{1, 2, 3}));
  auto recording = stream_->record(work);
  ASSERT_OK(recording);
  Launches replay([&](const Lane& lane) { return stream_->replay(**recording, lane); });
  EXPECT_OK(stream_->run(replay));
  EXPECT_EQ(seen.values, (std::vector<int>{1, 2, 3, 4, 5, 6}));
}

TEST_F(Gpu, MeasuresEachExecution) {
  Launches work([slow = delay(1'000'000), add = increment()](const Lane& lane) mutable -> Status {
    TN_TRY(slow(lane));
    return add(lane);
  });
  int executions = 0;
  for (int runs : {1, 2, 3, 7, 40}) {
    auto times = stream_->measure(work, runs);
    ASSERT_OK(times);
    EXPECT_EQ(times->size(), static_cast<size_t>(runs));
    executions += runs;
    EXPECT_EQ(get(), executions);  // as many as asked for, no more
    for (double t : *times) {
      EXPECT_GT(t, 300) << runs;  // a million cycles
      EXPECT_LT(t, 5000) << runs;
    }
  }
  Launches quick(increment());
  auto times = stream_->measure(quick, 40);
  ASSERT_OK(times);
  std::vector<double> sorted = *times;
  std::sort(sorted.begin(), sorted.end());
  std::printf("a kernel that does nothing: %.2f us (first %.2f us)\n", sorted[20], times->front());
  EXPECT_LT(sorted[20], 20);
}

TEST_F(Gpu, MeasuresWorkThatCannotBeRecorded) {
  Launches work([add = increment()](const Lane& lane) mutable -> Status {
    TN_TRY(add(lane));
    return check(cudaStreamSynchronize(static_cast<cudaStream_t>(lane.queue)), "waiting");
  });
  auto times = stream_->measure(work, 5);
  ASSERT_OK(times);
  EXPECT_EQ(times->size(), 5u);
  EXPECT_EQ(get(), 5);
}

TEST_F(Gpu, ACallerMayRecordItself) {
  cudaStream_t mine = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&mine, cudaStreamNonBlocking), cudaSuccess);
  Launches work(increment());
  auto event = value(stream_->create_event());
  ASSERT_EQ(cudaStreamBeginCapture(mine, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_OK(stream_->submit(work, *event, mine));
  EXPECT_OK(event->wait());
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(mine, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(get(), 0);
  EXPECT_EQ(cudaGraphLaunch(executable, mine), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(mine), cudaSuccess);
  EXPECT_EQ(get(), 1);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(mine);
}

TEST_F(Gpu, TheCallersCurrentDeviceStays) {
  int before = -1, after = -1;
  cudaGetDevice(&before);
  for (const Device* device : found_devices().devices) {
    auto stream = value(device->create_stream(1));
    Block block = value(device->allocate(default_allocator(), 64, "a test"));
    int x = 5;
    EXPECT_OK(device->copy(block.data(), &x, sizeof x, Direction::to_device));
    cudaGetDevice(&after);
    EXPECT_EQ(before, after);
  }
}

// Every checked call of a walk through the device fails in turn: each time something reports it, nothing crashes, and
// the next walk without a failure succeeds.
TEST_F(Gpu, EveryCallMayFail) {
  forget_compiled();
  auto walk = [&]() -> Status {
    SessionOptions options;
    options.compile = true;
    TN_ASSIGN(std::unique_ptr<DeviceSession> session, device_->create_session(options));
    TN_ASSIGN(cudaKernel_t kernel, static_cast<Session&>(*session).function(kSource, "increment"));
    TN_ASSIGN(std::unique_ptr<Stream> stream, device_->create_stream(1));
    TN_ASSIGN(std::unique_ptr<Event> event, stream->create_event());
    TN_ASSIGN(Block memory, device_->allocate(default_allocator(), 64, "a test"));
    TN_ASSIGN(Block pinned, device_->allocate_host(64, "a test"));
    TN_TRY(device_->copy(memory.data(), pinned.data(), 64, Direction::to_device));
    Launches work([&](const Lane& lane) -> Status {
      void* x = memory.data();
      void* args[] = {&x};
      TN_TRY(launch(kernel, {}, args, lane.queue));
      TN_TRY(stream->call_host(lane, [](void*) {}, nullptr));
      return device_->copy(pinned.data(), memory.data(), 64, Direction::to_host, lane.queue);
    });
    TN_TRY(stream->run(work));
    TN_TRY(stream->submit(work, *event));
    TN_TRY(event->wait());
    TN_ASSIGN(std::unique_ptr<Recording> recording, stream->record(work));
    Launches replay([&](const Lane& lane) { return stream->replay(*recording, lane); });
    TN_TRY(stream->run(replay));
    TN_TRY(stream->measure(work, 6));
    return {};
  };
  fail_call(INT64_MAX);
  ASSERT_OK(walk());
  const int64_t calls = calls_checked();
  ASSERT_GT(calls, 30);
  int unreported = 0;
  for (bool and_later : {false, true})
    for (int64_t n = 1; n <= calls; ++n) {
      fail_call(n, and_later);
      const Status status = walk();
      fail_call(0);
      if (!status) continue;
      // Only measuring goes on without what it cannot have: it launches what it cannot record.
      EXPECT_FALSE(and_later) << "call " << n << " and all after it failed, and nobody said so";
      ++unreported;
    }
  EXPECT_LE(unreported, 30);
  std::printf("%lld calls failed in turn; measuring went on without %d of them\n", static_cast<long long>(calls), unreported);
  EXPECT_OK(walk());
  const int64_t streams = live_count(LiveType::stream);
  EXPECT_EQ(streams, 1);  // the fixture's
}

// In a process of its own: an illegal access takes the GPU from the process that did it.
void lose_the_gpu(const CudaDevice& device, Session& session, Stream& stream) {
  cudaKernel_t kernel = *session.function(kSource, "write_at");
  auto memory = device.allocate(default_allocator(), 64, "a test");
  auto event = stream.create_event();
  auto bad = [&](const Lane& lane) {
    void* x = memory->data();
    long long at = 1ll << 40;
    void* args[] = {&x, &at};
    return launch(kernel, {}, args, lane.queue);
  };
  Launches work(bad);
  int failures = 0, expected = 0;
  auto fails = [&](const auto& status) {
    ++expected;
    failures += !status;
  };
  fails(stream.submit(work, **event) ? (*event)->wait() : Status(tl::unexpected<Error>(Error{})));
  fails((*event)->wait());
  fails(stream.run(work));
  fails(device.allocate(default_allocator(), 64, "after the loss"));
  int x = 0;
  fails(device.copy(memory->data(), &x, sizeof x, Direction::to_device));
  fails(device.create_stream(1));
  fails(stream.record(work));
  fails(stream.measure(work, 3));
  std::fprintf(stderr, "%s: %d of %d failed\n", (*event)->wait() ? "no failure" : (*event)->wait().error().text().c_str(), failures,
               expected);
  std::fflush(stderr);
  std::_Exit(failures == expected ? 0 : 1);
}

using GpuDeathTest = Gpu;
TEST_F(GpuDeathTest, ALostGpuFailsCleanly) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(lose_the_gpu(*device_, *session_, *stream_), ::testing::ExitedWithCode(0), "new process");
}

}  // namespace
}  // namespace tenon::cuda
