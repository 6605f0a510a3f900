#include "tactics/timer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

#include "base/allocator.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace tenon {
namespace {

// Microseconds. A kernel on one thread is timed by that thread's processor time, which other programs do not
// disturb.
double now(int threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

// Puts memory out of every cache, on x86.
void evict([[maybe_unused]] const std::byte* data, [[maybe_unused]] int64_t bytes) {
#if defined(__x86_64__)
  for (int64_t line = 0; line < bytes; line += 64) _mm_clflush(data + line);
  _mm_mfence();
#endif
}

// Values that no kernel finds easy: f32 in (-1, 1), never denormal; everything else zero, which is a valid
// index.
void fill(std::byte* data, const Arg& arg, uint32_t seed) {
  int64_t bytes = storage_bytes(arg);
  if (arg.dtype != DType::f32 && arg.dtype != DType::u8) {
    std::memset(data, 0, static_cast<size_t>(bytes));
    return;
  }
  float* values = reinterpret_cast<float*>(data);
  uint32_t state = seed * 2654435761u + 1;
  for (int64_t i = 0; i < bytes / 4; ++i) {
    state = state * 1664525u + 1013904223u;
    values[i] = static_cast<float>(static_cast<int32_t>(state)) * (1.0f / 2147483648.0f);
  }
}

Result<const Kernel*> find_kernel(const KernelTable& kernels, const Trial& trial) {
  const Kernel* kernel = kernels.find(trial.kernel);
  if (!kernel) return fail(Code::internal, "there is no kernel {}", trial.kernel);
  if (kernel->params_size != trial.params.size())
    return fail(Code::internal, "{} takes {} bytes of parameters, not {}", trial.kernel, kernel->params_size,
                trial.params.size());
  if (kernel->cpu_features & ~cpu_features())
    return fail(Code::unsupported, "{} needs {}", trial.kernel, cpu_feature_names(kernel->cpu_features));
  return kernel;
}

class RealTimer : public Timer {
 public:
  RealTimer(const KernelTable& kernels, std::unique_ptr<Team> team, Weights weights)
      : kernels_(kernels), team_(std::move(team)), weights_(weights) {
    for (int i = 0; i < 32; ++i) {
      const double begin = now(team_->size());
      clock_cost_ = std::min(clock_cost_, now(team_->size()) - begin);
    }
  }

  std::string_view name() const override { return weights_ == Weights::in_memory ? "real, weights in memory" : "real"; }

  Result<Timing> time(const Trial& trial, double limit) override {
    TN_ASSIGN(const Kernel* kernel, find_kernel(kernels_, trial));
    Trial bound = trial;
    Prepared prepared;
    TN_TRY(kernel->prepare({bound.params, bound.inputs, bound.outputs, team_->size()}, prepared));
    std::vector<Block> memory;
    rotations_.clear();
    evicted_.clear();
    TN_TRY(bind_inputs(bound, memory));
    TN_TRY(bind_outputs(bound.outputs, memory));
    TN_ASSIGN(Block scratch, allocate(prepared.scratch_bytes));
    LaunchCall call{bound.params,   bound.inputs,         bound.outputs,
                    scratch.data(), prepared.state.get(), team_.get()};
    return measure(*kernel, call, bound, limit);
  }

 private:
  static constexpr int kRuns = 7;               // of a candidate whose times agree
  static constexpr int kMostRuns = 3 * kRuns;   // of one whose times do not
  static constexpr double kBudget = 60e3;       // microseconds for one candidate, beyond its first run
  static constexpr double kWhole = 300e3;       // the same with what places weights
  static constexpr double kLeast = 0.01;        // microseconds that nothing is quicker than
  static constexpr double kBetweenLooks = 5;    // microseconds, against which what a look at the clock costs is little
  static constexpr int kMostBetweenLooks = 32;  // launches
  static constexpr int64_t kRotated = 4 << 20;       // bytes that rotating a weight among copies sweeps
  static constexpr int64_t kStaysInCache = 64 << 10;  // bytes of a weight that is not rotated

  struct Rotation {
    size_t input;
    std::vector<std::byte*> copies;
  };

  // As the runtime allocates its own: large blocks in huge pages.
  static Result<Block> allocate(int64_t bytes) {
    return Block::allocate(default_allocator(), static_cast<uint64_t>(std::max<int64_t>(bytes, 1)), "timing a kernel");
  }

  Status bind_inputs(Trial& trial, std::vector<Block>& memory) {
    for (size_t i = 0; i < trial.inputs.size(); ++i) {
      Arg& arg = trial.inputs[i];
      if (!arg.present()) continue;
      const int64_t bytes = storage_bytes(arg);
      const bool from_cache = weights_ == Weights::in_cache && arg.dtype == DType::u8 && bytes > kStaysInCache;
      const int64_t copies = from_cache ? std::min<int64_t>(8, 1 + kRotated / bytes) : 1;
      Rotation rotation{i, {}};
      for (int64_t copy = 0; copy < copies; ++copy) {
        TN_ASSIGN(Block block, allocate(bytes));
        fill(block.data(), arg, static_cast<uint32_t>(i + 1));
        rotation.copies.push_back(block.data());
        memory.push_back(std::move(block));
      }
      arg.data = rotation.copies[0];
      if (copies > 1) rotations_.push_back(std::move(rotation));
      if (weights_ == Weights::in_memory && i < trial.is_static.size() && trial.is_static[i])
        evicted_.emplace_back(memory.back().data(), bytes);
    }
    return {};
  }

  Status bind_outputs(std::vector<Arg>& outputs, std::vector<Block>& memory) {
    for (Arg& arg : outputs) {
      TN_ASSIGN(Block block, allocate(storage_bytes(arg)));
      arg.data = block.data();
      memory.push_back(std::move(block));
    }
    return {};
  }

  void place_weights(Trial& bound, int run) const {
    for (const Rotation& rotation : rotations_)
      bound.inputs[rotation.input].data = rotation.copies[static_cast<size_t>(run) % rotation.copies.size()];
    for (const auto& [data, bytes] : evicted_) evict(data, bytes);
  }

  Result<Timing> measure(const Kernel& kernel, LaunchCall& call, Trial& bound, double limit) {
    const int threads = team_->size();
    Team::Session session(*team_);
    double begin = now(threads);
    TN_TRY(kernel.launch(call));
    double first = now(threads) - begin;
    // The first run also pays for page faults: only one that is far above the limit ends the trial.
    if (first > 4 * limit + 2000) return Timing{Timing::Kind::censored, limit};
    std::vector<double> times;
    times.reserve(kMostRuns);  // however many there will be: what is allocated does not depend on time
    const double started = now(threads);
    int launches = 1;
    if (rotations_.empty() && evicted_.empty() && first < 20 * kBetweenLooks) {
      TN_TRY(kernel.launch(call));
      const double warm = std::max(now(threads) - started - clock_cost_, kLeast);
      launches = static_cast<int>(std::clamp<double>(kBetweenLooks / warm, 1, kMostBetweenLooks));
    }
    double spent = 0;
    for (int run = 0; run < kMostRuns && (run < 4 || (spent < kBudget && now(threads) - started < kWhole)); ++run) {
      if (run >= kRuns && agree(times)) break;
      place_weights(bound, run);
      begin = now(threads);
      for (int launch = 0; launch < launches; ++launch) TN_TRY(kernel.launch(call));
      const double took = now(threads) - begin;
      spent += took;
      times.push_back(std::max((took - clock_cost_) / launches, kLeast));
      if (run >= 1 && *std::min_element(times.begin(), times.end()) > 1.5 * limit)
        return Timing{Timing::Kind::censored, limit};
    }
    return Timing{Timing::Kind::measured, lower_quartile(times)};
  }

  // What disturbs a run only ever makes it longer.
  static double lower_quartile(std::vector<double>& times) {
    const auto quartile = times.begin() + static_cast<ptrdiff_t>(times.size() / 4);
    std::nth_element(times.begin(), quartile, times.end());
    return *quartile;
  }

  static bool agree(std::vector<double>& times) {
    return lower_quartile(times) <= 1.03 * *std::min_element(times.begin(), times.end());
  }

  const KernelTable& kernels_;
  std::unique_ptr<Team> team_;
  Weights weights_;
  std::vector<Rotation> rotations_;                            // weights in the last-level cache
  std::vector<std::pair<const std::byte*, int64_t>> evicted_;  // those in memory
  double clock_cost_ = 1;  // microseconds between two looks at the clock, which differs with the number of threads
};

constexpr std::string_view kShuffled = "shuffled:";

// The number behind "shuffled:".
std::optional<uint64_t> seed_of(std::string_view name) {
  if (!name.starts_with(kShuffled)) return {};
  name.remove_prefix(kShuffled.size());
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), seed);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(seed) : std::nullopt;
}

class FakeTimer : public Timer {
 public:
  FakeTimer(const KernelTable& kernels, int threads, DeviceSession* session, std::string_view name)
      : kernels_(kernels), threads_(threads), session_(session), name_(name), seed_(seed_of(name)) {}

  std::string_view name() const override { return name_; }

  Result<Timing> time(const Trial& trial, double) override {
    TN_ASSIGN(const Kernel* kernel, find_kernel(kernels_, trial));
    Prepared prepared;
    TN_TRY(prepare_kernel(*kernel, {trial.params, trial.inputs, trial.outputs, threads_, session_}, prepared));
    const double slower = trial.kernel.find(".reference") != std::string::npos ? 100 : 1;
    if (seed_) return Timing{Timing::Kind::measured, shuffled() * slower};
    double bytes = 0;
    for (const Arg& arg : trial.inputs) bytes += arg.present() ? static_cast<double>(storage_bytes(arg)) : 0;
    for (const Arg& arg : trial.outputs) bytes += static_cast<double>(storage_bytes(arg));
    return Timing{Timing::Kind::measured, (1 + bytes / 4096) * slower};
  }

 private:
  // 1 to 64 microseconds, evenly in the logarithm, from the seed and how many were asked for before.
  // The mixing steps are those of Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014).
  double shuffled() {
    uint64_t z = (*seed_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return std::exp2(6.0 * static_cast<double>((z ^ (z >> 31)) >> 11) / 0x1p53);
  }

  const KernelTable& kernels_;
  int threads_;
  DeviceSession* session_;
  std::string name_;
  std::optional<uint64_t> seed_;  // changes with every time
};

}  // namespace

bool is_timer(std::string_view name) { return name == "real" || name == "fake" || seed_of(name).has_value(); }

Result<std::unique_ptr<Timer>> make_real_timer(const KernelTable& kernels, int threads, Weights weights) {
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(threads));
#if !defined(__x86_64__)
  weights = Weights::in_cache;  // nothing here puts memory out of the caches
#endif
  return std::unique_ptr<Timer>(std::make_unique<RealTimer>(kernels, std::move(team), weights));
}

std::unique_ptr<Timer> make_fake_timer(const KernelTable& kernels, int threads, DeviceSession* session,
                                       std::string_view name) {
  return std::make_unique<FakeTimer>(kernels, threads, session, name);
}

}  // namespace tenon
