#include "base/team.h"

#include <pthread.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "base/cpu.h"

namespace tenon {
namespace {

// Polls before a thread parks: some 50 µs, longer than the gaps between the steps of a network.
constexpr int kSpins = 1500;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Part {
  int64_t begin, end;
};

Part part_of(int64_t count, int members, int member) {
  int64_t share = count / members, rest = count % members;
  int64_t begin = member * share + (member < rest ? member : rest);
  return {begin, begin + share + (member < rest ? 1 : 0)};
}

}  // namespace

struct Team::Shared {
  struct Worker {
    Shared* shared;
    int member;
    pthread_t thread;
  };

  int size = 1;
  int spins = 0;                          // none when there are more members than processors
  Thunk thunk = nullptr;
  void* body = nullptr;
  int64_t count = 0;
  bool stop = false;
  alignas(64) std::atomic<uint32_t> round{0};    // a new value publishes the fields above
  alignas(64) std::atomic<int32_t> pending{0};   // workers that have not finished the round
  std::vector<Worker> workers;

  void work(int member) {
    Part part = part_of(count, size, member);
    if (part.begin < part.end) thunk(body, part.begin, part.end, member);
  }

  static void* loop(void* argument) {
    Worker& worker = *static_cast<Worker*>(argument);
    Shared& shared = *worker.shared;
    uint32_t seen = 0;
    while (true) {
      for (int i = 0; i < shared.spins && shared.round.load(std::memory_order_acquire) == seen; ++i) pause_cpu();
      while (shared.round.load(std::memory_order_acquire) == seen) shared.round.wait(seen, std::memory_order_acquire);
      ++seen;
      if (shared.stop) return nullptr;
      shared.work(worker.member);
      if (shared.pending.fetch_sub(1, std::memory_order_acq_rel) == 1) shared.pending.notify_one();
    }
  }

  void publish() {
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
  }

  void await() {
    for (int i = 0; i < spins && pending.load(std::memory_order_acquire) != 0; ++i) pause_cpu();
    for (int32_t left; (left = pending.load(std::memory_order_acquire)) != 0;)
      pending.wait(left, std::memory_order_acquire);
  }
};

Team::Team(int size, std::unique_ptr<Shared> shared) : size_(size), shared_(std::move(shared)) {}

Result<std::unique_ptr<Team>> Team::create(int threads) {
  if (threads < 1 || threads > 4096)
    return fail(Code::invalid_argument, "a team has 1 to 4096 threads, {} were asked for", threads);
  auto shared = std::make_unique<Shared>();
  shared->size = threads;
  shared->spins = threads <= cpu_count() ? kSpins : 0;
  shared->workers.resize(static_cast<size_t>(threads - 1));
  auto team = std::unique_ptr<Team>(new Team(threads, std::move(shared)));
  Shared& state = *team->shared_;
  for (size_t i = 0; i < state.workers.size(); ++i) {
    Shared::Worker& worker = state.workers[i];
    worker.shared = &state;
    worker.member = static_cast<int>(i) + 1;
    if (int code = pthread_create(&worker.thread, nullptr, Shared::loop, &worker)) {
      state.workers.resize(i);  // shrinking moves no element: the started workers keep their addresses
      return fail(Code::out_of_memory, "thread {} of a team of {} could not be started: {}; ask for fewer threads", i + 2,
                  threads, std::strerror(code));
    }
    pthread_setname_np(worker.thread, "tenon-worker");
  }
  return team;
}

Team::~Team() {
  shared_->stop = true;
  shared_->publish();
  for (Shared::Worker& worker : shared_->workers) pthread_join(worker.thread, nullptr);
}

void Team::run(int64_t count, Thunk thunk, void* body) {
  if (count <= 0) return;
  if (size_ == 1 || count == 1) return thunk(body, 0, count, 0);
  Shared& shared = *shared_;
  shared.thunk = thunk;
  shared.body = body;
  shared.count = count;
  shared.pending.store(size_ - 1, std::memory_order_relaxed);
  shared.publish();
  shared.work(0);
  shared.await();
}

}  // namespace tenon
