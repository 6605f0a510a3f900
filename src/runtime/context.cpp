#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <map>
#include <new>
#include <utility>

#include "base/checked.h"
#include "runtime/engine_impl.h"
#include "runtime/recorder.h"
#include "runtime/region_run.h"
#include "runtime/staging.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

// Everything that depends on the values of the symbols that inputs give.
struct ShapeState {
  KnownSymbols symbols;
  std::unique_ptr<RegionRun> run;
  std::vector<int64_t> bytes;      // of each tensor, inputs then outputs; -1 where the run finds it
  Recorder recorder;
};

struct Tensor {
  std::optional<std::vector<int64_t>> dims;  // of an input, as set
  void* data = nullptr;
  size_t bytes = 0;
  bool is_set = false;     // the buffer
  bool is_direct = true;   // kernels may be given it
};

std::string join(std::span<const int64_t> dims) {
  std::string out;
  for (int64_t d : dims) out += (out.empty() ? "" : ",") + std::to_string(d);
  return out;
}

class ContextImpl final : public Context, public Work {
 public:
  ContextImpl(std::shared_ptr<EngineImpl> engine, int profile)
      : engine_(std::move(engine)),
        profile_index_(profile),
        plan_(engine_->plan()),
        profile_(plan_.profiles[profile]),
        tensors_(engine_->io().size()),
        staging_(engine_->device(), engine_->allocator(), tensors_.size()),
        texts_{TextArena(engine_->options().limits.arena_bytes), TextArena(engine_->options().limits.arena_bytes)},
        steps_(*this),
        setting_(*engine_, profile_) {
    for (const plan::Step& step : profile_.region.steps) {
      finds_sizes_ = finds_sizes_ || !step.found.empty();
      runs_regions_ = runs_regions_ || step.control.kind != plan::ControlKind::none;
    }
    setting_.before_memory_goes = [this] {
      for (ShapeState& shape : shapes_) shape.recorder.forget();
      bound_ = false;
      recording_ = nullptr;
    };
  }

  ~ContextImpl() override {
    if (event_) (void)event_->wait();  // the stream must not use what goes now
  }

  Status init() {
    const Device& device = engine_->device();
    stream_ = &engine_->host_stream();
    if (!on_host()) {
      TN_ASSIGN(own_stream_, device.create_stream(engine_->options().threads));
      stream_ = own_stream_.get();
      TN_ASSIGN(host_arena_, device.allocate_host(profile_.region.host_arena_bytes, "a context's arena on the host"));
    }
    setting_.stream = stream_;
    TN_ASSIGN(event_, stream_->create_event());
    TN_ASSIGN(arena_,
              device.allocate(engine_->allocator(), profile_.region.arena_bytes, "a context's arena"));
    addresses_.resize(tensors_.size());
    has_texts_ = plan::holds_strings(profile_.region);
    return {};
  }

  Status set_input_shape(std::string_view input, std::span<const int64_t> dims) override;
  Status set_buffer(std::string_view tensor, void* data, size_t bytes) override;
  Result<std::vector<int64_t>> shape(std::string_view tensor) override;
  Status prepare() override;
  Status run() override;
  Result<double> run_measured() override;
  Result<RunParts> run_in_parts() override;
  Status enqueue(void* queue) override;
  Status wait() override;
  Status set_profiler(ProfileSink sink) override;
  Result<Replay> replay() override;

  // The stream's call: copies what must be copied, and launches or replays the steps.
  Status execute(const Lane& lane) override;

 private:
  // Who may touch the context: nobody else while a call is in it or work is queued.
  enum State : int { idle, calling, queued };

  // Takes the context for one call, if nobody has it.
  class Turn {
   public:
    explicit Turn(ContextImpl& context) : context_(context) {
      int expected = idle;
      held_ = context.state_.compare_exchange_strong(expected, calling, std::memory_order_acquire);
      if (!held_ && expected == queued && context.event_->done())
        held_ = context.state_.compare_exchange_strong(expected, calling, std::memory_order_acquire);
    }
    ~Turn() {
      if (held_) context_.state_.store(next_, std::memory_order_release);
    }
    explicit operator bool() const { return held_; }
    void leave_queued() { next_ = queued; }

   private:
    ContextImpl& context_;
    bool held_;
    State next_ = idle;
  };

  static tl::unexpected<Error> busy() {
    return fail(
        Code::busy,
        "the execution context is in use by another call, or its work is not done yet: wait for it, or "
        "give each thread a context of its own");
  }

  const plan::Binding& binding(size_t tensor) const {
    return tensor < plan_.inputs.size() ? plan_.inputs[tensor] : plan_.outputs[tensor - plan_.inputs.size()];
  }

  Status check_input_dim(const plan::Binding& input, size_t dim, int64_t value) const;
  Result<KnownSymbols> bind_symbols() const;
  Status check_inputs(const DimValues& dims) const;
  Status resolve_shapes();
  Status make_shape(KnownSymbols symbols);
  // Whether runs find sizes.
  bool finds_sizes() const { return finds_sizes_; }
  Result<int64_t> tensor_bytes(size_t tensor, const DimValues& dims) const;
  Status measure_found(const DimValues& dims, std::vector<int64_t>& bytes) const;
  uint64_t extent(size_t tensor) const;
  Status grow_scratch();
  Status check_buffers() const;
  Status bind();
  Status ready();
  Status begin_run();
  Status unseen_failure();
  bool on_host() const { return engine_->on_host(); }
  Status launch(const Lane& lane);
  Status run_profiled(void* queue);
  Status copy_staged(bool out, void* queue);
  Result<double> copy_staged_measured(bool out);
  Status host_failure() {
    Status status = setting_.take_failure();
    failed_ = failed_ || !status;
    return status;
  }

  // The steps alone: what is recorded.
  struct Steps final : Work {
    explicit Steps(ContextImpl& c) : context(c) {}
    Status execute(const Lane& lane) override {
      ++context.recordings_;
      return context.launch(lane);
    }
    ContextImpl& context;
  };
  // The steps, replayed where they are recorded: a run of another device without the copies round it.
  struct Bare final : Work {
    explicit Bare(ContextImpl& c) : context(c) {}
    Status execute(const Lane& lane) override {
      return context.recording_ ? context.stream_->replay(*context.recording_, lane) : context.launch(lane);
    }
    ContextImpl& context;
  };
  // What stands for the caller's buffers is filled, or given back.
  struct Copies final : Work {
    Copies(const Staging& s, bool o) : staging(s), out(o) {}
    Status execute(const Lane& lane) override {
      return out ? staging.copy_out(lane.queue) : staging.copy_in(lane.queue);
    }
    const Staging& staging;
    const bool out;
  };

  [[no_unique_address]] Live<LiveType::context> live_;
  std::shared_ptr<EngineImpl> engine_;  // outlives the memory below
  const int profile_index_;
  const plan::Plan& plan_;
  const plan::Profile& profile_;
  bool finds_sizes_ = false, runs_regions_ = false;  // steps of the profile do
  std::atomic<int> state_{idle};
  std::atomic<bool> unseen_{false};  // work was queued and nobody has waited for it
  std::unique_ptr<Stream> own_stream_;  // on a device that is not the host
  Stream* stream_ = nullptr;
  std::unique_ptr<Event> event_;
  std::vector<Tensor> tensors_;  // inputs, then outputs
  Block arena_, host_arena_;
  Staging staging_;
  std::array<TextArena, 2> texts_;  // bytes of strings that the last run made, and those that the one before did
  size_t last_texts_ = 0;
  bool failed_ = false;             // the last run
  bool has_texts_ = false;
  Steps steps_;
  RunSetting setting_;            // outlives the shapes
  std::list<ShapeState> shapes_;  // the current one first, then by last use
  bool shapes_stale_ = true;      // input dims were set since shapes_.front() was chosen
  bool has_found_ = false;        // shapes_.front().run's sizes are the last run's, and no input's dims were set since
  bool bound_ = false;            // launches hold the addresses below and the tensors' buffers
  std::shared_ptr<const Weights> weights_;
  uint64_t weights_version_ = 0;
  std::vector<void*> addresses_;  // by tensor
  ProfileSink profiler_;
  uint64_t recordings_ = 0;  // made, also in vain
  Recording* recording_ = nullptr;  // of the addresses that are bound; null: steps are launched
};

Status ContextImpl::check_input_dim(const plan::Binding& input, size_t dim, int64_t value) const {
  const plan::DimExpr& e = plan_.dims[input.dims[dim]];
  if (value < 0)
    return fail(Code::invalid_argument, "dim {} of input '{}' is {}: dims are not negative", dim, input.name,
                value);
  if (e.op == plan::DimOp::constant && e.value != value)
    return fail(Code::invalid_argument, "dim {} of input '{}' is {}, the network fixes it to {}", dim,
                input.name, value, e.value);
  if (e.op != plan::DimOp::symbol) return {};
  const plan::Range& range = profile_.symbols[e.value];
  if (value >= range.min && value <= range.max) return {};
  return fail(Code::out_of_range, "dim {} ({}) of input '{}' is {}, profile {} of the plan allows {} to {}",
              dim, plan_.symbols[e.value].name, input.name, value, profile_index_, range.min, range.max);
}

Status ContextImpl::set_input_shape(std::string_view input, std::span<const int64_t> dims) {
  Turn turn(*this);
  if (!turn) return busy();
  TN_ASSIGN(size_t index, engine_->find_tensor(input));
  if (index >= plan_.inputs.size())
    return fail(Code::invalid_argument, "'{}' is an output: its shape follows from the inputs'", input);
  const plan::Binding& b = plan_.inputs[index];
  if (dims.size() != b.dims.size())
    return fail(Code::invalid_argument, "input '{}' has {} dims, {} were given: [{}]", input, b.dims.size(),
                dims.size(), join(dims));
  for (size_t i = 0; i < dims.size(); ++i) TN_TRY(check_input_dim(b, i, dims[i]));
  Tensor& tensor = tensors_[index];
  has_found_ = false;
  if (tensor.dims && std::ranges::equal(*tensor.dims, dims)) return {};
  tensor.dims.emplace(dims.begin(), dims.end());
  shapes_stale_ = true;
  return {};
}

Status ContextImpl::set_buffer(std::string_view name, void* data, size_t bytes) {
  Turn turn(*this);
  if (!turn) return busy();
  TN_ASSIGN(size_t index, engine_->find_tensor(name));
  if (!data && bytes > 0)
    return fail(Code::invalid_argument, "the buffer of '{}' is NULL and {} bytes long", name, bytes);
  const bool is_text = binding(index).dtype == DType::string;
  if (size_t element = is_text ? alignof(Text) : size_of(binding(index).dtype); reinterpret_cast<uintptr_t>(data) % element != 0)
    return fail(Code::invalid_argument, "the buffer of '{}' is not aligned to its elements of {} bytes", name,
                element);
  Tensor& tensor = tensors_[index];
  if (tensor.is_set && tensor.data == data && tensor.bytes == bytes) return {};
  bool is_direct = true;
  if (!on_host() && bytes > 0) {
    TN_ASSIGN(is_direct, Staging::is_direct(engine_->device(), data, name));
    if (is_text && engine_->device().kind_of(data) == MemoryKind::device)
      return fail(Code::invalid_argument, "the buffer of '{}' lies on the device: strings lie in the memory of the host", name);
  }
  tensor.is_direct = is_direct;
  tensor.data = data;
  tensor.bytes = bytes;
  tensor.is_set = true;
  bound_ = false;
  return {};
}

// The symbols' values from the dims of the inputs that are set; inputs that disagree are refused.
Result<KnownSymbols> ContextImpl::bind_symbols() const {
  KnownSymbols symbols(plan_.symbols.size());
  std::vector<std::pair<size_t, size_t>> from(plan_.symbols.size());
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    if (!tensors_[i].dims) continue;
    for (size_t d = 0; d < plan_.inputs[i].dims.size(); ++d) {
      const plan::DimExpr& e = plan_.dims[plan_.inputs[i].dims[d]];
      if (e.op != plan::DimOp::symbol) continue;
      std::optional<int64_t>& symbol = symbols[e.value];
      int64_t value = (*tensors_[i].dims)[d];
      if (symbol && *symbol != value) {
        auto [other, other_dim] = from[e.value];
        return fail(Code::invalid_argument,
                    "dim {} of input '{}' is {}, but dim {} of input '{}' is {}: both are {}", d,
                    plan_.inputs[i].name, value, other_dim, plan_.inputs[other].name, *symbol,
                    plan_.symbols[e.value].name);
      }
      symbol = value;
      from[e.value] = {i, d};
    }
  }
  return symbols;
}

// Dims of inputs that are expressions must have the values that were set.
Status ContextImpl::check_inputs(const DimValues& values) const {
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    const plan::Binding& input = plan_.inputs[i];
    TN_ASSIGN(std::vector<int64_t> dims,
              dims_of(plan_, values, input.dims, fmt::format("input '{}'", input.name)));
    if (!tensors_[i].dims) continue;
    for (size_t d = 0; d < dims.size(); ++d)
      if (dims[d] != (*tensors_[i].dims)[d])
        return fail(Code::invalid_argument, "dim {} of input '{}' is {}, it must be {} = {}", d, input.name,
                    (*tensors_[i].dims)[d], dim_text(plan_, input.dims[d]), dims[d]);
  }
  return {};
}

Result<std::vector<int64_t>> ContextImpl::shape(std::string_view name) {
  Turn turn(*this);
  if (!turn) return busy();
  TN_ASSIGN(size_t index, engine_->find_tensor(name));
  TN_ASSIGN(KnownSymbols symbols, bind_symbols());
  constexpr int64_t kTypical = 1;
  std::map<uint32_t, int64_t> unknown;
  if (finds_sizes()) {
    for (const plan::Step& step : profile_.region.steps)
      for (uint32_t symbol : step.found) {
        std::optional<int64_t>& size = symbols[symbol];
        if (has_found_) size = shapes_.front().run->found()[symbol];
        if (!size && profile_.symbols[symbol].max < plan::kNoBound) size = profile_.symbols[symbol].max;
        if (!size) unknown[symbol] = kTypical;
      }
  }
  const std::vector<uint32_t>& dims = binding(index).dims;
  const DimValues values(plan_, symbols);
  const bool has_all = std::ranges::all_of(dims, [&](uint32_t d) { return values.has(d); });
  if (has_all || unknown.empty()) return dims_of(plan_, values, dims, fmt::format("'{}'", name));
  // Dims that a size without a bound decides are not known before it is found.
  for (const auto& [symbol, size] : unknown) symbols[symbol] = size;
  TN_ASSIGN(std::vector<int64_t> out, dims_of(plan_, DimValues(plan_, symbols), dims, fmt::format("'{}'", name)));
  for (size_t d = 0; d < out.size(); ++d)
    if (!values.has(dims[d])) out[d] = -1;
  return out;
}

// Makes the shapes that are set the current ones: finds them among those kept, or prepares them.
Status ContextImpl::resolve_shapes() {
  TN_ASSIGN(auto symbols, bind_symbols());
  bound_ = false;
  auto same = [&](const ShapeState& s) { return s.symbols == symbols; };
  auto kept = std::find_if(shapes_.begin(), shapes_.end(), same);
  if (kept == shapes_.end()) return make_shape(std::move(symbols));
  shapes_.splice(shapes_.begin(), shapes_, kept);
  return {};
}

// The bytes of a tensor; -1 where its dims depend on what the run finds.
Result<int64_t> ContextImpl::tensor_bytes(size_t tensor, const DimValues& dims) const {
  const plan::Binding& b = binding(tensor);
  const bool known = std::ranges::all_of(b.dims, [&](uint32_t d) { return dims.has(d); });
  if (!known && finds_sizes()) return -1;
  TN_ASSIGN(std::vector<int64_t> shape, dims_of(plan_, dims, b.dims, fmt::format("'{}'", b.name)));
  std::optional<int64_t> bytes = plan::storage_bytes(b.dtype, kLinear, shape);
  if (bytes && *bytes <= engine_->options().limits.tensor_bytes) return *bytes;
  return fail(Code::limit_exceeded, "'{}' has dims [{}]: more than the limit tensor_bytes ({})", b.name, join(shape),
              engine_->options().limits.tensor_bytes);
}

Status ContextImpl::make_shape(KnownSymbols symbols) {
  DimValues dims(plan_, symbols);
  TN_TRY(check_inputs(dims));
  ShapeState state;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    TN_ASSIGN(int64_t bytes, tensor_bytes(i, dims));
    state.bytes.push_back(bytes);
  }
  bool is_opt = !finds_sizes();
  for (size_t i = 0; i < symbols.size(); ++i) is_opt = is_opt && symbols[i] == profile_.symbols[i].opt;
  std::unique_ptr<PreparedRegion> ready = is_opt ? engine_->take_prepared(profile_index_) : nullptr;
  state.run = std::make_unique<RegionRun>(setting_, profile_.region, engine_->kernels(profile_index_), false,
                                          [this](const DimValues& values, std::vector<int64_t>& bytes) { return measure_found(values, bytes); });
  const RegionRun* other = shapes_.empty() ? nullptr : shapes_.front().run.get();
  TN_TRY(state.run->prepare(symbols, state.bytes, plan_.inputs.size(), other, std::move(ready)));
  state.symbols = std::move(symbols);
  shapes_.push_front(std::move(state));
  if (shapes_.size() > static_cast<size_t>(engine_->options().shapes_kept)) shapes_.pop_back();
  return {};
}

// Behind a step that found sizes: the caller's buffers hold what is written.
Status ContextImpl::measure_found(const DimValues& dims, std::vector<int64_t>& bytes) const {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (bytes[i] >= 0) continue;
    TN_ASSIGN(bytes[i], tensor_bytes(i, dims));
    if (bytes[i] > 0 && static_cast<uint64_t>(bytes[i]) > tensors_[i].bytes)
      return fail(Code::invalid_argument, "the buffer of '{}' has {} bytes, its shape, which the run found, needs {}",
                  binding(i).name, tensors_[i].bytes, bytes[i]);
  }
  return {};
}

Status ContextImpl::grow_scratch() {
  const RegionRun& run = *shapes_.front().run;
  return setting_.grow_scratch(run.scratch_bytes(), run.host_scratch_bytes());
}

Status ContextImpl::prepare() {
  Turn turn(*this);
  if (!turn) return busy();
  if (!shapes_stale_) return {};
  TN_TRY(resolve_shapes());
  TN_TRY(grow_scratch());
  shapes_stale_ = false;
  return {};
}

// How much of the caller's buffer the run may write or read: of a tensor whose size it finds, all.
uint64_t ContextImpl::extent(size_t tensor) const {
  const int64_t bytes = shapes_.front().bytes[tensor];
  return bytes >= 0 ? static_cast<uint64_t>(bytes) : tensors_[tensor].bytes;
}

// Every tensor has a buffer that holds it, and nothing that is written lies over anything else.
Status ContextImpl::check_buffers() const {
  const std::vector<int64_t>& bytes = shapes_.front().bytes;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    if (!t.is_set)
      return fail(Code::invalid_argument, "{} '{}' has no buffer",
                  i < plan_.inputs.size() ? "input" : "output", binding(i).name);
    if (bytes[i] >= 0 && t.bytes < static_cast<uint64_t>(bytes[i]))
      return fail(Code::invalid_argument, "the buffer of '{}' has {} bytes, its shape needs {}",
                  binding(i).name, t.bytes, bytes[i]);
  }
  auto begin = [&](size_t i) { return reinterpret_cast<uintptr_t>(tensors_[i].data); };
  for (size_t o = plan_.inputs.size(); o < tensors_.size(); ++o)
    for (size_t i = 0; i < o; ++i)
      if (begin(o) < begin(i) + extent(i) && begin(i) < begin(o) + extent(o))
        return fail(Code::invalid_argument,
                    "the buffers of '{}' and '{}' overlap: outputs need memory of their own", binding(i).name,
                    binding(o).name);
  return {};
}

Status ContextImpl::bind() {
  TN_TRY(check_buffers());
  weights_version_ = engine_->weights_version();
  weights_ = engine_->weights();
  staging_.clear();
  for (size_t i = 0; i < tensors_.size(); ++i) {
    addresses_[i] = tensors_[i].data;
    if (on_host() || tensors_[i].is_direct || binding(i).dtype == DType::string) continue;
    TN_ASSIGN(addresses_[i], staging_.add(i, tensors_[i].data, extent(i), i < plan_.inputs.size()));
  }
  setting_.weights = weights_->addresses;
  std::span<void* const> all = addresses_;
  const size_t inputs = plan_.inputs.size();
  RegionRun& run = *shapes_.front().run;
  run.bind(arena_.data(), host_arena_.data(), all.first(inputs), all.subspan(inputs));
  TN_TRY(run.bind_first());
  bound_ = true;
  recording_ = nullptr;
  return {};
}

// Three comparisons when nothing has changed since the last run.
Status ContextImpl::ready() {
  if (shapes_stale_) {
    TN_TRY(resolve_shapes());
    TN_TRY(grow_scratch());
    shapes_stale_ = false;
  }
  if (!bound_ || weights_version_ != engine_->weights_version()) TN_TRY(bind());
  TN_TRY(shapes_.front().run->bind_first());
  if (!on_host() && !recording_ && !profiler_ && !finds_sizes() && !runs_regions_ && engine_->options().recordings)
    recording_ = shapes_.front().recorder.find(*stream_, steps_, addresses_, weights_version_);
  return {};
}

// Made ready, and strings that are given can be read. Those of the last run stay while this one lasts: they may be its inputs.
Status ContextImpl::begin_run() {
  TN_TRY(ready());
  if (!has_texts_) return {};
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    if (plan_.inputs[i].dtype != DType::string) continue;
    const std::span<const Text> texts(static_cast<const Text*>(tensors_[i].data), extent(i) / sizeof(Text));
    if (Status status = check_texts(texts); !status) return trail(std::move(status.error()), "in input '{}'", plan_.inputs[i].name);
  }
  // What a run that failed has made is nobody's: the one before it may still be this one's input.
  if (!std::exchange(failed_, false)) last_texts_ ^= 1;
  texts_[last_texts_].clear();
  setting_.texts = &texts_[last_texts_];
  shapes_.front().run->use_texts();
  return {};
}

// What a run that fails has found stays: callers learn how large their buffers must be.
Status ContextImpl::launch(const Lane& lane) {
  has_found_ = finds_sizes();
  Status status = shapes_.front().run->launch(lane, nullptr, on_host() && profiler_ ? &profiler_ : nullptr);
  failed_ = !status;
  return status;
}

Status ContextImpl::execute(const Lane& lane) {
  try {
    if (on_host()) return launch(lane);
    TN_TRY(staging_.copy_in(lane.queue));
    if (recording_ && !lane.captured) TN_TRY(stream_->replay(*recording_, lane));
    else TN_TRY(launch(lane));
    shapes_.front().recorder.has_run();
    return staging_.copy_out(lane.queue);
  } catch (
      const std::bad_alloc&) {  // from a message or the profiler: this thread's callers expect no exception
    return tl::unexpected<Error>(Error{Code::out_of_memory, "out of memory", {}});
  }
}

// On a device that is not the host: one step after the other, each measured by the device.
Status ContextImpl::run_profiled(void* queue) {
  TN_TRY(copy_staged(false, queue));
  has_found_ = finds_sizes();
  if (Status status = shapes_.front().run->launch_measured(profiler_); !status) {
    failed_ = true;
    return status;
  }
  TN_TRY(copy_staged(true, queue));
  return host_failure();
}

// Copies what stands for the caller's buffers, behind what is in the queue, and waits.
Status ContextImpl::copy_staged(bool out, void* queue) {
  Copies copies(staging_, out);
  TN_TRY(stream_->submit(copies, *event_, queue));
  return event_->wait();
}

// The same on the context's own stream; the microseconds that it took.
Result<double> ContextImpl::copy_staged_measured(bool out) {
  if (on_host() || !staging_.has_copies(out)) return 0.0;
  Copies copies(staging_, out);
  TN_ASSIGN(std::vector<double> times, stream_->measure(copies, 1, false));
  return times.front();
}

// The failure of work that nobody has waited for: it must not pass unseen.
Status ContextImpl::unseen_failure() {
  if (!unseen_.exchange(false, std::memory_order_relaxed)) return {};
  TN_TRY(event_->wait());
  return host_failure();
}

Status ContextImpl::run() {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  TN_TRY(begin_run());
  if (on_host()) return stream_->run(*this);
  if (profiler_) return run_profiled(nullptr);
  TN_TRY(stream_->run(*this));
  return host_failure();
}

Result<double> ContextImpl::run_measured() {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  TN_TRY(begin_run());
  if (on_host()) {
    TN_ASSIGN(std::vector<double> times, stream_->measure(*this, 1));
    return times.front();
  }
  TN_TRY(copy_staged(false, nullptr));
  Bare bare(*this);
  TN_ASSIGN(std::vector<double> times, stream_->measure(bare, 1, false));
  shapes_.front().recorder.has_run();
  TN_TRY(copy_staged(true, nullptr));
  TN_TRY(host_failure());
  return times.front();
}

Result<RunParts> ContextImpl::run_in_parts() {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  const Clock::time_point begin = Clock::now();
  TN_TRY(begin_run());
  const Clock::time_point is_ready = Clock::now();
  RunParts out;
  TN_ASSIGN(out.input, copy_staged_measured(false));
  Bare bare(*this);
  Work& work = on_host() ? static_cast<Work&>(*this) : bare;
  const Clock::time_point again = Clock::now();
  TN_TRY(stream_->submit(work, *event_));
  out.enqueue = std::chrono::duration<double, std::micro>(Clock::now() - again + (is_ready - begin)).count();
  TN_TRY(event_->wait());
  if (!on_host()) shapes_.front().recorder.has_run();
  TN_ASSIGN(out.output, copy_staged_measured(true));
  TN_TRY(host_failure());
  return out;
}

Status ContextImpl::enqueue(void* queue) {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  TN_TRY(begin_run());
  if (on_host() && queue)
    return fail(Code::invalid_argument, "a stream was given, but the engine runs on the host, which has none: give NULL");
  if (!on_host() && profiler_) return run_profiled(queue);
  TN_TRY(stream_->submit(*this, *event_, queue));
  unseen_.store(true, std::memory_order_relaxed);
  turn.leave_queued();
  return {};
}

Status ContextImpl::wait() {
  Status status = event_->wait();
  unseen_.store(false, std::memory_order_relaxed);
  Status host = host_failure();
  return status ? std::move(host) : std::move(status);
}

Result<Replay> ContextImpl::replay() {
  Turn turn(*this);
  if (!turn) return busy();
  if (on_host()) return Replay{false, "the host launches every step itself", 0};
  if (!engine_->options().recordings) return Replay{false, "recordings are switched off", 0};
  if (runs_regions_) return Replay{false, "the run has loops or branches whose course it decides", 0};
  if (finds_sizes()) return Replay{false, "the run finds sizes, for which later steps are prepared", 0};
  TN_TRY(ready());
  if (recording_) return Replay{true, {}, recordings_};
  return Replay{false, profiler_ ? "a profiler is set" : shapes_.front().recorder.why_not(), recordings_};
}

Status ContextImpl::set_profiler(ProfileSink sink) {
  Turn turn(*this);
  if (!turn) return busy();
  profiler_ = std::move(sink);
  return {};
}

}  // namespace

Result<std::unique_ptr<Context>> make_context(std::shared_ptr<EngineImpl> engine, int profile) {
  auto context = std::make_unique<ContextImpl>(std::move(engine), profile);
  TN_TRY(context->init());
  return context;
}

}  // namespace tenon
