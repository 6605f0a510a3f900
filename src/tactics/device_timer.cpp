#include <algorithm>

#include "base/half.h"
#include "tactics/timer.h"

namespace tenon {
namespace {

constexpr int64_t kPattern = 1 << 18;      // bytes of random values that fill memory again and again
constexpr int64_t kColdBytes = 256 << 20;  // that copies of weights cover: more than any device's cache
constexpr int kMostCopies = 16;
constexpr int kFirstRuns = 3;
constexpr int kMostRuns = 40;
constexpr double kBudget = 2e3;            // microseconds of runs for one candidate, beyond the first

// Random values in (-1, 1) of a float type; zeros of the others, which are valid indices.
std::vector<std::byte> pattern_of(DType type) {
  std::vector<std::byte> out(kPattern);
  uint32_t state = 12345;
  auto next = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int32_t>(state)) * (1.0f / 2147483648.0f);
  };
  auto fill = [&]<class T>(T (*convert)(float)) {
    for (size_t i = 0; i + sizeof(T) <= out.size(); i += sizeof(T)) {
      const T value = convert(next());
      std::memcpy(out.data() + i, &value, sizeof value);
    }
  };
  switch (type) {
    case DType::f32: fill(+[](float x) { return x; }); break;
    case DType::f64: fill(+[](float x) { return static_cast<double>(x); }); break;
    case DType::f16: fill(+[](float x) { return float_to_half(x); }); break;
    case DType::bf16: fill(+[](float x) { return float_to_bfloat(x); }); break;
    default: break;
  }
  return out;
}

class DeviceTimer final : public Timer {
 public:
  DeviceTimer(const KernelTable& kernels, const Device& device, DeviceSession& session, std::unique_ptr<Stream> stream)
      : kernels_(kernels), device_(device), session_(session), stream_(std::move(stream)) {}

  std::string_view name() const override { return "device"; }

  Result<Timing> time(const Trial& trial, double limit) override {
    const Kernel* kernel = kernels_.find(trial.kernel);
    if (!kernel) return fail(Code::internal, "there is no kernel {}", trial.kernel);
    if (kernel->place != Place::device)
      return fail(Code::internal, "kernel {} runs on the host: it is not timed on a device", trial.kernel);
    Launches launches(*kernel, trial);
    PrepareCall call{launches.trial.params, launches.trial.inputs, launches.trial.outputs, 1, &session_};
    TN_TRY(prepare_kernel(*kernel, call, launches.prepared));
    TN_TRY(bind(launches));
    TN_ASSIGN(std::vector<double> first, stream_->measure(launches, kFirstRuns));
    const double quickest = *std::min_element(first.begin(), first.end());
    if (quickest > limit) return Timing{Timing::Kind::censored, limit};
    const int runs = std::clamp(static_cast<int>(kBudget / std::max(quickest, 1.0)), kFirstRuns, kMostRuns);
    TN_ASSIGN(std::vector<double> times, stream_->measure(launches, runs));
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
    return Timing{Timing::Kind::measured, times[times.size() / 2]};
  }

 private:
  // One launch an execution; each reads the next copy of the weights.
  struct Launches final : Work {
    Launches(const Kernel& k, const Trial& t) : kernel(k), trial(t) {}
    Status execute(const Lane& lane) override {
      for (auto& [input, copies] : rotated)
        trial.inputs[input].data = copies[static_cast<size_t>(count) % copies.size()];
      ++count;
      LaunchCall call{trial.params, trial.inputs, trial.outputs, scratch, prepared.state.get(), lane.team, lane.queue};
      return kernel.launch(call);
    }
    const Kernel& kernel;
    Trial trial;
    Prepared prepared;
    std::vector<Block> memory;
    std::vector<std::pair<size_t, std::vector<void*>>> rotated;
    void* scratch = nullptr;
    int64_t count = 0;
  };

  Status bind(Launches& out) {
    int64_t weights = 0;
    for (size_t i = 0; i < out.trial.inputs.size(); ++i)
      if (out.trial.inputs[i].present() && out.trial.is_static[i]) weights += storage_bytes(out.trial.inputs[i]);
    const int64_t copies = std::clamp<int64_t>(weights ? 1 + kColdBytes / weights : 1, 1, kMostCopies);
    for (size_t i = 0; i < out.trial.inputs.size(); ++i) {
      Arg& arg = out.trial.inputs[i];
      if (!arg.present()) continue;
      std::vector<void*> addresses;
      for (int64_t copy = 0; copy < (out.trial.is_static[i] ? copies : 1); ++copy) {
        TN_ASSIGN(void* data, filled(arg, out.memory));
        addresses.push_back(data);
      }
      arg.data = addresses[0];
      if (addresses.size() > 1) out.rotated.emplace_back(i, std::move(addresses));
    }
    for (Arg& arg : out.trial.outputs) {
      TN_ASSIGN(arg.data, filled(arg, out.memory));
    }
    TN_ASSIGN(Block scratch, allocate(out.prepared.scratch_bytes));
    out.scratch = scratch.data();
    out.memory.push_back(std::move(scratch));
    return {};
  }

  Result<Block> allocate(int64_t bytes) const {
    return device_.allocate(default_allocator(), static_cast<uint64_t>(std::max<int64_t>(bytes, 1)),
                            "memory to time a kernel");
  }

  Result<void*> filled(const Arg& arg, std::vector<Block>& memory) {
    const int64_t bytes = storage_bytes(arg);
    TN_ASSIGN(Block block, allocate(bytes));
    std::vector<std::byte>& pattern = patterns_[arg.dtype];
    if (pattern.empty()) pattern = pattern_of(arg.dtype);
    for (int64_t done = 0; done < bytes;) {
      const int64_t part = done == 0 ? std::min(bytes, kPattern) : std::min(done, bytes - done);
      const void* from = done == 0 ? static_cast<const void*>(pattern.data()) : block.data();
      TN_TRY(device_.copy(block.data() + done, from, static_cast<uint64_t>(part), Direction::to_device));
      done += part;
    }
    memory.push_back(std::move(block));
    return static_cast<void*>(memory.back().data());
  }

  const KernelTable& kernels_;
  const Device& device_;
  DeviceSession& session_;
  std::unique_ptr<Stream> stream_;
  std::map<DType, std::vector<std::byte>> patterns_;
};

}  // namespace

Result<std::unique_ptr<Timer>> make_device_timer(const KernelTable& kernels, const Device& device,
                                                 DeviceSession& session) {
  TN_ASSIGN(std::unique_ptr<Stream> stream, device.create_stream(1));
  return std::unique_ptr<Timer>(std::make_unique<DeviceTimer>(kernels, device, session, std::move(stream)));
}

}  // namespace tenon
