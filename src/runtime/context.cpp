#include <chrono>
#include <list>
#include <new>

#include "base/checked.h"
#include "runtime/engine_impl.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

// Everything that depends on the values of the symbols.
struct ShapeState {
  std::vector<std::optional<int64_t>> symbols;
  std::unique_ptr<PreparedRegion> region;
  std::vector<int64_t> bytes;  // of each tensor, inputs then outputs
};

struct Tensor {
  std::optional<std::vector<int64_t>> dims;  // of an input, as set
  void* data = nullptr;
  size_t bytes = 0;
  bool is_set = false;  // the buffer
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
        tensors_(engine_->io().size()) {}

  ~ContextImpl() override {
    if (event_) (void)event_->wait();  // the stream must not use what goes now
  }

  Status init() {
    TN_ASSIGN(event_, engine_->stream().create_event());
    TN_ASSIGN(arena_, engine_->device().allocate(engine_->allocator(), profile_.region.arena_bytes,
                                                 "a context's arena"));
    addresses_.resize(tensors_.size());
    return {};
  }

  Status set_input_shape(std::string_view input, std::span<const int64_t> dims) override;
  Status set_buffer(std::string_view tensor, void* data, size_t bytes) override;
  Result<std::vector<int64_t>> shape(std::string_view tensor) override;
  Status prepare() override;
  Status run() override;
  Status enqueue() override;
  Status wait() override;
  Status set_profiler(ProfileSink sink) override;

  // The stream's call: launches every step.
  Status execute(Team& team) override;

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
  Result<std::vector<std::optional<int64_t>>> bind_symbols() const;
  Status check_inputs(const DimValues& dims) const;
  Status resolve_shapes();
  Status make_shape(std::vector<std::optional<int64_t>> symbols);
  Status grow_scratch();
  Status check_buffers() const;
  Status bind();
  Status ready();
  Status unseen_failure();

  [[no_unique_address]] Live<LiveType::context> live_;
  std::shared_ptr<EngineImpl> engine_;  // outlives the memory below
  const int profile_index_;
  const plan::Plan& plan_;
  const plan::Profile& profile_;
  std::atomic<int> state_{idle};
  std::atomic<bool> unseen_{false};  // work was queued and nobody has waited for it
  std::unique_ptr<Event> event_;
  std::vector<Tensor> tensors_;  // inputs, then outputs
  Block arena_, scratch_;
  std::list<ShapeState> shapes_;  // the current one first, then by last use
  bool shapes_stale_ = true;      // input dims were set since shapes_.front() was chosen
  bool bound_ = false;            // launches hold the addresses below and the tensors' buffers
  std::shared_ptr<const Weights> weights_;
  uint64_t weights_version_ = 0;
  std::vector<void*> addresses_;  // by tensor
  ProfileSink profiler_;
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
  if (size_t element = size_of(binding(index).dtype); reinterpret_cast<uintptr_t>(data) % element != 0)
    return fail(Code::invalid_argument, "the buffer of '{}' is not aligned to its elements of {} bytes", name,
                element);
  Tensor& tensor = tensors_[index];
  if (tensor.is_set && tensor.data == data && tensor.bytes == bytes) return {};
  tensor.data = data;
  tensor.bytes = bytes;
  tensor.is_set = true;
  bound_ = false;
  return {};
}

// The symbols' values from the dims of the inputs that are set; inputs that disagree are refused.
Result<std::vector<std::optional<int64_t>>> ContextImpl::bind_symbols() const {
  std::vector<std::optional<int64_t>> symbols(plan_.symbols.size());
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
  TN_ASSIGN(auto symbols, bind_symbols());
  return dims_of(plan_, DimValues(plan_, symbols), binding(index).dims, fmt::format("'{}'", name));
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

Status ContextImpl::make_shape(std::vector<std::optional<int64_t>> symbols) {
  DimValues dims(plan_, symbols);
  TN_TRY(check_inputs(dims));
  ShapeState state;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const plan::Binding& b = binding(i);
    TN_ASSIGN(std::vector<int64_t> shape, dims_of(plan_, dims, b.dims, fmt::format("'{}'", b.name)));
    std::optional<int64_t> bytes = plan::storage_bytes(b.dtype, kLinear, shape);
    if (!bytes || *bytes > engine_->options().limits.tensor_bytes)
      return fail(Code::limit_exceeded, "'{}' has dims [{}]: more than the limit tensor_bytes ({})", b.name,
                  join(shape), engine_->options().limits.tensor_bytes);
    state.bytes.push_back(*bytes);
  }
  bool is_opt = true;
  for (size_t i = 0; i < symbols.size(); ++i) is_opt = is_opt && symbols[i] == profile_.symbols[i].opt;
  if (is_opt) state.region = engine_->take_prepared(profile_index_);
  if (!state.region) {
    std::span<const int64_t> bytes = state.bytes;
    PrepareOptions options = {engine_->options().threads, engine_->options().limits,
                              bytes.first(plan_.inputs.size()), bytes.subspan(plan_.inputs.size()),
                              shapes_.empty() ? nullptr : shapes_.front().region.get()};
    TN_ASSIGN(state.region,
              prepare_region(plan_, profile_.region, engine_->kernels(profile_index_), dims, options));
  }
  state.symbols = std::move(symbols);
  shapes_.push_front(std::move(state));
  if (shapes_.size() > static_cast<size_t>(engine_->options().shapes_kept)) shapes_.pop_back();
  return {};
}

Status ContextImpl::grow_scratch() {
  uint64_t need = shapes_.front().region->scratch_bytes;
  if (need <= scratch_.bytes()) return {};
  scratch_ = Block();
  TN_ASSIGN(scratch_, engine_->device().allocate(engine_->allocator(), need, "a context's scratch"));
  return {};
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

// Every tensor has a buffer that holds it, and nothing that is written lies over anything else.
Status ContextImpl::check_buffers() const {
  const std::vector<int64_t>& bytes = shapes_.front().bytes;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    if (!t.is_set)
      return fail(Code::invalid_argument, "{} '{}' has no buffer",
                  i < plan_.inputs.size() ? "input" : "output", binding(i).name);
    if (t.bytes < static_cast<uint64_t>(bytes[i]))
      return fail(Code::invalid_argument, "the buffer of '{}' has {} bytes, its shape needs {}",
                  binding(i).name, t.bytes, bytes[i]);
  }
  auto begin = [&](size_t i) { return reinterpret_cast<uintptr_t>(tensors_[i].data); };
  for (size_t o = plan_.inputs.size(); o < tensors_.size(); ++o)
    for (size_t i = 0; i < o; ++i)
      if (begin(o) < begin(i) + bytes[i] && begin(i) < begin(o) + bytes[o])
        return fail(Code::invalid_argument,
                    "the buffers of '{}' and '{}' overlap: outputs need memory of their own", binding(i).name,
                    binding(o).name);
  return {};
}

Status ContextImpl::bind() {
  TN_TRY(check_buffers());
  weights_version_ = engine_->weights_version();
  weights_ = engine_->weights();
  for (size_t i = 0; i < tensors_.size(); ++i) addresses_[i] = tensors_[i].data;
  std::span<void* const> all = addresses_;
  size_t inputs = plan_.inputs.size();
  shapes_.front().region->bind(
      {arena_.data(), scratch_.data(), weights_->addresses, all.first(inputs), all.subspan(inputs)});
  bound_ = true;
  return {};
}

// Three comparisons when nothing has changed since the last run.
Status ContextImpl::ready() {
  if (shapes_stale_) {
    TN_TRY(resolve_shapes());
    TN_TRY(grow_scratch());
    shapes_stale_ = false;
  }
  if (!bound_ || weights_version_ != engine_->weights_version()) return bind();
  return {};
}

Status ContextImpl::execute(Team& team) {
  try {
    PreparedRegion& region = *shapes_.front().region;
    for (size_t i = 0; i < region.launches.size(); ++i) {
      PreparedRegion::Launch& launch = region.launches[i];
      launch.call.team = &team;
      Clock::time_point start = profiler_ ? Clock::now() : Clock::time_point();
      Status status = launch.kernel->launch(launch.call);
      if (!status) [[unlikely]]
        return trail(std::move(status.error()), "{}", step_text(plan_, profile_.region.steps[i]));
      if (profiler_) [[unlikely]]
        profiler_(profile_.region.steps[i],
                  std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    return {};
  } catch (
      const std::bad_alloc&) {  // from a message or the profiler: this thread's callers expect no exception
    return tl::unexpected<Error>(Error{Code::out_of_memory, "out of memory", {}});
  }
}

// The failure of work that nobody has waited for: it must not pass unseen.
Status ContextImpl::unseen_failure() {
  return unseen_.exchange(false, std::memory_order_relaxed) ? event_->wait() : Status();
}

Status ContextImpl::run() {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  TN_TRY(ready());
  return engine_->stream().run(*this);
}

Status ContextImpl::enqueue() {
  Turn turn(*this);
  if (!turn) return busy();
  if (unseen_.load(std::memory_order_relaxed)) TN_TRY(unseen_failure());
  TN_TRY(ready());
  TN_TRY(engine_->stream().submit(*this, *event_));
  unseen_.store(true, std::memory_order_relaxed);
  turn.leave_queued();
  return {};
}

Status ContextImpl::wait() {
  Status status = event_->wait();
  unseen_.store(false, std::memory_order_relaxed);
  return status;
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
