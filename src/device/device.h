// Devices: where memory lies and where steps run. Each kind is a folder beside this file, listed in
// devices.def.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/allocator.h"
#include "base/status.h"
#include "base/team.h"

namespace tenon {

struct Kernel;
struct PrepareCall;
struct Prepared;

// Where the launches of a piece of work go.
struct Lane {
  Team* team = nullptr;   // the stream's; never null
  void* queue = nullptr;  // of a device that is not the host: its queue, a cudaStream_t on CUDA
  bool captured = false;  // the queue's owner records it: work is launched step by step, not as a recording of its own
};

// What a stream executes: launches of one context's steps. Lives until it has been executed.
class Work {
 public:
  virtual ~Work() = default;
  // On a device that is not the host it only queues, and may be called while the queue is being recorded: it then
  // must not wait for the device. Must not throw.
  virtual Status execute(const Lane& lane) = 0;
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

// Work as a device recorded it, to be executed again with one call; the same addresses and shapes. Must go before
// its stream does.
class Recording {
 public:
  virtual ~Recording() = default;
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
  // without threads of its own executes before it returns. On failure nothing was queued. `queue`: the caller's own
  // queue to use in place of the stream's; only devices that are not the host have one.
  virtual Status submit(Work& work, Event& event, void* queue = nullptr) = 0;

  // Devices that can record; the others refuse. Nothing is executed by it; what `work` needs on the device must have
  // been executed once before.
  virtual Result<std::unique_ptr<Recording>> record(Work& work);
  // Queues what was recorded: for a Work's execute.
  virtual Status replay(Recording& recording, const Lane& lane);
  // Microseconds of each of `runs` executions of `work` on the device. `together`: launch overhead is left out where the
  // device can record; else each is launched, and timed, by itself. Waits for the end.
  virtual Result<std::vector<double>> measure(Work& work, int runs, bool together = true);
  // Waits until what was queued in the lane is done. On the host it is so when it returns.
  virtual Status drain(const Lane& lane);
  // Queues a call of `function` on the host, in order with what was queued before: it runs on a thread of the
  // device's driver and must not call the device. On the host it runs at once.
  virtual Status call_host(const Lane& lane, void (*function)(void* argument), void* argument);
};

// Facts of a device that is not the host. Zero and empty for the host.
struct DeviceFacts {
  std::string product;       // "NVIDIA H100 80GB HBM3"
  std::string architecture;  // "sm_90a": what code is compiled for
  int multiprocessors = 0;
  int64_t memory = 0;        // bytes
  int64_t l2 = 0;            // bytes
  int64_t shared_memory = 0; // bytes that one block may have at most
};

// Compiled code of one source text.
struct KernelImage {
  uint64_t key = 0;  // hash of the source and of how it was compiled
  std::vector<std::byte> bytes;
};

struct SessionOptions {
  // Code that a plan carries. Without `compile`, kernels whose code is not among it are refused.
  std::span<const KernelImage> images;
  bool compile = false;
  std::string cache_folder;  // where compiled code is kept between builds; "" for nowhere
};

// Declared in kernels/common/kernel.h too.
class DeviceSession {
 public:
  virtual ~DeviceSession() = default;
  // The code that kernels prepared with this session use, each once, in order of key.
  virtual std::vector<KernelImage> images() const = 0;
  // Whether kernels prepared from now on make ready all that shapes of the plan may need, as from the start they do, or, to
  // be tried, only what they need at the shape at hand.
  virtual void prepare_every_shape(bool) {}
  // Between the first two calls a kernel that is prepared only says what code it needs, and fails with Code::busy. The
  // second begins to compile all of it, on that many threads beside the caller's, the third waits until that is done.
  virtual void begin_collecting() = 0;
  virtual void end_collecting(int threads) = 0;
  virtual void wait_for_code() = 0;
  // kernel.prepare(call, out), with the device ready for it.
  virtual Status prepare(const Kernel& kernel, const PrepareCall& call, Prepared& out);
};

// How kernels are prepared: by the call's session where it has one.
Status prepare_kernel(const Kernel& kernel, const PrepareCall& call, Prepared& out);

enum class Direction : uint8_t { to_device, to_host, within };  // within: the device's own memory
enum class MemoryKind : uint8_t {
  host,    // that the device cannot address
  both,    // of the host, and the device may read it too (pinned or managed)
  device,  // of this device
  other,   // of another device
};

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  // What plans name: "cpu"; "cuda" of "cuda" and "cuda:1".
  virtual std::string_view kind() const { return name(); }
  // Whether the processor addresses its memory and its kernels run on teams of threads. Such a device needs none of
  // what stands below create_stream.
  virtual bool is_host() const { return true; }
  // Memory of the device. `allocator` is asked where it gives such memory: on the host.
  virtual Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what) const = 0;
  // A stream for work that `threads` threads share.
  virtual Result<std::unique_ptr<Stream>> create_stream(int threads) const = 0;

  virtual const DeviceFacts& facts() const;
  // Libraries of others that its kernels come from, with their versions: "cublas 13.1.0, cudnn 9.19.0". Opens them.
  virtual std::string libraries() const;
  virtual Result<std::unique_ptr<DeviceSession>> create_session(const SessionOptions& options) const;
  // Memory of the host that the device copies from and to without waiting.
  virtual Result<Block> allocate_host(uint64_t bytes, const char* what) const;
  // Copies and returns when done.
  virtual Status copy(void* to, const void* from, uint64_t bytes, Direction direction) const;
  // Queues a copy.
  virtual Status copy(void* to, const void* from, uint64_t bytes, Direction direction, void* queue) const;
  virtual MemoryKind kind_of(const void* data) const;
};

const Device& host_device();

// Live for ever: those of devices.def, then those of modules that are there.
std::span<const Device* const> all_devices();
// Fails naming the devices that there are, and why a known one is not.
Result<const Device*> find_device(std::string_view name);

}  // namespace tenon
