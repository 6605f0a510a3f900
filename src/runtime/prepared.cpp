#include "runtime/prepared.h"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

using plan::Region;
using plan::Step;
using plan::Value;
using plan::ValueKind;

bool same_tensor(const Arg& a, const Arg& b) {
  return a.dtype == b.dtype && a.format == b.format && std::ranges::equal(a.shape(), b.shape());
}

// Which of the step's inputs are a body's.
size_t body_first_input(const Step& step, size_t body) {
  return step.control.kind == plan::ControlKind::branch && body > 0 ? step.control.split : 0;
}
size_t body_input_count(const Step& step, size_t body) {
  if (step.control.kind == plan::ControlKind::loop) return step.inputs.size();
  return body == 0 ? step.control.split : step.inputs.size() - step.control.split;
}

// What stands for the address of memory that has no bytes: kernels may count on an address.
alignas(64) std::byte kNowhere[64];

}  // namespace

class RegionPreparation {
 public:
  RegionPreparation(const plan::Plan& plan, const Region& region, const RegionKernels& kernels,
                    const DimValues& dims, const PrepareOptions& options)
      : plan_(plan), region_(region), kernels_(kernels), dims_(dims), options_(options) {}

  Result<std::unique_ptr<PreparedRegion>> run() {
    TN_TRY(measure());
    TN_TRY(check_in_place());
    auto out = std::make_unique<PreparedRegion>();
    size_t args = 0;
    out->steps.reserve(end() - std::min(options_.first, end()));
    for (uint32_t i = options_.first; i < end(); ++i) {
      Result<std::shared_ptr<PreparedStep>> step = prepare(i);
      if (!step) return trail(std::move(step.error()), "{}", step_text(plan_, region_.steps[i]));
      args += (*step)->args.size();
      uint64_t& scratch = on_host(i) ? out->host_scratch_bytes : out->scratch_bytes;
      scratch = std::max<uint64_t>(scratch, (*step)->prepared.scratch_bytes);
      out->steps.push_back(std::move(*step));
    }
    out->args_.reserve(args);  // launches point into it
    out->sources_.reserve(args);
    out->launches.reserve(out->steps.size());
    for (uint32_t i = options_.first; i < end(); ++i) add_launch(i, *out);
    return out;
  }

 private:
  uint32_t end() const { return std::min(options_.end, static_cast<uint32_t>(region_.steps.size())); }

  bool runs_regions(uint32_t step) const { return region_.steps[step].control.kind != plan::ControlKind::none; }
  bool on_host(uint32_t step) const { return !runs_regions(step) && kernels_.kernels[step]->place == Place::host; }

  // Which entries of the dim table are the same at every shape.
  std::vector<bool> fixed_dims() const {
    std::vector<bool> fixed(plan_.dims.size());
    for (size_t i = 0; i < fixed.size(); ++i) {
      const plan::DimExpr& e = plan_.dims[i];
      if (e.op == plan::DimOp::constant) fixed[i] = true;
      else if (e.op != plan::DimOp::symbol) fixed[i] = fixed[e.a] && fixed[e.b];
      else if (static_cast<size_t>(e.value) < options_.ranges.size())
        fixed[i] = options_.ranges[e.value].min == options_.ranges[e.value].max;
    }
    return fixed;
  }

  // Every value's tensor at this shape, and that it fits its memory.
  Status measure() {
    const std::vector<bool> fixed = fixed_dims();
    tensors_.resize(region_.values.size());
    known_.assign(region_.values.size(), true);
    in_pieces_.assign(region_.values.size(), false);
    for (const Value& v : region_.values)
      if (plan::is_piece(region_, v)) in_pieces_[v.view_of] = true;
    std::vector<int64_t> bytes(region_.values.size());
    for (uint32_t i = 0; i < region_.values.size(); ++i) {
      const Value& v = region_.values[i];
      if (v.kind == ValueKind::absent) continue;
      Arg& arg = tensors_[i];
      arg.dtype = v.dtype;
      arg.format = v.format;
      arg.format.place = Place::device;  // kernels are not told where their tensors lie
      if (std::ranges::any_of(v.dims, [&](uint32_t dim) { return !dims_.has(dim); })) {
        known_[i] = false;  // a step that has it fails
        continue;
      }
      for (uint32_t dim : v.dims) {
        if (dims_.value(dim) < 0)
          return tl::unexpected<Error>(dims_of(plan_, dims_, v.dims, fmt::format("value {}", i)).error());
        if (fixed[dim]) arg.fixed_dims |= 1u << arg.rank;
        arg.dims[arg.rank++] = dims_.value(dim);
      }
      std::optional<int64_t> size = plan::storage_bytes(v.dtype, v.format, arg.shape());
      if (!size || *size > options_.limits.tensor_bytes)
        return fail(Code::limit_exceeded, "value {} is {}: more than the limit tensor_bytes ({})", i,
                    describe(arg), options_.limits.tensor_bytes);
      bytes[i] = *size;
      TN_TRY(check_size(i, bytes));
    }
    return {};
  }

  Status check_size(uint32_t i, const std::vector<int64_t>& bytes) const {
    const Value& v = region_.values[i];
    if (v.view_of != plan::kNoView && !plan::is_piece(region_, v)) {
      if (known_[v.view_of] && bytes[i] == bytes[v.view_of]) return {};
      if (!known_[v.view_of])
        return fail(Code::invalid_plan, "value {} ({}) views value {}, whose size is not known", i, describe(tensors_[i]), v.view_of);
      return fail(Code::invalid_plan, "value {} ({}, {} bytes) views value {}, which has {} bytes", i,
                  describe(tensors_[i]), bytes[i], v.view_of, bytes[v.view_of]);
    }
    if (v.kind == ValueKind::weight || v.kind == ValueKind::found) return {};  // verified with the plan; taken as it is
    if (v.kind == ValueKind::arena) {
      const auto needed = static_cast<uint64_t>(bytes[i]);
      // What a piece has of a value's memory it fills: nothing is read that no step wrote.
      const bool fills = !in_pieces_[v.view_of == plan::kNoView ? i : v.view_of] || (needed + 63) / 64 * 64 == v.max_bytes;
      if (needed <= v.max_bytes && fills) return {};
      return fail(Code::invalid_plan, "value {} ({}) needs {} bytes at this shape, the plan reserves {}", i,
                  describe(tensors_[i]), bytes[i], v.max_bytes);
    }
    int64_t expected = v.kind == ValueKind::input ? options_.inputs[v.index] : options_.outputs[v.index];
    if (bytes[i] == expected) return {};
    return fail(Code::invalid_plan, "value {} ({}) has {} bytes, the {} {} that it stands for has {}", i,
                describe(tensors_[i]), bytes[i], v.kind == ValueKind::input ? "input" : "output", v.index,
                expected);
  }

  Status check_in_place() const {
    for (const plan::InPlace& p : kernels_.in_place) {
      if (p.step < options_.first || p.step >= end()) continue;
      const Step& step = region_.steps[p.step];
      const Arg &in = tensors_[step.inputs[p.input]], &out = tensors_[step.outputs[0]];
      if (!same_tensor(in, out))
        return fail(Code::invalid_plan, "{} would run in place, but input {} is {} and its output {}",
                    step_text(plan_, step), p.input, describe(in), describe(out));
    }
    return {};
  }

  Result<std::shared_ptr<PreparedStep>> prepare(uint32_t index) const {
    const Step& step = region_.steps[index];
    auto out = std::make_shared<PreparedStep>();
    out->params.resize((step.params.size() + 7) / 8);
    if (!step.params.empty()) std::memcpy(out->params.data(), step.params.data(), step.params.size());
    for (const plan::DimParam& p : step.dim_params) {
      if (!dims_.has(p.dim)) return tl::unexpected<Error>(explain_dim(plan_, dims_, p.dim));
      out->params[p.offset / 8] = static_cast<uint64_t>(dims_.value(p.dim));
    }
    out->args.reserve(step.inputs.size() + step.outputs.size());
    for (const auto* list : {&step.inputs, &step.outputs})
      for (uint32_t v : *list) {
        if (!known_[v])
          return tl::unexpected<Error>(dims_of(plan_, dims_, region_.values[v].dims, fmt::format("value {}", v)).error());
        out->args.push_back(tensors_[v]);
      }
    const size_t at = index - options_.first;
    if (options_.other && at < options_.other->steps.size() && same(*options_.other->steps[at], *out)) return options_.other->steps[at];
    if (runs_regions(index)) {
      if (options_.bodies) TN_TRY(prepare_bodies(index, *out));
      return out;
    }
    PrepareCall call = {params_of(step, *out), inputs_of(step, out->args.data()),
                        outputs_of(step, out->args.data()), options_.threads, options_.session};
    Status prepared = prepare_kernel(*kernels_.kernels[index], call, out->prepared);
    if (!prepared && !(options_.collecting && prepared.error().code == Code::busy)) return tl::unexpected<Error>(std::move(prepared.error()));
    int64_t scratch = out->prepared.scratch_bytes;
    if (scratch < 0 || scratch > options_.limits.arena_bytes)
      return fail(Code::limit_exceeded, "the step needs {} bytes of scratch, the limit arena_bytes is {}",
                  scratch, options_.limits.arena_bytes);
    return out;
  }

  Status prepare_bodies(uint32_t index, const PreparedStep& prepared) const {
    const Step& step = region_.steps[index];
    for (size_t body = 0; body < step.bodies.size(); ++body) {
      Status status = prepare_body(index, body, prepared);
      // What cannot run at this shape fails when it is to: a branch, the body of a loop without iterations.
      if (!status && must_run(step, dims_)) return trail(std::move(status.error()), "in its body");
    }
    return {};
  }

  Status prepare_body(uint32_t index, size_t body, const PreparedStep& prepared) const {
    const Step& step = region_.steps[index];
    TN_ASSIGN(std::vector<int64_t> bytes, body_bytes(plan_, step, body, inputs_of(step, prepared.args.data()),
                                                     outputs_of(step, prepared.args.data()), dims_));
    const size_t inputs = body_input_count(step, body);
    PrepareOptions options = options_;
    options.inputs = std::span(bytes).first(inputs);
    options.outputs = std::span(bytes).subspan(inputs);
    options.other = nullptr;
    options.first = 0;
    options.end = UINT32_MAX;
    TN_TRY(prepare_region(plan_, step.bodies[body], kernels_.bodies[index][body], dims_, options));
    return {};
  }

  static bool same(const PreparedStep& a, const PreparedStep& b) {
    return a.params == b.params && std::ranges::equal(a.args, b.args, same_tensor);
  }

  static std::span<const std::byte> params_of(const Step& step, const PreparedStep& prepared) {
    return {reinterpret_cast<const std::byte*>(prepared.params.data()), step.params.size()};
  }
  static std::span<const Arg> inputs_of(const Step& step, const Arg* args) {
    return {args, step.inputs.size()};
  }
  static std::span<const Arg> outputs_of(const Step& step, const Arg* args) {
    return {args + step.inputs.size(), step.outputs.size()};
  }

  void add_launch(uint32_t index, PreparedRegion& out) const {
    const Step& step = region_.steps[index];
    const PreparedStep& prepared = *out.steps[index - options_.first];
    const Arg* args = out.args_.data() + out.args_.size();
    auto add_arg = [&](uint32_t value) {
      const Value& v = region_.values[value];
      const uint32_t root = v.view_of == plan::kNoView ? value : v.view_of;
      const uint32_t at = v.kind == ValueKind::found ? root : v.index;
      if (v.kind != ValueKind::absent)
        out.sources_.push_back({static_cast<uint32_t>(out.args_.size()), v.kind, v.format.place, at, v.offset});
      out.args_.push_back(tensors_[value]);
    };
    for (uint32_t v : step.inputs) add_arg(v);
    for (uint32_t v : step.outputs) {
      add_arg(v);
      const Value& value = region_.values[v];
      if (value.kind != ValueKind::found) continue;
      const auto bytes = static_cast<uint64_t>(*plan::storage_bytes(value.dtype, value.format, tensors_[v].shape()));
      out.found.push_back({value.view_of == plan::kNoView ? v : value.view_of, value.format.place, bytes});
    }
    LaunchCall call;
    call.params = params_of(step, prepared);
    call.inputs = inputs_of(step, args);
    call.outputs = outputs_of(step, args);
    call.state = prepared.prepared.state.get();
    out.launches.push_back({kernels_.kernels[index], call});
  }

  const plan::Plan& plan_;
  const Region& region_;
  const RegionKernels& kernels_;
  const DimValues& dims_;
  const PrepareOptions& options_;
  std::vector<Arg> tensors_;  // by value
  std::vector<bool> known_;   // by value: its dims are
  std::vector<bool> in_pieces_;  // by value: others are pieces of it
};

void PreparedRegion::bind(const Addresses& addresses) {
  for (const ArgSource& s : sources_) {
    void* data = nullptr;
    switch (s.kind) {
      case ValueKind::arena: {
        std::byte* arena = s.place == Place::device ? addresses.arena : addresses.host_arena;
        data = arena ? arena + s.offset : nullptr;
        break;
      }
      case ValueKind::weight: data = addresses.weights[s.index]; break;
      case ValueKind::input: data = addresses.inputs[s.index]; break;
      case ValueKind::output: data = addresses.outputs[s.index]; break;
      case ValueKind::found: data = addresses.found[s.index]; break;
      default: break;
    }
    args_[s.arg].data = data ? data : kNowhere;
  }
  for (Launch& launch : launches) {
    if (!launch.kernel) continue;
    void* scratch = launch.kernel->place == Place::host ? addresses.host_scratch : addresses.scratch;
    launch.call.scratch = scratch ? scratch : kNowhere;
    launch.call.texts = addresses.texts;
  }
}

namespace {

// A kernel reaches the memory of its own place, and the host's where it says so.
Status check_places(const Region& region, const Step& step, const Kernel& kernel) {
  auto check = [&](uint32_t value, Place expected, const char* what, size_t i) -> Status {
    const Value& v = region.values[value];
    if (v.kind == ValueKind::absent || v.format.place == expected) return {};
    return fail(Code::invalid_plan, "{} {} of step '{}' lies in memory that its kernel {} cannot reach", what, i,
                step.name, kernel.id);
  };
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    bool reads_host = i < 32 && (kernel.host_inputs >> i & 1);
    TN_TRY(check(step.inputs[i], reads_host ? Place::host : kernel.place, "input", i));
  }
  for (size_t i = 0; i < step.outputs.size(); ++i) TN_TRY(check(step.outputs[i], kernel.output_place, "output", i));
  return {};
}

// What the caller gets of strings never depends on memory of its own: the kernel that keeps them writes every output.
Status check_text_outputs(const Region& region, const Step& step, const Kernel& kernel) {
  for (uint32_t v : step.outputs) {
    const Value& value = region.values[v];
    if (value.kind != ValueKind::output || value.dtype != DType::string || kernel.id == kKeepTexts) continue;
    return fail(Code::invalid_plan, "kernel {} of step '{}' writes strings of output {}, which only {} does", kernel.id, step.name,
                value.index, kKeepTexts);
  }
  return {};
}

}  // namespace

Result<RegionKernels> find_kernels(const Region& region, const KernelTable& table, uint32_t cpu_features,
                                   bool on_host) {
  RegionKernels out;
  for (const Step& step : region.steps) {
    std::vector<RegionKernels>& bodies = out.bodies.emplace_back();
    for (const Region& body : step.bodies) {
      auto found = find_kernels(body, table, cpu_features, on_host);
      if (!found) return trail(std::move(found.error()), "in step '{}'", step.name);
      bodies.push_back(std::move(*found));
    }
    if (step.control.kind != plan::ControlKind::none) {
      for (const auto* list : {&step.inputs, &step.outputs})
        for (uint32_t v : *list)
          if (region.values[v].dtype == DType::string)
            return fail(Code::invalid_plan, "step '{}' runs regions, which take no tensors of strings", step.name);
      out.kernels.push_back(nullptr);
      continue;
    }
    const Kernel* kernel = table.find(step.kernel);
    if (!kernel)
      return fail(Code::incompatible_plan, "step '{}' runs kernel {}, which this library does not have",
                  step.name, step.kernel);
    if (uint32_t lacking = kernel->cpu_features & ~cpu_features)
      return fail(Code::incompatible_plan,
                  "step '{}' runs kernel {}, which needs {}: this processor does not have it", step.name,
                  step.kernel, cpu_feature_names(lacking));
    if (step.params.size() != kernel->params_size)
      return fail(Code::invalid_plan, "step '{}' has {} bytes of parameters, its kernel {} takes {}",
                  step.name, step.params.size(), step.kernel, kernel->params_size);
    TN_TRY(check_text_outputs(region, step, *kernel));
    if (!on_host) TN_TRY(check_places(region, step, *kernel));
    else if (kernel->place != Place::host)
      return fail(Code::invalid_plan, "step '{}' runs kernel {}, which does not run on the host", step.name, kernel->id);
    out.kernels.push_back(kernel);
  }
  out.in_place = plan::in_place_steps(region);
  for (const plan::InPlace& p : out.in_place) {
    const Kernel* kernel = out.kernels[p.step];
    if (p.input >= 32 || !kernel || !(kernel->in_place >> p.input & 1))
      return fail(Code::invalid_plan,
                  "step '{}' would write over its input {}, which kernel {} does not allow",
                  region.steps[p.step].name, p.input, region.steps[p.step].kernel);
  }
  return out;
}

Result<std::unique_ptr<PreparedRegion>> prepare_region(const plan::Plan& plan, const Region& region,
                                                       const RegionKernels& kernels, const DimValues& dims,
                                                       const PrepareOptions& options) {
  return RegionPreparation(plan, region, kernels, dims, options).run();
}

bool must_run(const Step& step, const DimValues& dims) {
  const uint32_t selector = step.control.selector;
  return step.control.kind == plan::ControlKind::loop && !(dims.has(selector) && dims.value(selector) <= 0);
}

Status check_carried(const Step& step, std::span<const Arg> inputs, std::span<const Arg> outputs) {
  for (size_t c = 0; c < step.control.split; ++c)
    if (inputs[c].dtype != outputs[c].dtype || storage_bytes(inputs[c]) != storage_bytes(outputs[c]))
      return fail(Code::invalid_argument, "what it carries is {} at first and {} in the end: a loop must not change its shape", describe(inputs[c]),
                  describe(outputs[c]));
  return {};
}

Result<std::vector<int64_t>> body_bytes(const plan::Plan& plan, const Step& step, size_t body, std::span<const Arg> inputs,
                                        std::span<const Arg> outputs, const DimValues& dims) {
  const bool loop = step.control.kind == plan::ControlKind::loop;
  const Region& region = step.bodies[body];
  const size_t first = body_first_input(step, body), count = body_input_count(step, body);
  const size_t computed = step.outputs.size() - 2 - !step.found.empty();
  if (loop) TN_TRY(check_carried(step, inputs, outputs));
  std::vector<int64_t> out;
  for (size_t i = 0; i < count; ++i) out.push_back(storage_bytes(inputs[first + i]));
  out.resize(count + computed, -1);
  for (uint32_t i = 0; i < region.values.size(); ++i) {
    const Value& v = region.values[i];
    if (v.view_of != plan::kNoView || (v.kind != ValueKind::input && v.kind != ValueKind::output)) continue;
    const bool is_input = v.kind == ValueKind::input;
    const Arg& outer = is_input ? inputs[first + v.index] : outputs[v.index];
    const bool known = std::ranges::all_of(v.dims, [&](uint32_t d) { return dims.has(d); });
    if (!known && !is_input && !loop) continue;
    const std::string what = fmt::format("{} {} of its body", is_input ? "input" : "output", v.index);
    TN_ASSIGN(std::vector<int64_t> own, dims_of(plan, dims, v.dims, what));
    const std::optional<int64_t> bytes = plan::storage_bytes(v.dtype, kLinear, own);
    if (!bytes) return fail(Code::limit_exceeded, "{} has more bytes than can be counted", what);
    // An output may be the memory of a tensor under other dims.
    int64_t wanted = storage_bytes(outer);
    if (!is_input && loop && v.index >= step.control.split) {
      if (outer.rank == 0) return fail(Code::invalid_plan, "scan output {} has no dims", v.index - step.control.split);
      wanted = plan::storage_bytes(outer.dtype, kLinear, outer.shape().subspan(1)).value_or(-1);
    }
    const bool fits = is_input ? std::ranges::equal(own, outer.shape())
                               : *bytes == wanted || (!loop && outer.rank == 1 && *bytes <= wanted);
    if (!fits)
      return fail(Code::invalid_argument, "{} is {}[{}] at these shapes, the tensor that it stands for is {}, of {} bytes: what a loop carries and "
                  "stacks must not change its shape", what, name_of(v.dtype), fmt::join(own, ","), describe(outer), wanted);
    out[is_input ? v.index : count + v.index] = *bytes;
  }
  if (loop) {
    const size_t split = count + step.control.split;
    TN_TRY(loop_workspace(step, outputs, std::span(out).subspan(split)));
    return out;
  }
  const Arg &device = outputs[computed], &host = outputs[computed + 1];
  if (region.arena_bytes <= static_cast<uint64_t>(storage_bytes(device)) && region.host_arena_bytes <= static_cast<uint64_t>(storage_bytes(host)))
    return out;
  return fail(Code::invalid_plan, "its workspace is smaller than the arena of body {}", body);
}

Result<LoopWorkspace> loop_workspace(const Step& step, std::span<const Arg> outputs, std::span<const int64_t> slice_bytes) {
  LoopWorkspace out;
  const size_t carried = step.control.split, computed = carried + slice_bytes.size();
  const uint64_t most = static_cast<uint64_t>(storage_bytes(outputs[computed]));
  uint64_t end = step.bodies[0].arena_bytes;
  auto place = [&](int64_t bytes) {
    const uint64_t offset = (end + 63) / 64 * 64;
    end = offset + static_cast<uint64_t>(std::max<int64_t>(bytes, 0));
    return offset;
  };
  for (size_t i = 0; i < carried; ++i) out.carried.push_back(place(storage_bytes(outputs[i])));
  for (int64_t bytes : slice_bytes) out.slices.push_back(place(bytes));
  if (end <= most && step.bodies[0].host_arena_bytes <= static_cast<uint64_t>(storage_bytes(outputs[computed + 1]))) return out;
  return fail(Code::invalid_plan, "its workspace of {} bytes is too small: {} are needed", most, end);
}

std::string step_text(const plan::Plan& plan, const Step& step, std::string_view within) {
  std::string out = fmt::format("in step '{}{}' (kernel {})", within, step.name, step.kernel);
  for (size_t i = 0; i < step.origins.size(); ++i) {
    const auto& [name, type] = plan.origins[step.origins[i]];
    out += fmt::format("{} {} '{}'", i ? "," : ", which computes", type, name);
  }
  return out;
}

}  // namespace tenon
