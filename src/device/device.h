// Devices: where memory lies and where steps run. Each kind is a folder beside this file, listed in
// devices.def.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/allocator.h"
#include "base/status.h"
#include "base/team.h"

namespace tenon {

// What a stream executes: launches of one context's steps. Lives until it has been executed.
class Work {
 public:
  virtual ~Work() = default;
  // `team` is the stream's. Must not throw.
  virtual Status execute(Team& team) = 0;
};

// When a piece of work that was submitted is done, and how it ended. Used again after each wait.
class Event {
 public:
  virtual ~Event() = default;
  // Blocks until the work that the event was last submitted with is done; at once if there was none. Gives
  // its result, at every call until the event is submitted again.
  virtual Status wait() = 0;
  // Whether wait would return at once.
  virtual bool done() const = 0;
};

// Executes work a piece at a time, in the order it came. Thread rule: any thread; it synchronises its
// callers.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual int threads() const = 0;
  virtual Result<std::unique_ptr<Event>> create_event() = 0;
  // Executes and returns when done.
  virtual Status run(Work& work) = 0;
  // Queues `work` and returns; `event`, which must not be pending, is signalled when it is done. A stream
  // without threads of its own executes before it returns. On failure nothing was queued.
  virtual Status submit(Work& work, Event& event) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  virtual Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what) const = 0;
  // A stream for work that `threads` threads share.
  virtual Result<std::unique_ptr<Stream>> create_stream(int threads) const = 0;
};

// Live for ever, in the order of devices.def.
std::span<const Device* const> all_devices();
// Fails naming the devices that there are.
Result<const Device*> find_device(std::string_view name);

}  // namespace tenon
