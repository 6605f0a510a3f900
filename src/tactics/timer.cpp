#include "tactics/timer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <map>
#include <tuple>
#include <utility>

#include "base/allocator.h"
#include "base/checked.h"

namespace tenon {
namespace {

// Microseconds. A kernel on one thread is timed by that thread's processor time, which other programs do not
// disturb.
double now(int threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

// Values that no kernel finds easy: f32 in (-1, 1), never denormal; of other types zero, which is a valid index.
void fill(std::byte* data, int64_t bytes, DType dtype, uint32_t seed) {
  if (dtype != DType::f32 && dtype != DType::u8) {
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

// As the runtime allocates its own: large blocks in huge pages.
Result<Block> allocate(int64_t bytes) {
  return Block::allocate(default_allocator(), static_cast<uint64_t>(std::max<int64_t>(bytes, 1)), "timing a kernel");
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

// What disturbs a run only ever makes it longer.
double lower_quartile(std::vector<double> times) {
  const auto quartile = times.begin() + static_cast<ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), quartile, times.end());
  return *quartile;
}

// Constants of a network, handed out piece by piece: what comes next was read last when as much had been read as a run of the
// network reads.
class WeightStream {
 public:
  explicit WeightStream(int64_t bytes) : bytes_(bytes) {}

  // Makes sure of room for the pieces of a run, `bytes` in all; none may be in use. Where there is too little memory, the stream is
  // shorter.
  Status hold(int64_t bytes) {
    if (bytes == 0 || std::max(bytes_, bytes) <= size_) return {};
    memory_ = Block();
    size_ = 0;
    bytes_ = std::max(bytes_, bytes);
    auto memory = allocate(bytes_);
    for (; !memory && bytes_ > bytes; memory = allocate(bytes_)) bytes_ = std::max(bytes_ / 2, bytes);
    if (!memory) return tl::unexpected(memory.error());
    memory_ = std::move(*memory);
    size_ = bytes_, at_ = 0;
    fill(memory_.data(), size_, DType::f32, 1);
    return {};
  }

  // What a piece takes of the stream.
  static int64_t room(int64_t bytes) { return round_up(bytes, kLine); }
  std::byte* next(int64_t bytes) {
    if (at_ + room(bytes) > size_) at_ = 0;
    return memory_.data() + std::exchange(at_, at_ + room(bytes));
  }

 private:
  static constexpr int64_t kLine = 64;

  int64_t bytes_, size_ = 0, at_ = 0;
  Block memory_;
};

// What several trials of one node read and write, one after the other: buffers that are large enough for each.
class Buffers {
 public:
  enum class Use { input, output, scratch };

  void want(Use use, size_t index, DType dtype, int64_t bytes) {
    int64_t& most = buffers_[{use, index, dtype}].bytes;
    most = std::max(most, bytes);
  }
  Status make() {
    for (auto& [key, buffer] : buffers_) {
      const auto& [use, index, dtype] = key;
      TN_ASSIGN(buffer.memory, allocate(buffer.bytes));
      if (use == Use::input) fill(buffer.memory.data(), buffer.bytes, dtype, static_cast<uint32_t>(index + 1));
    }
    return {};
  }
  std::byte* at(Use use, size_t index, DType dtype) const { return buffers_.at({use, index, dtype}).memory.data(); }

 private:
  struct Buffer {
    int64_t bytes = 0;
    Block memory;
  };
  std::map<std::tuple<Use, size_t, DType>, Buffer> buffers_;
};

// Whether the machine is as quick as it mostly is: other programs, or other guests of a host, slow a processor down for a while, and
// then kernels compare differently.
class Calm {
 public:
  explicit Calm(Team& team) : team_(team) {}

  Status begin() {
    TN_ASSIGN(memory_, allocate(team_.size() * kFloats * 4));
    fill(memory_.data(), team_.size() * kFloats * 4, DType::f32, 1);
    probes_.reserve(kKept);
    for (int i = 0; i < kFirst; ++i) (void)is_calm();
    return {};
  }

  bool is_calm() {
    const double now = probe();
    if (probes_.size() < kKept)
      probes_.push_back(now);
    else
      probes_[next_++ % kKept] = now;
    return now <= kDisturbed * lower_quartile(probes_);
  }

 private:
  static constexpr int kFirst = 8;
  static constexpr size_t kKept = 64;                      // probes, the last ones
  static constexpr int64_t kFloats = 4 << 10, kSums = 64;  // of a thread: 16 KiB, which a first-level cache holds
  static constexpr int kPasses = 40;                       // over them: some 20 microseconds
  static constexpr double kDisturbed = 1.1;

  // Microseconds that the same sums take on all threads at once: enough of them to keep a processor busy, which may be half of one.
  double probe() {
    sum(1);  // from wherever the values are
    const double begin = now(team_.size());
    sum(kPasses);
    return now(team_.size()) - begin;
  }

  void sum(int passes) {
    team_.parallel_for(team_.size(), [this, passes](int64_t, int64_t, int member) {
      const float* from = reinterpret_cast<const float*>(memory_.data()) + member * kFloats;
      float sums[kSums] = {};
      for (int pass = 0; pass < passes; ++pass)
        for (int64_t at = 0; at < kFloats; at += kSums)
          for (int64_t i = 0; i < kSums; ++i) sums[i] = sums[i] * 0.5f + from[at + i];
      [[maybe_unused]] volatile float kept = *std::max_element(sums, sums + kSums);
    });
  }

  Team& team_;
  Block memory_;
  std::vector<double> probes_;
  size_t next_ = 0;
};

// A trial with memory.
struct Bound {
  const Kernel* kernel = nullptr;
  Trial trial;
  Prepared prepared;
  std::byte* scratch = nullptr;
  std::vector<size_t> streamed;  // inputs that lie elsewhere in each run
  int launches = 1;              // between two looks at the clock
};

class RealTimer : public Timer {
 public:
  RealTimer(const KernelTable& kernels, std::unique_ptr<Team> team, Weights weights)
      : kernels_(kernels), team_(std::move(team)), level_(weights.level), weights_(weights.bytes), calm_(*team_) {
    for (int i = 0; i < 32; ++i) {
      const double begin = now(team_->size());
      clock_cost_ = std::min(clock_cost_, now(team_->size()) - begin);
    }
  }

  Status begin() { return calm_.begin(); }

  std::string_view name() const override {
    return level_ == Weights::Level::memory ? "real, weights in memory" : level_ == Weights::Level::last ? "real" : "real, weights near";
  }

  Result<Timing> time(const Trial& trial, double limit) override {
    Buffers buffers;
    TN_ASSIGN(std::vector<Bound> bound, bind({&trial, 1}, buffers));
    Team::Session session(*team_);
    TN_ASSIGN(const double first, warm_up(bound[0]));
    // The first run also pays for page faults: only one that is far above the limit ends the trial.
    if (first > 4 * limit + 2000) return Timing{Timing::Kind::censored, limit};
    std::vector<double> times;
    times.reserve(kMostRuns);  // however many there will be: what is allocated does not depend on time
    double spent = 0;
    for (int run = 0; run < kMostRuns && (run < kFewRuns || spent < kBudget); ++run) {
      if (run >= kRuns && agree(times)) break;
      TN_ASSIGN(const double took, run_once(bound[0]));
      spent += took * bound[0].launches;
      times.push_back(took);
      if (run >= 1 && *std::min_element(times.begin(), times.end()) > 1.5 * limit)
        return Timing{Timing::Kind::censored, limit};
    }
    return Timing{Timing::Kind::measured, lower_quartile(times)};
  }

  // A run of each trial is a turn; each turn begins with another one. Of turns in which the machine is disturbed some do not count.
  Result<std::vector<std::vector<double>>> turns(std::span<const Trial> trials, int count,
                                                 const std::function<bool()>& stop) override {
    Buffers buffers;
    TN_ASSIGN(std::vector<Bound> bound, bind(trials, buffers));
    Team::Session session(*team_);
    for (Bound& each : bound) {
      if (stop()) return std::vector<std::vector<double>>();
      TN_TRY(warm_up(each));
    }
    std::vector<std::vector<double>> out;
    int disturbed = 0;
    for (int turn = 0; turn < count && !stop();) {
      const bool calm = calm_.is_calm();
      std::vector<double> times(bound.size());
      for (size_t i = 0; i < bound.size(); ++i) {
        const size_t which = (i + static_cast<size_t>(turn)) % bound.size();
        TN_ASSIGN(times[which], run_once(bound[which]));
      }
      if (!(calm && calm_.is_calm()) && ++disturbed <= count) continue;
      out.push_back(std::move(times));
      ++turn;
    }
    return out;
  }

 private:
  static constexpr int kRuns = 7;               // of a candidate whose times agree
  static constexpr int kMostRuns = 3 * kRuns;   // of one whose times do not
  static constexpr int kFewRuns = 4;            // however long they take
  static constexpr double kBudget = 60e3;       // microseconds for one candidate, beyond its first run
  static constexpr double kLeast = 0.01;        // microseconds that nothing is quicker than
  static constexpr double kBetweenLooks = 5;    // microseconds, against which what a look at the clock costs is little
  static constexpr int kMostBetweenLooks = 32;  // launches

  Result<std::vector<Bound>> bind(std::span<const Trial> trials, Buffers& buffers) {
    using Use = Buffers::Use;
    std::vector<Bound> out(trials.size());
    for (size_t t = 0; t < trials.size(); ++t) {
      Bound& bound = out[t];
      bound.trial = trials[t];
      Trial& trial = bound.trial;
      TN_ASSIGN(bound.kernel, find_kernel(kernels_, trial));
      TN_TRY(bound.kernel->prepare({trial.params, trial.inputs, trial.outputs, team_->size()}, bound.prepared));
      int64_t streamed = 0;
      for (size_t i = 0; i < trial.inputs.size(); ++i) {
        const Arg& arg = trial.inputs[i];
        if (!arg.present()) continue;
        if (is_streamed(trial, i)) {
          bound.streamed.push_back(i);
          streamed += WeightStream::room(storage_bytes(arg));
        } else {
          buffers.want(Use::input, i, arg.dtype, storage_bytes(arg));
        }
      }
      TN_TRY(weights_.hold(streamed));
      for (size_t i = 0; i < trial.outputs.size(); ++i) buffers.want(Use::output, i, DType::none, storage_bytes(trial.outputs[i]));
      buffers.want(Use::scratch, 0, DType::none, bound.prepared.scratch_bytes);
    }
    TN_TRY(buffers.make());
    for (Bound& bound : out) {
      Trial& trial = bound.trial;
      for (size_t i = 0; i < trial.inputs.size(); ++i)
        if (trial.inputs[i].present() && !is_streamed(trial, i)) trial.inputs[i].data = buffers.at(Use::input, i, trial.inputs[i].dtype);
      for (size_t i = 0; i < trial.outputs.size(); ++i) trial.outputs[i].data = buffers.at(Use::output, i, DType::none);
      bound.scratch = buffers.at(Use::scratch, 0, DType::none);
    }
    return out;
  }

  static bool is_streamed(const Trial& trial, size_t input) {
    const DType dtype = trial.inputs[input].dtype;
    return input < trial.is_static.size() && trial.is_static[input] && (dtype == DType::f32 || dtype == DType::u8);
  }

  Status launch(Bound& bound) {
    Trial& trial = bound.trial;
    for (size_t i : bound.streamed) trial.inputs[i].data = weights_.next(storage_bytes(trial.inputs[i]));
    return bound.kernel->launch({trial.params, trial.inputs, trial.outputs, bound.scratch, bound.prepared.state.get(), team_.get()});
  }

  // Microseconds of the first run. Quick kernels are launched several times between two looks at the clock from then on.
  Result<double> warm_up(Bound& bound) {
    const int threads = team_->size();
    const double begin = now(threads);
    TN_TRY(launch(bound));
    const double first = now(threads) - begin;
    if (first < 20 * kBetweenLooks) {
      const double again = now(threads);
      TN_TRY(launch(bound));
      const double warm = std::max(now(threads) - again - clock_cost_, kLeast);
      bound.launches = static_cast<int>(std::clamp<double>(kBetweenLooks / warm, 1, kMostBetweenLooks));
    }
    return first;
  }

  // Microseconds of a launch.
  Result<double> run_once(Bound& bound) {
    const double begin = now(team_->size());
    for (int i = 0; i < bound.launches; ++i) TN_TRY(launch(bound));
    return std::max((now(team_->size()) - begin - clock_cost_) / bound.launches, kLeast);
  }

  static bool agree(const std::vector<double>& times) {
    return lower_quartile(times) <= 1.03 * *std::min_element(times.begin(), times.end());
  }

  const KernelTable& kernels_;
  std::unique_ptr<Team> team_;
  Weights::Level level_;
  WeightStream weights_;
  Calm calm_;
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

Result<std::vector<std::vector<double>>> Timer::turns(std::span<const Trial> trials, int count, const std::function<bool()>& stop) {
  std::vector<std::vector<double>> out;
  for (int turn = 0; turn < count; ++turn) {
    std::vector<double> times;
    for (const Trial& trial : trials) {
      if (stop()) return out;
      TN_ASSIGN(const Timing timing, time(trial, 1e9));
      if (timing.kind != Timing::Kind::measured) return fail(Code::internal, "{} was not timed", trial.kernel);
      times.push_back(timing.microseconds);
    }
    out.push_back(std::move(times));
  }
  return out;
}

bool is_timer(std::string_view name) { return name == "real" || name == "fake" || seed_of(name).has_value(); }

Result<std::unique_ptr<Timer>> make_real_timer(const KernelTable& kernels, int threads, Weights weights) {
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(threads));
  auto timer = std::make_unique<RealTimer>(kernels, std::move(team), weights);
  TN_TRY(timer->begin());
  return std::unique_ptr<Timer>(std::move(timer));
}

std::unique_ptr<Timer> make_fake_timer(const KernelTable& kernels, int threads, DeviceSession* session,
                                       std::string_view name) {
  return std::make_unique<FakeTimer>(kernels, threads, session, name);
}

}  // namespace tenon
