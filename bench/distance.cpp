// How far apart two processors are: nanoseconds that a line of the cache takes from one to the other and back, the least of many
// tries. About 100 where both reach one third-level cache, several times that where they do not; a virtual machine's host may
// change which of the two it is, from one second to the next.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

namespace {

constexpr int kTries = 20, kTrips = 200;

// To the n-th of the processors `allowed`.
bool move_to(int n, const cpu_set_t& allowed) {
  cpu_set_t one;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || n-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
  }
  return false;
}

}  // namespace

int main() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return 1;
  alignas(64) std::atomic<int> turn{0};
  std::atomic<bool> moved{true};
  std::thread other([&] {
    if (!move_to(1, allowed)) moved = false;
    for (int i = 0; i < kTries * kTrips; ++i) {
      while (turn.load(std::memory_order_acquire) != 1) {
      }
      turn.store(2, std::memory_order_release);
    }
  });
  double least = 1e9;
  std::thread one([&] {
    if (!move_to(0, allowed)) moved = false;
    for (int i = 0; i < kTries; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      for (int trip = 0; trip < kTrips; ++trip) {
        turn.store(1, std::memory_order_release);
        while (turn.load(std::memory_order_acquire) != 2) {
        }
      }
      const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
      least = std::min(least, time.count() / kTrips);
    }
  });
  one.join();
  other.join();
  if (!moved) return 1;
  std::printf("%.0f\n", least);
}
