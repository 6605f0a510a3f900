// A region made ready to run at one shape: every step's arguments, parameters and kernel state.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/limits.h"
#include "base/live_count.h"
#include "common/kernel.h"
#include "device/device.h"
#include "device/kernel_table.h"
#include "plan/plan.h"
#include "plan/verify.h"
#include "runtime/dims.h"

namespace tenon {

// The kernels of a region's steps, found and checked once.
struct RegionKernels {
  std::vector<const Kernel*> kernels;  // by step; null where the step runs regions
  std::vector<plan::InPlace> in_place;
  std::vector<std::vector<RegionKernels>> bodies;  // by step
};

// Refuses kernels that the table lacks or this processor cannot run, parameters of another size, steps in place whose
// kernel does not allow it, and tensors in memory that the kernel cannot reach. `on_host`: the region runs on the host,
// where memory is one.
Result<RegionKernels> find_kernels(const plan::Region& region, const KernelTable& table,
                                   uint32_t cpu_features, bool on_host);

// One step at one shape. Shapes that do not differ for a step share it.
struct PreparedStep {
  std::vector<uint64_t> params;  // with dims filled in; 8-byte aligned
  std::vector<Arg> args;         // inputs, then outputs; without data
  Prepared prepared;
};

// Where an argument's data is to be found once it is known.
struct ArgSource {
  uint32_t arg;
  plan::ValueKind kind;
  Place place;
  uint32_t index;
  uint64_t offset;  // arena
};

// Addresses that change between runs.
struct Addresses {
  std::byte* arena = nullptr;
  std::byte* host_arena = nullptr;
  void* scratch = nullptr;
  void* host_scratch = nullptr;
  std::span<void*const> weights, inputs, outputs;  // by index
  TextArena* texts = nullptr;
  std::span<void* const> found;  // by value of the region, of those whose memory is taken in the run
};

class PreparedRegion {
 public:
  std::vector<std::shared_ptr<PreparedStep>> steps;
  uint64_t scratch_bytes = 0, host_scratch_bytes = 0;  // the most that a step needs, by the kernel's place

  // Writes addresses into the arguments of every launch; must precede launches whenever one has changed.
  void bind(const Addresses& addresses);

  struct Launch {
    const Kernel* kernel;  // null: the step runs regions
    LaunchCall call;
  };
  std::vector<Launch> launches;  // by step, from the first that was prepared

  // What the steps write into memory that is taken in the run.
  struct Found {
    uint32_t value;
    Place place;
    uint64_t bytes;
  };
  std::vector<Found> found;

 private:
  friend class RegionPreparation;
  [[no_unique_address]] Live<LiveType::prepared_shape> live_;
  std::vector<Arg> args_;
  std::vector<ArgSource> sources_;
};

struct PrepareOptions {
  int threads = 1;
  Limits limits;
  DeviceSession* session = nullptr;  // of a device that is not the host
  // Ranges of the symbols, which say what dims are the same at every shape; empty: those that are constant.
  std::span<const plan::Range> ranges;
  // Bytes of the region's inputs and outputs at this shape, by index.
  std::span<const int64_t> inputs, outputs;
  // The same steps at another shape, to share them with; may be null.
  const PreparedRegion* other = nullptr;
  // The steps from `first` up to `end`, at sizes that may be known of those alone.
  uint32_t first = 0, end = UINT32_MAX;
  // The session only hears what code the steps need: what is prepared cannot run.
  bool collecting = false;
  // Whether the bodies of steps that run regions are prepared too, as a check: nothing of it is kept.
  bool bodies = false;
};

// Checks that every value fits its memory at this shape, and lets every kernel check and plan its step.
Result<std::unique_ptr<PreparedRegion>> prepare_region(const plan::Plan& plan, const plan::Region& region,
                                                       const RegionKernels& kernels, const DimValues& dims,
                                                       const PrepareOptions& options);

// What a loop carries is of one type and as many bytes before as behind it.
Status check_carried(const plan::Step& step, std::span<const Arg> inputs, std::span<const Arg> outputs);

// Whether the bodies of a step run at these dims for sure: of a loop that has iterations.
bool must_run(const plan::Step& step, const DimValues& dims);

// Bytes of the inputs, then the outputs, of a step's body for the step's tensors; -1 where the body finds them. Refuses dims
// that are others than the tensors', and workspaces that are too small.
Result<std::vector<int64_t>> body_bytes(const plan::Plan& plan, const plan::Step& step, size_t body, std::span<const Arg> inputs,
                                        std::span<const Arg> outputs, const DimValues& dims);
// The workspace of a loop: the body's arena, then the second copy of each carried value, then a slice of each scan output.
struct LoopWorkspace {
  std::vector<uint64_t> carried, slices;  // offsets
};
// Refuses workspaces that are too small.
Result<LoopWorkspace> loop_workspace(const plan::Step& step, std::span<const Arg> outputs, std::span<const int64_t> slice_bytes);

// "in step 'conv1+relu1' (kernel conv.direct.f32.avx512), which computes Conv 'conv1', Relu 'relu1'". `within`: what stands
// before the step's name.
std::string step_text(const plan::Plan& plan, const plan::Step& step, std::string_view within = {});

}  // namespace tenon
