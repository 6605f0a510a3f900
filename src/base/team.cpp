#include "base/team.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstring>

#include "base/cpu.h"

namespace tenon {
namespace {

// How a thread waits: it polls some 30 µs, longer than most gaps between steps; then it polls as often as nobody else
// wants its processor, some 10 ms, longer than most steps that one thread runs alone; then it parks. Waking a parked
// thread takes 50 µs and more where an idle processor is a halted one of a virtual machine.
constexpr int kPolls = 1000;
constexpr int kYields = 20000;
// Polls before the caller looks for parts that nobody has begun.
constexpr int kPatience = 32;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Moves this thread off processor `cpu` where it may run on another one.
void leave(int cpu) {
  cpu_set_t allowed;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) != 0) return;
  sched_setaffinity(0, sizeof(allowed), &allowed);
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
  struct alignas(64) Worker {
    std::atomic<uint32_t> claimed{0};  // the last round in which this worker's part was begun, by whomever
    Shared* shared = nullptr;
    int member = 0;
    pthread_t thread{};
  };

  int size = 1;
  bool polls = false;  // not when there are more members than processors
  int started = 0;     // workers that have a thread
  std::unique_ptr<Worker[]> workers;
  std::unique_ptr<Items::Span[]> spans;  // by member
  // Of the round that runs: constant from its publication until every part is done. Whoever has claimed a part may
  // read them.
  Thunk thunk = nullptr;
  void* body = nullptr;
  int64_t count = 0;
  std::atomic<bool> stop{false};
  std::atomic<bool> session{false};
  std::atomic<int> caller_cpu{-1};              // where the last round's caller ran
  alignas(64) std::atomic<uint32_t> round{0};   // a new value publishes the fields above
  alignas(64) std::atomic<int32_t> pending{0};  // the workers' parts of the round that are not done

  void work(int member) {
    Part part = part_of(count, size, member);
    if (part.begin < part.end) thunk(body, part.begin, part.end, member);
  }

  // Runs a worker's part of the round `now` unless it has been begun or that round is over.
  void try_work(Worker& worker, uint32_t now) {
    uint32_t last = now - 1;
    if (!worker.claimed.compare_exchange_strong(last, now, std::memory_order_acq_rel, std::memory_order_relaxed)) return;
    work(worker.member);
    if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) pending.notify_one();
  }

  // The first round after `seen`.
  uint32_t next_round(uint32_t seen) {
    uint32_t now;
    for (int i = 0; (now = round.load(std::memory_order_acquire)) == seen; ++i) {
      if (polls && i < kPolls) {
        pause_cpu();
      } else if (polls && i < kPolls + kYields && session.load(std::memory_order_relaxed)) {
        if (i == kPolls) part_from_caller();
        sched_yield();
      } else {
        round.wait(seen, std::memory_order_acquire);
        if (polls) part_from_caller();
      }
    }
    return now;
  }

  // The kernel wakes a worker on the processor of the thread that wakes it, and leaves both there when each only
  // works for microseconds before it waits for the other.
  void part_from_caller() {
    const int cpu = caller_cpu.load(std::memory_order_relaxed);
    if (cpu == sched_getcpu()) leave(cpu);
  }

  static void* loop(void* argument) {
    Worker& worker = *static_cast<Worker*>(argument);
    Shared& shared = *worker.shared;
    uint32_t now = 0;
    while (true) {
      now = shared.next_round(now);
      if (shared.stop.load(std::memory_order_relaxed)) return nullptr;
      shared.try_work(worker, now);
    }
  }

  void publish() {
    if (polls) caller_cpu.store(sched_getcpu(), std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
  }

  // The caller's end of the round `now`: its parts that no worker has begun, then until the others are done.
  void finish(uint32_t now) {
    for (int i = 0; polls && i < kPatience && pending.load(std::memory_order_acquire) != 0; ++i) pause_cpu();
    for (int i = 0; i < size - 1 && pending.load(std::memory_order_acquire) != 0; ++i) try_work(workers[i], now);
    int32_t left;
    for (int i = 0; (left = pending.load(std::memory_order_acquire)) != 0; ++i) {
      if (polls && i < kPolls) pause_cpu();
      else if (polls && i < kPolls + kYields) sched_yield();
      else pending.wait(left, std::memory_order_acquire);
    }
  }
};

Team::Team(int size, std::unique_ptr<Shared> shared) : size_(size), shared_(std::move(shared)) {}

Result<std::unique_ptr<Team>> Team::create(int threads) {
  if (threads < 1 || threads > 4096)
    return fail(Code::invalid_argument, "a team has 1 to 4096 threads, {} were asked for", threads);
  auto shared = std::make_unique<Shared>();
  shared->size = threads;
  shared->polls = threads <= cpu_count();
  shared->workers = std::make_unique<Shared::Worker[]>(static_cast<size_t>(threads - 1));
  shared->spans = std::make_unique<Items::Span[]>(static_cast<size_t>(threads));
  auto team = std::unique_ptr<Team>(new Team(threads, std::move(shared)));
  Shared& state = *team->shared_;
  for (; state.started < threads - 1; ++state.started) {
    Shared::Worker& worker = state.workers[state.started];
    worker.shared = &state;
    worker.member = state.started + 1;
    if (int code = pthread_create(&worker.thread, nullptr, Shared::loop, &worker))
      return fail(Code::out_of_memory, "thread {} of a team of {} could not be started: {}; ask for fewer threads",
                  worker.member + 1, threads, std::strerror(code));
    pthread_setname_np(worker.thread, "tenon-worker");
  }
  return team;
}

Team::~Team() {
  shared_->stop.store(true, std::memory_order_relaxed);
  shared_->publish();
  for (int i = 0; i < shared_->started; ++i) pthread_join(shared_->workers[i].thread, nullptr);
}

void Team::run(int64_t count, Thunk thunk, void* body) {
  if (count <= 0) return;
  if (size_ == 1 || count == 1) return thunk(body, 0, count, 0);
  Shared& shared = *shared_;
  const uint32_t now = shared.round.load(std::memory_order_relaxed) + 1;
  const int parts = count < size_ ? static_cast<int>(count) : size_;
  shared.thunk = thunk;
  shared.body = body;
  shared.count = count;
  // Empty parts count as begun.
  for (int i = parts - 1; i < size_ - 1; ++i) shared.workers[i].claimed.store(now, std::memory_order_relaxed);
  shared.pending.store(parts - 1, std::memory_order_relaxed);
  shared.publish();
  shared.work(0);
  shared.finish(now);
}

namespace {

constexpr uint64_t kEndUnit = uint64_t{1} << 32;

uint64_t bounds_of(int64_t begin, int64_t end) { return static_cast<uint64_t>(begin) | static_cast<uint64_t>(end) << 32; }
int64_t begin_of(uint64_t bounds) { return static_cast<int64_t>(bounds & (kEndUnit - 1)); }
int64_t end_of(uint64_t bounds) { return static_cast<int64_t>(bounds >> 32); }
int64_t left_of(uint64_t bounds) { return end_of(bounds) - begin_of(bounds); }

}  // namespace

bool Team::deal(int64_t count) {
  if (size_ == 1 || count <= 1 || count > INT32_MAX) return false;
  for (int member = 0; member < size_; ++member) {
    const Part part = part_of(count, size_, member);
    shared_->spans[static_cast<size_t>(member)].bounds.store(bounds_of(part.begin, part.end), std::memory_order_relaxed);
  }
  return true;
}

Team::Items::Span* Team::spans() { return shared_->spans.get(); }

bool Team::Items::take(int64_t& item) {
  std::atomic<uint64_t>& own = spans_[own_].bounds;
  uint64_t bounds = own.load(std::memory_order_relaxed);
  while (left_of(bounds) > 0)
    if (own.compare_exchange_weak(bounds, bounds + 1, std::memory_order_relaxed)) {
      item = begin_of(bounds);
      return true;
    }
  return false;
}

bool Team::Items::steal(int64_t& item) {
  while (true) {
    uint64_t bounds = spans_[victim_].bounds.load(std::memory_order_relaxed);
    if (left_of(bounds) == 0) {
      for (int i = 0; i < parts_; ++i) {
        const uint64_t other = spans_[i].bounds.load(std::memory_order_relaxed);
        if (left_of(other) > left_of(bounds)) victim_ = i, bounds = other;
      }
      if (left_of(bounds) == 0) return false;
    }
    if (spans_[victim_].bounds.compare_exchange_strong(bounds, bounds - kEndUnit, std::memory_order_relaxed)) {
      item = end_of(bounds) - 1;
      return true;
    }
  }
}

Team::Session::Session(Team& team) : team_(team) { team_.shared_->session.store(true, std::memory_order_relaxed); }
Team::Session::~Session() { team_.shared_->session.store(false, std::memory_order_relaxed); }

}  // namespace tenon
