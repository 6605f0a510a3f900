#include "runtime/region_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

// "loop/3/inner/then/": what stands before a step's name.
std::string text_of(const Within* within) {
  if (!within) return {};
  const std::string part = within->part.empty() ? std::to_string(within->iteration) : std::string(within->part);
  return fmt::format("{}{}/{}/", text_of(within->around), within->step, part);
}

// What slices of tensors on a device must begin at for its kernels to write them.
constexpr int64_t kDeviceAlignment = 16;

}  // namespace

Status RunSetting::grow_scratch(uint64_t bytes, uint64_t host_bytes) {
  auto grow = [&](Block& block, uint64_t wanted, auto allocate) -> Status {
    if (wanted <= block.bytes()) return {};
    let_go();
    block = Block();
    TN_ASSIGN(block, allocate());
    return {};
  };
  TN_TRY(grow(scratch_, bytes, [&] { return engine.device().allocate(engine.allocator(), bytes, "a context's scratch"); }));
  return grow(host_scratch_, host_bytes,
              [&] { return Block::allocate(engine.allocator(), host_bytes, "a context's scratch on the host"); });
}

// Before memory goes: if there is no new one, nothing may hold its address.
void RunSetting::let_go() {
  before_memory_goes();
  ++memory_version_;
}

Status RunSetting::take_found(const plan::Region& region, const PreparedRegion& part) {
  if (part.found.empty()) return {};
  FoundMemory& memory = found_[&region];
  memory.blocks.resize(region.values.size());
  memory.addresses.resize(region.values.size());
  for (const PreparedRegion::Found& f : part.found) {
    Block& block = memory.blocks[f.value];
    if (f.bytes <= block.bytes()) continue;
    const uint64_t all = found_bytes_ - block.bytes() + f.bytes;
    if (const int64_t most = engine.options().limits.arena_bytes; all > static_cast<uint64_t>(most))
      return fail(Code::limit_exceeded, "value {} has {} bytes: with others whose size the run finds, more than the limit arena_bytes, {}",
                  f.value, f.bytes, most);
    let_go();
    found_bytes_ -= block.bytes();
    block = Block();
    memory.addresses[f.value] = nullptr;
    constexpr const char* kWhat = "a value whose size the run finds";
    if (on_host()) {
      TN_ASSIGN(block, Block::allocate(engine.allocator(), f.bytes, kWhat));
    } else if (f.place == Place::host) {
      TN_ASSIGN(block, engine.device().allocate_host(f.bytes, kWhat));
    } else {
      TN_ASSIGN(block, engine.device().allocate(engine.allocator(), f.bytes, kWhat));
    }
    found_bytes_ += block.bytes();
    memory.addresses[f.value] = block.data();
  }
  return {};
}

std::span<void* const> RunSetting::found(const plan::Region& region) const {
  auto it = found_.find(&region);
  return it == found_.end() ? std::span<void* const>() : it->second.addresses;
}

void RunSetting::keep_failure(Error error) {
  std::lock_guard lock(failure_mutex_);
  if (failure_) failure_ = tl::unexpected<Error>(std::move(error));
}

Status RunSetting::take_failure() {
  std::lock_guard lock(failure_mutex_);
  return std::exchange(failure_, Status());
}

// ── a region ──

struct RegionRun::OwnHostCall {
  RunSetting* setting;
  const plan::Step* step;
  const Kernel* kernel;
  std::vector<Arg> args;
  LaunchCall call;
  std::shared_ptr<PreparedStep> prepared;  // what the call points into
  std::string within;
};

RegionRun::RegionRun(RunSetting& setting, const plan::Region& region, const RegionKernels& kernels, bool is_body, Measure measure)
    : setting_(setting), region_(region), kernels_(kernels), is_body_(is_body), measure_(std::move(measure)) {
  uint32_t begin = 0;
  auto add = [&](uint32_t end) {
    Segment segment;
    segment.begin = begin;
    segment.end = end;
    segment.relevant = relevant_symbols(begin, end);
    segments_.push_back(std::move(segment));
    begin = end;
  };
  for (uint32_t i = 0; i < region.steps.size(); ++i) {
    const plan::Step& step = region.steps[i];
    if (step.control.kind != plan::ControlKind::none)
      controls_.emplace(i, std::make_unique<ControlRun>(setting, step, kernels.bodies[i]));
    if (!step.found.empty()) add(i + 1);
  }
  add(static_cast<uint32_t>(region.steps.size()));
}

std::vector<bool> RegionRun::relevant_symbols(uint32_t begin, uint32_t end) const {
  const plan::Plan& plan = setting_.plan;
  std::vector<bool> entries(plan.dims.size()), out(plan.symbols.size());
  auto add_value = [&](const plan::Region& region, uint32_t value) {
    for (uint32_t v : {value, plan::root_of(region, value)})
      for (uint32_t dim : region.values[v].dims) entries[dim] = true;
  };
  auto add_step = [&](const plan::Region& region, const plan::Step& step, const auto& again) -> void {
    for (const auto* list : {&step.inputs, &step.outputs})
      for (uint32_t value : *list) add_value(region, value);
    for (const plan::DimParam& p : step.dim_params) entries[p.dim] = true;
    if (step.control.kind != plan::ControlKind::none) {
      entries[step.control.selector] = true;
      for (const auto& sizes : step.control.sizes)
        for (uint32_t dim : sizes) entries[dim] = true;
    }
    for (const plan::Region& body : step.bodies)
      for (const plan::Step& inner : body.steps) again(body, inner, again);
  };
  for (uint32_t i = begin; i < end; ++i) add_step(region_, region_.steps[i], add_step);
  for (size_t i = entries.size(); i-- > 0;) {
    if (!entries[i]) continue;
    const plan::DimExpr& e = plan.dims[i];
    if (e.op == plan::DimOp::symbol) out[static_cast<size_t>(e.value)] = true;
    if (e.op > plan::DimOp::symbol) entries[e.a] = entries[e.b] = true;
  }
  return out;
}

bool RegionRun::is_prepared(const Segment& segment, const KnownSymbols& symbols) const {
  if (!segment.prepared) return false;
  for (size_t i = 0; i < symbols.size(); ++i)
    if (segment.relevant[i] && segment.symbols[i] != symbols[i]) return false;
  return true;
}

Status RegionRun::prepare(const KnownSymbols& symbols, std::vector<int64_t> bytes, size_t inputs, const RegionRun* other,
                          std::unique_ptr<PreparedRegion> ready) {
  symbols_ = symbols;
  found_ = symbols;
  bytes_ = std::move(bytes);
  input_count_ = inputs;
  Segment& first = segments_.front();
  if (is_prepared(first, symbols)) return {};
  return prepare_segment(first, symbols, bytes_, other, std::move(ready));
}

// Prepares the segment's steps, sharing those that it or the other run has at the same dims.
Status RegionRun::prepare_segment(Segment& segment, const KnownSymbols& symbols, std::span<const int64_t> bytes, const RegionRun* other,
                                  std::unique_ptr<PreparedRegion> ready) {
  const size_t at = static_cast<size_t>(&segment - segments_.data());
  const PreparedRegion* like = segment.region ? segment.region.get() : other ? other->segments_[at].region.get() : nullptr;
  const DimValues dims(setting_.plan, symbols);
  if (!ready) {
    const EngineOptions& engine = setting_.engine.options();
    PrepareOptions options = {engine.threads, engine.limits, setting_.engine.session(), setting_.profile.symbols,
                              bytes.first(input_count_), bytes.subspan(input_count_), like, segment.begin, segment.end};
    TN_ASSIGN(ready, prepare_region(setting_.plan, region_, kernels_, dims, options));
  }
  // Until all of it is prepared the segment is not: what it has may be of other sizes.
  segment.prepared = false;
  segment.bound = false;
  segment.host_calls.clear();
  segment.region = std::move(ready);
  for (uint32_t i = 0; i < segment.region->launches.size(); ++i) {
    const uint32_t step = segment.begin + i;
    if (auto control = controls_.find(step); control != controls_.end()) {
      const ControlRun* twin = nullptr;
      if (other)
        if (auto found = other->controls_.find(step); found != other->controls_.end()) twin = found->second.get();
      if (Status status = control->second->prepare(symbols, segment.region->launches[i].call, twin); !status)
        return trail(std::move(status.error()), "{}", step_text(setting_.plan, region_.steps[step]));
    }
    if (!setting_.on_host()) segment.host_calls.push_back({&setting_, &segment.region->launches[i], &region_.steps[step]});
  }
  segment.symbols = symbols;
  segment.prepared = true;
  return {};
}

uint64_t RegionRun::scratch_bytes() const {
  uint64_t most = 0;
  for (const Segment& segment : segments_)
    if (segment.region) most = std::max(most, segment.region->scratch_bytes);
  for (const auto& [step, control] : controls_) most = std::max(most, control->scratch_bytes());
  return most;
}

uint64_t RegionRun::host_scratch_bytes() const {
  uint64_t most = 0;
  for (const Segment& segment : segments_)
    if (segment.region) most = std::max(most, segment.region->host_scratch_bytes);
  for (const auto& [step, control] : controls_) most = std::max(most, control->host_scratch_bytes());
  return most;
}

void RegionRun::bind(std::byte* arena, std::byte* host_arena, std::span<void* const> inputs, std::span<void* const> outputs) {
  arena_ = arena;
  host_arena_ = host_arena;
  inputs_ = inputs;
  outputs_ = outputs;
  for (Segment& segment : segments_) segment.bound = false;
}

Status RegionRun::bind_first() {
  if (is_bound(segments_.front())) return {};
  TN_TRY(setting_.grow_scratch(scratch_bytes(), host_scratch_bytes()));
  return bind_segment(segments_.front());
}

Status RegionRun::bind_segment(Segment& segment) {
  TN_TRY(setting_.take_found(region_, *segment.region));
  segment.region->bind({arena_, host_arena_, setting_.scratch(), setting_.host_scratch(), setting_.weights, inputs_, outputs_,
                        setting_.texts, setting_.found(region_)});
  segment.bound = true;
  segment.memory_version = setting_.memory_version();
  return {};
}

void RegionRun::use_texts() {
  for (Segment& segment : segments_)
    if (segment.region)
      for (PreparedRegion::Launch& launch : segment.region->launches) launch.call.texts = setting_.texts;
}

// Behind a step that found sizes: its steps are prepared for them, and the boundary's tensors hold what they write.
Status RegionRun::start_segment(Segment& segment) {
  const bool prepared = is_prepared(segment, found_);
  if (prepared && is_bound(segment)) return {};
  std::vector<int64_t> bytes = bytes_;
  if (std::ranges::find(bytes, -1) != bytes.end()) TN_TRY(measure_(DimValues(setting_.plan, found_), bytes));
  if (!prepared) TN_TRY(prepare_segment(segment, found_, bytes, nullptr));
  TN_TRY(setting_.grow_scratch(scratch_bytes(), host_scratch_bytes()));
  return bind_segment(segment);
}

// What the segment's last step found.
Status RegionRun::find_sizes(const Segment& segment, const Lane& lane, const Within* within) {
  TN_TRY(setting_.stream->drain(lane));
  if (!setting_.on_host()) TN_TRY(setting_.take_failure());
  const plan::Step& step = region_.steps[segment.end - 1];
  const auto* sizes = segment.region->launches.back().call.outputs.back().as<const int64_t>();
  for (size_t i = 0; i < step.found.size(); ++i) {
    const uint32_t symbol = step.found[i];
    const plan::Range& range = setting_.profile.symbols[symbol];
    if (sizes[i] < range.min || sizes[i] > range.max)
      return fail(Code::invalid_plan, "{}: it found a size of {}, the profile has {} to {}", step_text(setting_.plan, step, text_of(within)),
                  sizes[i], range.min, range.max);
    found_[symbol] = sizes[i];
  }
  return {};
}

Status RegionRun::launch_step(Segment& segment, size_t index, const Lane& lane, const Within* within) {
  PreparedRegion::Launch& launch = segment.region->launches[index];
  const plan::Step& step = region_.steps[segment.begin + index];
  if (!launch.kernel) {
    Status status = controls_.at(segment.begin + static_cast<uint32_t>(index))->launch(launch.call, lane, found_, within);
    if (!status || is_bound(segment)) return status;
    // A body needed more memory. What is queued reads the old arguments.
    if (!setting_.on_host()) TN_TRY(setting_.stream->drain(lane));
    return bind_segment(segment);
  }
  launch.call.texts = setting_.texts;
  Status status;
  if (setting_.on_host() || launch.kernel->place == Place::device) {
    launch.call.team = lane.team;
    launch.call.queue = lane.queue;
    status = launch.kernel->launch(launch.call);
  } else {
    status = queue_host_step(segment, index, lane, within);
  }
  if (status) [[likely]]
    return {};
  return trail(std::move(status.error()), "{}", step_text(setting_.plan, step, text_of(within)));
}

Status RegionRun::queue_host_step(Segment& segment, size_t index, const Lane& lane, const Within* within) {
  if (!is_body_) return setting_.stream->call_host(lane, run_host_step, &segment.host_calls[index]);
  const PreparedRegion::Launch& launch = segment.region->launches[index];
  auto own = std::make_unique<OwnHostCall>();
  own->setting = &setting_;
  own->step = &region_.steps[segment.begin + index];
  own->kernel = launch.kernel;
  own->call = launch.call;
  own->args.assign(launch.call.inputs.begin(), launch.call.inputs.end());
  own->args.insert(own->args.end(), launch.call.outputs.begin(), launch.call.outputs.end());
  own->call.inputs = std::span(own->args).first(launch.call.inputs.size());
  own->call.outputs = std::span(own->args).subspan(launch.call.inputs.size());
  own->prepared = segment.region->steps[index];
  own->within = text_of(within);
  TN_TRY(setting_.stream->call_host(lane, run_own_host_step, own.get()));
  (void)own.release();  // the call's
  return {};
}

// A host step takes its turn on the engine's team. What fails is told by the wait.
Status RegionRun::run_on_team(RunSetting& setting, const Kernel& kernel, LaunchCall& call) {
  struct Step final : Work {
    Status execute(const Lane& lane) override {
      call->team = lane.team;
      return kernel->launch(*call);
    }
    const Kernel* kernel;
    LaunchCall* call;
  };
  Step step;
  step.kernel = &kernel;
  step.call = &call;
  return setting.engine.host_stream().run(step);
}

void RegionRun::run_host_step(void* host_call) {
  const HostCall& call = *static_cast<HostCall*>(host_call);
  Status status = run_on_team(*call.setting, *call.launch->kernel, call.launch->call);
  if (status) return;
  Error error = std::move(status.error());
  error.trail.push_back(step_text(call.setting->plan, *call.step));
  call.setting->keep_failure(std::move(error));
}

void RegionRun::run_own_host_step(void* host_call) {
  const std::unique_ptr<OwnHostCall> call(static_cast<OwnHostCall*>(host_call));
  Status status = run_on_team(*call->setting, *call->kernel, call->call);
  if (status) return;
  Error error = std::move(status.error());
  error.trail.push_back(step_text(call->setting->plan, *call->step, call->within));
  call->setting->keep_failure(std::move(error));
}

Status RegionRun::launch(const Lane& lane, const Within* within, const Sink* sink) {
  found_ = symbols_;
  for (size_t s = 0; s < segments_.size(); ++s) {
    Segment& segment = segments_[s];
    if (s > 0) TN_TRY(start_segment(segment));
    else TN_TRY(bind_first());
    for (size_t i = 0; i < segment.region->launches.size(); ++i) {
      if (!sink) [[likely]] {
        TN_TRY(launch_step(segment, i, lane, within));
        continue;
      }
      const Clock::time_point start = Clock::now();
      TN_TRY(launch_step(segment, i, lane, within));
      (*sink)(region_.steps[segment.begin + i], std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    if (s + 1 < segments_.size()) TN_TRY(find_sizes(segment, lane, within));
  }
  return {};
}

Status RegionRun::launch_measured(const Sink& sink) {
  struct One final : Work {
    Status execute(const Lane& lane) override { return run->launch_step(*segment, index, lane, nullptr); }
    RegionRun* run;
    Segment* segment;
    size_t index;
  };
  found_ = symbols_;
  for (size_t s = 0; s < segments_.size(); ++s) {
    Segment& segment = segments_[s];
    if (s > 0) TN_TRY(start_segment(segment));
    else TN_TRY(bind_first());
    for (size_t i = 0; i < segment.region->launches.size(); ++i) {
      One one;
      one.run = this;
      one.segment = &segment;
      one.index = i;
      // Measuring waits for the step: what it found is there. A step that runs regions cannot be recorded.
      const bool together = segment.region->launches[i].kernel != nullptr;
      TN_ASSIGN(std::vector<double> times, setting_.stream->measure(one, 1, together));
      sink(region_.steps[segment.begin + i], times.front());
    }
    if (s + 1 < segments_.size()) TN_TRY(find_sizes(segment, {}, nullptr));
  }
  return {};
}

// ── a step that runs regions ──

ControlRun::ControlRun(RunSetting& setting, const plan::Step& step, const std::vector<RegionKernels>& kernels)
    : setting_(setting), step_(step) {
  bodies_.resize(step.bodies.size());
  for (size_t b = 0; b < bodies_.size(); ++b) {
    // Of a branch: what it computes may be as large as it finds, up to what the step's tensor holds.
    auto measure = [this, b](const DimValues& dims, std::vector<int64_t>& bytes) -> Status {
      const plan::Region& region = step_.bodies[b];
      const size_t inputs = bodies_[b].inputs.size();
      for (const plan::Value& v : region.values) {
        if (v.kind != plan::ValueKind::output || v.view_of != plan::kNoView || bytes[inputs + v.index] >= 0) continue;
        if (std::ranges::any_of(v.dims, [&](uint32_t d) { return !dims.has(d); })) continue;
        TN_ASSIGN(std::vector<int64_t> own, dims_of(setting_.plan, dims, v.dims, fmt::format("output {} of a branch", v.index)));
        const std::optional<int64_t> size = plan::storage_bytes(v.dtype, kLinear, own);
        if (!size || *size > room_[v.index])
          return fail(Code::invalid_plan, "output {} of a branch has more bytes than the {} that the plan reserves", v.index, room_[v.index]);
        bytes[inputs + v.index] = *size;
      }
      return {};
    };
    bodies_[b].run = std::make_unique<RegionRun>(setting, step.bodies[b], kernels[b], true, std::move(measure));
  }
}

ControlRun::~ControlRun() = default;

Status ControlRun::prepare(const KnownSymbols& symbols, const LaunchCall& call, const ControlRun* other) {
  room_.clear();
  for (size_t i = 0; i < computed(); ++i) room_.push_back(storage_bytes(call.outputs[i]));
  // What may never run at this shape fails when it is to: a branch, the body of a loop without iterations.
  const DimValues dims(setting_.plan, symbols);
  for (size_t b = 0; b < bodies_.size(); ++b) {
    bodies_[b].prepared = prepare_body(b, symbols, call, other);
    if (must_run(step_, dims)) TN_TRY(std::exchange(bodies_[b].prepared, Status()));
  }
  return {};
}

Status ControlRun::prepare_body(size_t body, const KnownSymbols& symbols, const LaunchCall& call, const ControlRun* other) {
  Body& own = bodies_[body];
  const DimValues dims(setting_.plan, symbols);
  TN_ASSIGN(own.bytes, body_bytes(setting_.plan, step_, body, call.inputs, call.outputs, dims));
  const size_t inputs = own.bytes.size() - computed();
  own.inputs.resize(inputs);
  own.outputs.resize(computed());
  if (step_.control.kind == plan::ControlKind::loop) {
    TN_ASSIGN(workspace_, loop_workspace(step_, call.outputs, std::span(own.bytes).subspan(inputs + step_.control.split)));
  }
  return own.run->prepare(symbols, own.bytes, inputs, other ? other->bodies_[body].run.get() : nullptr);
}

uint64_t ControlRun::scratch_bytes() const {
  uint64_t most = 0;
  for (const Body& body : bodies_) most = std::max(most, body.run->scratch_bytes());
  return most;
}

uint64_t ControlRun::host_scratch_bytes() const {
  uint64_t most = 0;
  for (const Body& body : bodies_) most = std::max(most, body.run->host_scratch_bytes());
  return most;
}

Status ControlRun::launch(const LaunchCall& call, const Lane& lane, const KnownSymbols& known, const Within* around) {
  if (lane.captured) return fail(Code::unsupported, "a run whose course the inputs decide cannot be recorded");
  const DimValues dims(setting_.plan, known);
  if (!dims.has(step_.control.selector)) return tl::unexpected<Error>(explain_dim(setting_.plan, dims, step_.control.selector));
  const int64_t selected = dims.value(step_.control.selector);
  if (step_.control.kind == plan::ControlKind::loop) return launch_loop(call, lane, std::max<int64_t>(selected, 0), around);
  return launch_branch(call, lane, selected != 0 ? 0 : 1, around);
}

Status ControlRun::copy(void* to, const void* from, int64_t bytes, const Lane& lane) const {
  if (bytes <= 0) return {};
  if (!setting_.on_host()) return setting_.engine.device().copy(to, from, static_cast<uint64_t>(bytes), Direction::within, lane.queue);
  std::memcpy(to, from, static_cast<size_t>(bytes));
  return {};
}

// The host's memory for the sizes may hold another value until the device has done what was queued.
Status ControlRun::tell_sizes(const LaunchCall& call, const Lane& lane, std::span<const int64_t> sizes) {
  if (sizes.empty()) return {};
  if (!setting_.on_host()) TN_TRY(setting_.stream->drain(lane));
  std::ranges::copy(sizes, call.outputs.back().as<int64_t>());
  return {};
}

// What is carried lies in the step's output and in the workspace by turns: so that the last iteration writes the output
// where their number is known, else beginning there.
Status ControlRun::launch_loop(const LaunchCall& call, const Lane& lane, int64_t trips, const Within* around) {
  Body& body = bodies_[0];
  if (!body.prepared && trips > 0) return tl::unexpected<Error>(body.prepared.error());
  if (trips == 0) TN_TRY(check_carried(step_, call.inputs, call.outputs));
  const plan::Control& control = step_.control;
  const size_t carried = control.split, scans = control.reversed.size(), inputs = body.inputs.size();
  const bool conditional = control.condition != plan::kNoSymbol;
  for (size_t s = 0; s < scans; ++s)
    if (const Arg& out = call.outputs[carried + s]; trips > out.dims[0])
      return fail(Code::invalid_plan, "it makes {} iterations, its scan output {} has {} slices", trips, s, out.dims[0]);
  std::byte* const workspace = call.outputs[computed()].as<std::byte>();
  std::byte* const host_workspace = call.outputs[computed() + 1].as<std::byte>();
  for (size_t i = 0; i < inputs; ++i) body.inputs[i] = call.inputs[i].data;
  auto slice_bytes = [&](size_t s) { return body.bytes[inputs + carried + s]; };
  auto in_output = [&](int64_t t) { return (conditional ? t : trips - 1 - t) % 2 == 0; };
  int64_t done = 0;
  for (bool more = true; more && done < trips; ++done) {
    for (size_t c = 0; c < carried; ++c) {
      if (done > 0) body.inputs[c] = body.outputs[c];
      body.outputs[c] = in_output(done) ? call.outputs[c].data : workspace + workspace_.carried[c];
    }
    auto slot_of = [&](size_t s) {
      return call.outputs[carried + s].as<std::byte>() + slice_bytes(s) * (control.reversed[s] ? trips - 1 - done : done);
    };
    auto in_place = [&](size_t s) { return setting_.on_host() || slice_bytes(s) % kDeviceAlignment == 0; };
    for (size_t s = 0; s < scans; ++s) body.outputs[carried + s] = in_place(s) ? slot_of(s) : workspace + workspace_.slices[s];
    body.run->bind(workspace, host_workspace, body.inputs, body.outputs);
    const Within within{around, step_.name, done, {}};
    TN_TRY(body.run->launch(lane, &within, nullptr));
    for (size_t s = 0; s < scans; ++s)
      if (!in_place(s)) TN_TRY(copy(slot_of(s), workspace + workspace_.slices[s], slice_bytes(s), lane));
    if (conditional) more = body.run->found()[control.condition].value_or(0) != 0;
  }
  for (size_t c = 0; c < carried; ++c) {
    const Arg& out = call.outputs[c];
    const void* last = done > 0 ? body.outputs[c] : call.inputs[c].data;
    if (last != out.data) TN_TRY(copy(out.data, last, storage_bytes(out), lane));
  }
  if (step_.found.empty()) return {};
  return tell_sizes(call, lane, {&done, 1});
}

Status ControlRun::launch_branch(const LaunchCall& call, const Lane& lane, size_t taken, const Within* around) {
  Body& body = bodies_[taken];
  const Within within{around, step_.name, 0, taken == 0 ? "then" : "else"};
  if (!body.prepared) {
    Error error = body.prepared.error();
    return trail(std::move(error), "in branch '{}'", text_of(&within));
  }
  const size_t first = taken == 0 ? 0 : step_.control.split;
  for (size_t i = 0; i < body.inputs.size(); ++i) body.inputs[i] = call.inputs[first + i].data;
  for (size_t i = 0; i < body.outputs.size(); ++i) body.outputs[i] = call.outputs[i].data;
  body.run->bind(call.outputs[computed()].as<std::byte>(), call.outputs[computed() + 1].as<std::byte>(), body.inputs, body.outputs);
  TN_TRY(body.run->launch(lane, &within, nullptr));
  const std::vector<uint32_t>& wanted = step_.control.sizes[taken];
  if (wanted.empty()) return {};
  const DimValues dims(setting_.plan, body.run->found());
  TN_ASSIGN(std::vector<int64_t> sizes, dims_of(setting_.plan, dims, wanted, "what a branch computes"));
  return tell_sizes(call, lane, sizes);
}

}  // namespace tenon
