#include "onednn/openmp.h"

#include <sched.h>

#include <algorithm>
#include <atomic>

// GNU OpenMP's own, for a libdnnl that is bound to it.
extern "C" int omp_set_num_threads(int threads);

namespace tenon::onednn {
namespace {

struct Region {
  int threads;
  std::atomic<int> waiting{0};
  std::atomic<int> round{0};
};

// Of one thread: the region it works in, and what a region that it opens gets.
struct Place {
  Region* region = nullptr;
  int number = 0;
  int threads = 1;
  Team* team = nullptr;
};

thread_local Place place;

using Body = void (*)(void*);

struct Call {
  Region& region;
  Body body;
  void* data;
};

std::atomic<TeamRunner> team_runner{nullptr};

void run_member(Region& region, int number, Body body, void* data) {
  Place outer = place;
  place.region = &region;
  place.number = number;
  place.threads = 1;
  place.team = nullptr;
  body(data);
  place = outer;
}

// Polls before a thread that waits lets others have its processor: the one it waits for may need it.
constexpr int kPolls = 1000;

// Threads of a region arrive in any order; the last one opens the next round.
void wait_for_all(Region& region) {
  const int round = region.round.load(std::memory_order_acquire);
  if (region.waiting.fetch_add(1, std::memory_order_acq_rel) + 1 == region.threads) {
    region.waiting.store(0, std::memory_order_relaxed);
    region.round.fetch_add(1, std::memory_order_release);
    return;
  }
  for (int polls = 0; region.round.load(std::memory_order_acquire) == round; ++polls) {
    if (polls >= kPolls) {
      sched_yield();
      continue;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

void parallel(Body body, void* data, int threads) {
  Team* team = place.team;
  const int most = team ? std::min(place.threads, team->size()) : 1;
  Region region;
  region.threads = threads > 0 ? std::min(threads, most) : most;
  if (region.threads == 1) return run_member(region, 0, body, data);
  Call call{region, body, data};
  team_runner.load(std::memory_order_acquire)(*team, region.threads, [](void* state, int64_t begin, int64_t end, int) {
    const Call& c = *static_cast<Call*>(state);
    for (int64_t i = begin; i < end; ++i) run_member(c.region, static_cast<int>(i), c.body, c.data);
  }, &call);
}

}  // namespace

void set_team_runner(TeamRunner runner) { team_runner.store(runner, std::memory_order_release); }

int set_parallelism(int threads, Team* team) {
  const int before = place.threads;
  place.threads = threads;
  place.team = team;
  omp_set_num_threads(threads);
  return before;
}

}  // namespace tenon::onednn

extern "C" {

#define TN_EXPORT __attribute__((visibility("default")))

TN_EXPORT void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  tenon::onednn::parallel(body, data, static_cast<int>(threads));
}

TN_EXPORT void GOMP_barrier() {
  using tenon::onednn::place;
  if (place.region && place.region->threads > 1) wait_for_all(*place.region);
}

TN_EXPORT int omp_get_max_threads() { return tenon::onednn::place.threads; }
TN_EXPORT int omp_get_thread_num() { return tenon::onednn::place.number; }
TN_EXPORT int omp_get_num_threads() {
  return tenon::onednn::place.region ? tenon::onednn::place.region->threads : 1;
}
TN_EXPORT int omp_in_parallel() {
  return tenon::onednn::place.region && tenon::onednn::place.region->threads > 1;
}

#undef TN_EXPORT

}
