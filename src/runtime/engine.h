// The run side: a verified plan with its weights resident, and contexts that execute it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/allocator.h"
#include "base/limits.h"
#include "base/log.h"
#include "device/device.h"
#include "device/kernel_table.h"
#include "plan/plan.h"

namespace tenon {

enum class IoMode : int32_t { input = 0, output = 1 };

struct IoTensor {
  std::string name;
  IoMode mode;
  DType dtype;
  std::vector<int64_t> shape;  // -1 where it depends on a symbol
};

struct EngineOptions {
  // Of the engine's one team, which its contexts share by turns; 0: the plan's. With 1 there is no team:
  // every call runs on its caller's thread, and contexts run beside each other. On a device that is not the host the
  // team runs host steps and refits.
  int threads = 0;
  const Device* device = nullptr;  // null: the one that the plan names
  bool recordings = true;          // a device that can record a run replays it from the second run of a shape on
  Limits limits;
  std::shared_ptr<Allocator> allocator;  // of weights, arenas, scratch; null: the process's heap
  const KernelTable* kernels =
      nullptr;          // null: full_kernel_table() if the plan names libraries, else the library's
  int shapes_kept = 8;  // per context: shapes whose prepared kernels stay
};

class Context;

// Immutable but for refit, which swaps the weights as a whole. Thread rule: any thread.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Refuses plans that do not verify, plans for another target (naming the difference) and kernels that this
  // library does not have. Copies what it needs of `bytes`.
  static Result<std::shared_ptr<Engine>> load(std::span<const std::byte> bytes, const EngineOptions& options,
                                              const Log& log);
  virtual ~Engine() = default;

  virtual const std::vector<IoTensor>& io() const = 0;
  virtual int profile_count() const = 0;
  // min, opt, max of an input's dims in a profile; fails for outputs and unknown names.
  virtual Result<std::vector<plan::Range>> profile_shape(int profile, std::string_view input) const = 0;
  virtual uint64_t arena_bytes(int profile) const = 0;
  // Where its inputs and outputs lie: on the host if that is its device.
  virtual bool on_host() const = 0;
  // As loaded: without the weights' bytes, and with the hashes that they had then.
  virtual const plan::Plan& plan() const = 0;

  virtual Result<std::unique_ptr<Context>> create_context(int profile) = 0;

  // The plan with the weights that are in force.
  virtual Result<std::vector<std::byte>> serialize() const = 0;

  // Refit, all or nothing: every value is checked, every weight recomputed into a second copy, then swapped.
  // Running contexts finish on the old weights. A source that a needed program lacks, a pinned source with
  // another value, an unknown name, a wrong type or size: an error that names all of them, and nothing has
  // changed.
  struct NewWeight {
    std::string name;
    DType dtype;
    std::vector<int64_t> dims;
    std::span<const std::byte> bytes;
  };
  virtual Status refit(std::span<const NewWeight> weights) = 0;
  // The sources that must be set besides `set` before a refit can be applied.
  virtual std::vector<std::string> missing(std::span<const std::string> set) const = 0;
};

// Whether a context's next run is replayed from a recording.
struct Replay {
  bool recorded = false;
  std::string why_not;  // when it is not
  uint64_t recordings = 0;  // that the context has made since it was created, also in vain
};

// Times of one run beside the device's own, in microseconds.
struct RunParts {
  double input = 0;    // copies of inputs whose buffers do not lie on the device
  double enqueue = 0;  // of the host, to queue the network's work without those copies
  double output = 0;   // copies of outputs
};

// Called after each step with its time, on the thread that runs the steps.
using ProfileSink = std::function<void(const plan::Step& step, double microseconds)>;

// One in-flight execution. Thread rule: one call at a time, and none but wait while enqueued work is not
// done; a second caller gets Code::busy, never a race. Destroying a context waits for its work.
class Context {
 public:
  virtual ~Context() = default;

  virtual Status set_input_shape(std::string_view input, std::span<const int64_t> dims) = 0;
  // `bytes` is the buffer's size; it is checked when the context runs. For outputs it must hold the output's
  // shape, and their memory may not overlap any other tensor's. Aligned to the element size at least. On a device
  // that is not the host, memory of the host is copied through memory of the context's at each run.
  virtual Status set_buffer(std::string_view tensor, void* data, size_t bytes) = 0;
  // Dims of any I/O tensor at the shapes set so far; fails while an input it depends on has none.
  virtual Result<std::vector<int64_t>> shape(std::string_view tensor) = 0;

  // Evaluates dims and prepares every kernel for the shapes set, so that run neither plans nor allocates.
  virtual Status prepare() = 0;
  virtual Status run() = 0;      // enqueue, then wait
  // As run; the time that the device took for it, in microseconds: copies of buffers that lie elsewhere left out.
  virtual Result<double> run_measured() = 0;
  // As run, one part after the other.
  virtual Result<RunParts> run_in_parts() = 0;
  // Returns at once where the team has its own threads, and on a device that is not the host, whose queue the caller
  // may choose: null is the context's own.
  virtual Status enqueue(void* queue = nullptr) = 0;
  // The result of the last enqueue. A failure that nobody has waited for is given by the next run or enqueue,
  // which then does nothing else.
  virtual Status wait() = 0;
  virtual Status set_profiler(ProfileSink sink) = 0;  // null: none
  virtual Result<Replay> replay() = 0;
};

}  // namespace tenon
