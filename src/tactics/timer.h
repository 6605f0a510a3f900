// How a candidate's cost is found: measured, or, for tests, taken from a model that is the same everywhere.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "device/device.h"
#include "device/kernel_table.h"
#include "tactics/problem.h"
#include "tactics/timing_cache.h"

namespace tenon {

class Timer {
 public:
  virtual ~Timer() = default;
  // The cost of a trial. Stops early, and answers with a censored time, once it is sure to exceed
  // `limit_microseconds`. A failure says why the kernel cannot run at this shape.
  virtual Result<Timing> time(const Trial& trial, double limit_microseconds) = 0;
  // Microseconds of several trials in turns, one row a turn: within a turn the machine is the same for all of them. Ends early
  // where `stop` says so, with the turns that are whole. A failure is one of a trial.
  virtual Result<std::vector<std::vector<double>>> turns(std::span<const Trial> trials, int count, const std::function<bool()>& stop);
  // Part of the cache key: times of different timers never mix.
  virtual std::string_view name() const = 0;
};

// The weights that a run of the network reads.
struct Weights {
  int64_t bytes = 0;
  enum class Level : uint8_t { near, last, memory } level = Level::near;  // what holds them, before or in the last cache: part of the timer's name
};

// Runs the kernel on this machine with a team of `threads`: lower quartile of several runs, after one that warms up.
// A run's constants lie in memory that was last read `weights.bytes` ago, as a network finds those of a node: in whatever
// cache, or none, holds as much. The other operands stay where the run before left them, as a network's stay where the step
// before left them.
Result<std::unique_ptr<Timer>> make_real_timer(const KernelTable& kernels, int threads, Weights weights);

// Runs prepare, never launch. "fake": costs from the bytes that a trial touches, the reference last. "shuffled:" and a
// number: costs from that number alone, 1 to 64 microseconds, the reference a hundred times that.
std::unique_ptr<Timer> make_fake_timer(const KernelTable& kernels, int threads, DeviceSession* session = nullptr,
                                       std::string_view name = "fake");

// Whether `name` is "real" or one of make_fake_timer's.
bool is_timer(std::string_view name);

// Runs the kernel on a device that is not the host, as the device times it: median of several runs over rotated
// outputs, with weights rotated among copies that together exceed the device's cache.
Result<std::unique_ptr<Timer>> make_device_timer(const KernelTable& kernels, const Device& device,
                                                 DeviceSession& session);

}  // namespace tenon
