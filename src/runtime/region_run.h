// A region of an execution context at one shape: its steps prepared, bound and launched, piece by piece where a run finds
// sizes; and the regions that its steps run.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "runtime/engine_impl.h"

namespace tenon {

using KnownSymbols = std::vector<std::optional<int64_t>>;

// What the regions of one context share.
class RunSetting {
 public:
  RunSetting(EngineImpl& engine, const plan::Profile& profile) : engine(engine), plan(engine.plan()), profile(profile) {}

  EngineImpl& engine;
  const plan::Plan& plan;
  const plan::Profile& profile;
  Stream* stream = nullptr;
  std::span<void* const> weights;
  TextArena* texts = nullptr;                 // where the bytes of strings go that this run makes
  std::function<void()> before_memory_goes;   // nothing may hold the address of the old one

  bool on_host() const { return engine.on_host(); }
  Status grow_scratch(uint64_t bytes, uint64_t host_bytes);
  void* scratch() const { return scratch_.data(); }
  void* host_scratch() const { return host_scratch_.data(); }
  // Memory for what the steps of a part of `region` write whose size no plan knew; addresses by value of the region.
  Status take_found(const plan::Region& region, const PreparedRegion& part);
  std::span<void* const> found(const plan::Region& region) const;
  // Counts the changes of memory: what was bound before one is bound anew.
  uint64_t memory_version() const { return memory_version_; }

  // Host steps on another device fail on the driver's thread, which has nobody to tell.
  void keep_failure(Error error);
  Status take_failure();

 private:
  struct FoundMemory {
    std::vector<Block> blocks;  // by value of the region
    std::vector<void*> addresses;
  };
  void let_go();

  Block scratch_, host_scratch_;
  std::map<const plan::Region*, FoundMemory> found_;
  uint64_t found_bytes_ = 0, memory_version_ = 0;
  std::mutex failure_mutex_;
  Status failure_;
};

// Where a region's steps stand: in an iteration of a loop, in a branch. For messages.
struct Within {
  const Within* around;
  std::string_view step;
  int64_t iteration;      // of a loop
  std::string_view part;  // of a branch
};

class RegionRun;

// What stands for a step that runs regions.
class ControlRun {
 public:
  ControlRun(RunSetting& setting, const plan::Step& step, const std::vector<RegionKernels>& kernels);
  ~ControlRun();

  // Prepares the bodies for the step's tensors.
  Status prepare(const KnownSymbols& symbols, const LaunchCall& call, const ControlRun* other);
  // The most that a body needs.
  uint64_t scratch_bytes() const;
  uint64_t host_scratch_bytes() const;
  Status launch(const LaunchCall& call, const Lane& lane, const KnownSymbols& known, const Within* around);

 private:
  struct Body {
    std::unique_ptr<RegionRun> run;
    std::vector<int64_t> bytes;       // of its inputs, then its outputs
    std::vector<void*> inputs, outputs;
    Status prepared;                  // a failure is told when the body is to run
  };
  Status prepare_body(size_t body, const KnownSymbols& symbols, const LaunchCall& call, const ControlRun* other);
  Status launch_loop(const LaunchCall& call, const Lane& lane, int64_t trips, const Within* around);
  Status launch_branch(const LaunchCall& call, const Lane& lane, size_t taken, const Within* around);
  Status tell_sizes(const LaunchCall& call, const Lane& lane, std::span<const int64_t> sizes);
  Status copy(void* to, const void* from, int64_t bytes, const Lane& lane) const;
  size_t computed() const { return step_.outputs.size() - 2 - !step_.found.empty(); }

  RunSetting& setting_;
  const plan::Step& step_;
  std::vector<Body> bodies_;
  std::vector<int64_t> room_;  // bytes of what the step computes
  LoopWorkspace workspace_;
};

// Thread rule: its context's.
class RegionRun {
 public:
  // Fills in the bytes of tensors at the boundary that were not known, -1, and now are.
  using Measure = std::function<Status(const DimValues& dims, std::vector<int64_t>& bytes)>;
  RegionRun(RunSetting& setting, const plan::Region& region, const RegionKernels& kernels, bool is_body, Measure measure);

  // For the symbols' values; those that the region finds are not among them. `bytes`: of its inputs, then its outputs, -1
  // where it finds them. `other`: the same region at another shape, to share steps with; may be null. `ready`: its first
  // steps, prepared for these symbols; may be null.
  Status prepare(const KnownSymbols& symbols, std::vector<int64_t> bytes, size_t inputs, const RegionRun* other,
                 std::unique_ptr<PreparedRegion> ready = nullptr);
  uint64_t scratch_bytes() const;
  uint64_t host_scratch_bytes() const;

  // Addresses of runs to come. The spans stay the caller's.
  void bind(std::byte* arena, std::byte* host_arena, std::span<void* const> inputs, std::span<void* const> outputs);
  // Before launches that follow a bind are recorded.
  Status bind_first();
  // Before launches that were recorded are replayed: the setting's arena of strings is another.
  void use_texts();

  using Sink = std::function<void(const plan::Step& step, double microseconds)>;
  // `sink`, on the host: hears of each step.
  Status launch(const Lane& lane, const Within* within, const Sink* sink);
  // On a device that is not the host: each step measured by it.
  Status launch_measured(const Sink& sink);
  // The symbols' values with those that the last launch found.
  const KnownSymbols& found() const { return found_; }

 private:
  // A host step among those of another device: what the device's driver calls.
  struct HostCall {
    RunSetting* setting = nullptr;
    PreparedRegion::Launch* launch = nullptr;
    const plan::Step* step = nullptr;
  };
  // The same of a body, whose addresses may be others when it is its turn.
  struct OwnHostCall;
  // Steps up to one that finds sizes, which the steps behind it are prepared for.
  struct Segment {
    uint32_t begin = 0, end = 0;
    std::vector<bool> relevant;              // by symbol: its steps depend on it
    KnownSymbols symbols;                    // that it is prepared for
    bool prepared = false;                   // all of it
    std::unique_ptr<PreparedRegion> region;  // null: never prepared
    std::vector<HostCall> host_calls;        // by launch; empty on the host
    bool bound = false;                      // its launches hold the region's addresses, and memory of that version
    uint64_t memory_version = 0;
  };

  std::vector<bool> relevant_symbols(uint32_t begin, uint32_t end) const;
  bool is_prepared(const Segment& segment, const KnownSymbols& symbols) const;
  bool is_bound(const Segment& segment) const { return segment.bound && segment.memory_version == setting_.memory_version(); }
  Status prepare_segment(Segment& segment, const KnownSymbols& symbols, std::span<const int64_t> bytes, const RegionRun* other,
                         std::unique_ptr<PreparedRegion> ready = nullptr);
  Status start_segment(Segment& segment);
  Status bind_segment(Segment& segment);
  Status launch_step(Segment& segment, size_t index, const Lane& lane, const Within* within);
  Status queue_host_step(Segment& segment, size_t index, const Lane& lane, const Within* within);
  Status find_sizes(const Segment& segment, const Lane& lane, const Within* within);
  static void run_host_step(void* host_call);
  static void run_own_host_step(void* host_call);
  static Status run_on_team(RunSetting& setting, const Kernel& kernel, LaunchCall& call);

  RunSetting& setting_;
  const plan::Region& region_;
  const RegionKernels& kernels_;
  const bool is_body_;
  const Measure measure_;
  std::vector<Segment> segments_;  // one, unless the region finds sizes
  std::map<uint32_t, std::unique_ptr<ControlRun>> controls_;  // by step
  KnownSymbols symbols_, found_;
  std::vector<int64_t> bytes_;
  size_t input_count_ = 0;
  std::byte *arena_ = nullptr, *host_arena_ = nullptr;
  std::span<void* const> inputs_, outputs_;
};

}  // namespace tenon
