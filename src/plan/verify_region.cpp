#include "plan/verify_region.h"

#include <algorithm>
#include <map>
#include <set>

#include "plan/verify.h"

namespace tenon::plan {
namespace {

constexpr size_t kMaxParamBytes = 1 << 20;
constexpr uint32_t kNever = UINT32_MAX;

// Steps between which a value that is no view holds data that something reads.
struct Life {
  uint32_t first = kNever, last = 0;
  std::map<uint64_t, uint64_t> written;  // runs of bytes that steps have written so far: begin, end
};

class RegionCheck {
 public:
  RegionCheck(const Plan& plan, const Region& region, const Boundary& boundary, const Limits& limits, std::set<uint32_t>& found)
      : plan_(plan), region_(region), boundary_(boundary), limits_(limits), lives_(region.values.size()), found_(found) {}

  Status run() {
    if (region_.values.size() >= kNoView || region_.steps.size() >= kNever)
      return fail(Code::invalid_plan, "the region has too many values or steps");
    for (uint64_t bytes : {region_.arena_bytes, region_.host_arena_bytes})
      if (bytes > static_cast<uint64_t>(limits_.arena_bytes))
        return fail(Code::limit_exceeded, "the arena needs {} bytes, the limit arena_bytes is {}", bytes,
                    limits_.arena_bytes);
    for (uint32_t i = 0; i < region_.values.size(); ++i)
      if (Status status = check_value(i); !status) return trail(std::move(status.error()), "in value {}", i);
    TN_TRY(check_boundary());
    for (uint32_t i = 0; i < region_.steps.size(); ++i)
      if (Status status = check_step(i); !status)
        return trail(std::move(status.error()), "in step {} '{}'", i, region_.steps[i].name);
    for (uint32_t i = 0; i < region_.values.size(); ++i) {
      const Value& v = region_.values[i];
      if (v.kind == ValueKind::output && v.view_of == kNoView && lives_[i].first == kNever)
        return fail(Code::invalid_plan, "no step writes value {}, which is output {}", i, v.index);
    }
    if (!boundary_.constant && boundary_.depth == 0) TN_TRY(check_all_found());
    return check_arena();
  }

 private:
  // Every symbol that no input gives is found, and none that one gives.
  Status check_all_found() const {
    std::vector<bool> given(plan_.symbols.size());
    for (const Binding& input : plan_.inputs)
      for (uint32_t d : input.dims)
        if (plan_.dims[d].op == DimOp::symbol) given[static_cast<size_t>(plan_.dims[d].value)] = true;
    for (uint32_t symbol = 0; symbol < given.size(); ++symbol) {
      const bool found = found_.count(symbol) > 0;
      if (found != given[symbol]) continue;
      if (found) return fail(Code::invalid_plan, "a step finds symbol '{}', which an input's dim gives", plan_.symbols[symbol].name);
      return fail(Code::invalid_plan, "no input of the plan has a dim that is symbol '{}', and no step finds it",
                  plan_.symbols[symbol].name);
    }
    return {};
  }

  Status check_value(uint32_t i) {
    const Value& v = region_.values[i];
    if (v.kind == ValueKind::absent) {
      if (v.dtype == DType::none && v.format == kLinear && v.dims.empty() && v.index == 0 && v.offset == 0 &&
          v.max_bytes == 0 && v.view_of == kNoView)
        return {};
      return fail(Code::invalid_plan, "an absent value must have no type, dims or memory");
    }
    if (v.kind > ValueKind::absent && v.kind != ValueKind::found)
      return fail(Code::unsupported, "the value's kind is {}: this version runs tensors only",
                  static_cast<int>(v.kind));
    if (size_of(v.dtype) == 0)
      return fail(Code::invalid_plan, "element type {} is not one that a tensor can have here",
                  static_cast<int>(v.dtype));
    if (!is_known(v.format) || (!is_linear(v.format) && v.dims.size() < 2))
      return fail(Code::invalid_plan, "layout {} with block {} is not one that {} dims can have",
                  static_cast<int>(v.format.layout), v.format.block, v.dims.size());
    if (v.format.place != Place::device && (boundary_.constant || plan_.target.device == "cpu"))
      return fail(Code::invalid_plan, "it has a place, which no value has on the host");
    if (v.dtype == DType::string) TN_TRY(check_texts_value(v));
    TN_TRY(check_dims(v.dims, plan_, "value", ""));
    if (boundary_.constant)
      for (uint32_t d : v.dims)
        if (plan_.dims[d].op != DimOp::constant)
          return fail(Code::invalid_plan, "dim table entry {} is not constant, as a refit program's must be",
                      d);
    return v.view_of == kNoView ? check_memory(v) : check_view(i);
  }

  // Strings lie on the host, one view beside the other, and no refit makes them.
  Status check_texts_value(const Value& v) const {
    if (boundary_.constant) return fail(Code::invalid_plan, "it is of strings, which no refit program's value is");
    const bool on_host = plan_.target.device == "cpu" || v.format.place == Place::host;
    if (on_host && is_linear(v.format)) return {};
    return fail(Code::invalid_plan, "it is of strings, which must lie on the host, in order");
  }

  Status check_view(uint32_t i) const {
    const Value& v = region_.values[i];
    if (v.view_of >= i || region_.values[v.view_of].view_of != kNoView)
      return fail(Code::invalid_plan, "it views value {}, expected an earlier one that is no view",
                  v.view_of);
    const Value& of = region_.values[v.view_of];
    if (is_piece(region_, v)) return check_piece(v, of);
    bool same_memory = v.kind == of.kind && v.dtype == of.dtype && v.index == of.index &&
                       v.offset == of.offset && v.max_bytes == of.max_bytes;
    bool same_order = v.format == of.format && (is_linear(v.format) || v.dims == of.dims);
    if (same_memory && same_order) return {};
    return fail(Code::invalid_plan, "it views value {} but differs from it in kind, type, memory or format",
                v.view_of);
  }

  Status check_piece(const Value& v, const Value& of) const {
    const bool same = v.kind == of.kind && v.dtype == of.dtype && v.index == of.index && v.format == of.format;
    const bool within = v.offset % 64 == 0 && v.offset >= of.offset && v.max_bytes > 0 && v.max_bytes <= of.max_bytes &&
                        v.offset - of.offset <= of.max_bytes - v.max_bytes;
    if (!same || !within || v.kind != ValueKind::arena || v.dtype == DType::string)
      return fail(Code::invalid_plan, "it is a piece of value {} but differs from it in kind, type or format, or does not lie within it",
                  v.view_of);
    return {};
  }

  Status check_memory(const Value& v) const {
    if (v.kind == ValueKind::arena) {
      uint64_t arena = v.format.place == Place::device ? region_.arena_bytes : region_.host_arena_bytes;
      if (v.index == 0 && v.offset % 64 == 0 && v.offset <= arena && v.max_bytes <= arena - v.offset) return {};
      return fail(Code::invalid_plan,
                  "its memory at {} with {} bytes does not lie within the arena of {} bytes", v.offset,
                  v.max_bytes, arena);
    }
    if (v.kind == ValueKind::found) {
      if (!boundary_.constant && v.index == 0 && v.offset == 0 && v.max_bytes == 0) return {};
      return fail(Code::invalid_plan, "its memory is taken in the run: it has neither index nor place, nor is it a refit program's");
    }
    if (v.offset != 0 || v.max_bytes != 0)
      return fail(Code::invalid_plan, "only arena values have an offset and max_bytes");
    if (v.kind == ValueKind::weight) return check_weight(v);
    const auto& ports = v.kind == ValueKind::input ? boundary_.inputs : boundary_.outputs;
    const char* what = v.kind == ValueKind::input ? "input" : "output";
    if (v.index >= ports.size())
      return fail(Code::invalid_plan, "it is {} {} of {}", what, v.index, ports.size());
    const Port& port = ports[v.index];
    if (v.dtype != port.dtype || v.format != port.format)
      return fail(Code::invalid_plan, "it is {} {} but differs from it in element type or format", what,
                  v.index);
    if (boundary_.constant &&
        storage_bytes(v.dtype, v.format, constants(v)) != storage_bytes(port.dtype, port.format, port.dims))
      return fail(Code::invalid_plan, "it is {} {} but differs from it in size", what, v.index);
    if (boundary_.constant && !is_linear(v.format) && constants(v) != port.dims)
      return fail(Code::invalid_plan, "it is {} {} but differs from it in dims", what, v.index);
    return {};
  }

  Status check_weight(const Value& v) const {
    if (v.index >= plan_.weights.size())
      return fail(Code::invalid_plan, "it is weight {} of {}", v.index, plan_.weights.size());
    const Weight& w = plan_.weights[v.index];
    for (uint32_t d : v.dims)
      if (plan_.dims[d].op != DimOp::constant)
        return fail(Code::invalid_plan, "it is a weight with a dim that varies");
    Format format = boundary_.constant ? on_host(w.format) : w.format;
    if (v.dtype == w.dtype && v.format == format && constants(v) == w.dims) return {};
    return fail(Code::invalid_plan, "it is weight {} but differs from it in type, dims or format", v.index);
  }

  std::vector<int64_t> constants(const Value& v) const {
    std::vector<int64_t> out;
    for (uint32_t d : v.dims) out.push_back(plan_.dims[d].value);
    return out;
  }

  // Each input, output and weight has one value at most; each output has one.
  Status check_boundary() const {
    std::vector<bool> seen[3] = {std::vector<bool>(plan_.weights.size()),
                                 std::vector<bool>(boundary_.inputs.size()),
                                 std::vector<bool>(boundary_.outputs.size())};
    for (const Value& v : region_.values) {
      if (v.view_of != kNoView || v.kind == ValueKind::arena || v.kind == ValueKind::absent || v.kind == ValueKind::found) continue;
      auto& list = seen[static_cast<int>(v.kind) - static_cast<int>(ValueKind::weight)];
      if (list[v.index])
        return fail(Code::invalid_plan, "two values of kind {} stand for number {}", static_cast<int>(v.kind),
                    v.index);
      list[v.index] = true;
    }
    auto missing = std::find(seen[2].begin(), seen[2].end(), false);
    if (missing == seen[2].end()) return {};
    return fail(Code::invalid_plan, "no value stands for output {}", missing - seen[2].begin());
  }

  Status check_step(uint32_t index) {
    const Step& s = region_.steps[index];
    constexpr size_t kMaxKernelName = 256;
    if (s.kernel.empty() || s.kernel.size() > kMaxKernelName || s.name.size() > size_t(limits_.name_bytes) ||
        s.kernel.find('\0') != s.kernel.npos || s.name.find('\0') != s.name.npos)
      return fail(Code::invalid_plan, "its kernel or name is no name");
    if (s.params.size() > kMaxParamBytes)
      return fail(Code::invalid_plan, "it has {} bytes of parameters, at most {} are allowed",
                  s.params.size(), kMaxParamBytes);
    TN_TRY(check_dim_params(s));
    for (uint32_t origin : s.origins)
      if (origin >= plan_.origins.size())
        return fail(Code::invalid_plan, "it comes from node {} of {}", origin, plan_.origins.size());
    for (uint32_t v : s.inputs) TN_TRY(read(v, index));
    for (uint32_t v : s.outputs) TN_TRY(written(v, index));
    if (s.outputs.empty()) return fail(Code::invalid_plan, "it writes nothing");
    if (!s.found.empty()) TN_TRY(check_found(s));
    return check_control(s);
  }

  bool is_dim(uint32_t entry) const { return entry < plan_.dims.size(); }

  // A step that runs regions: its tensors are where the runtime looks for them, and bodies are regions between them.
  Status check_control(const Step& s) {
    const Control& c = s.control;
    if (c.kind == ControlKind::none) {
      if (s.bodies.empty() && c == Control()) return {};
      return fail(Code::invalid_plan, "it has {} bodies, and runs none", s.bodies.size());
    }
    if (boundary_.constant) return fail(Code::invalid_plan, "a refit program's step runs regions");
    if (boundary_.depth + 1 >= kMostNested)
      return fail(Code::limit_exceeded, "regions lie within each other deeper than {}", kMostNested);
    const bool loop = c.kind == ControlKind::loop;
    const size_t sizes = s.found.empty() ? 0 : 1, computed = s.outputs.size() - std::min(s.outputs.size(), 2 + sizes);
    const bool fits = loop ? computed == c.split + c.reversed.size() && s.found.size() <= 1 && c.sizes[0].empty() && c.sizes[1].empty() &&
                                 s.bodies.size() == 1
                           : c.kind == ControlKind::branch && c.condition == kNoSymbol && c.reversed.empty() &&
                                 c.sizes[0].size() == s.found.size() && c.sizes[1].size() == s.found.size() && s.bodies.size() == 2;
    if (!fits || c.split > s.inputs.size() || s.outputs.size() < 2 + sizes || computed == 0)
      return fail(Code::invalid_plan, "its inputs, outputs or bodies do not fit what it runs");
    for (uint32_t reversed : c.reversed)
      if (reversed > 1) return fail(Code::invalid_plan, "it fills a scan output in order {}", reversed);
    bool dims = is_dim(c.selector);
    for (const auto& list : c.sizes) dims = dims && std::ranges::all_of(list, [&](uint32_t d) { return is_dim(d); });
    if (!dims || s.params.size() > 0 || s.dim_params.size() > 0)
      return fail(Code::invalid_plan, "it refers to entries beyond the dim table, or has parameters");
    TN_TRY(check_workspace(region_.values[s.outputs[computed]], Place::device));
    TN_TRY(check_workspace(region_.values[s.outputs[computed + 1]], plan_.target.device == "cpu" ? Place::device : Place::host));
    Boundary ports;
    ports.depth = boundary_.depth + 1;
    for (size_t i = 0; i < s.inputs.size(); ++i) TN_TRY(add_port(s.inputs[i], ports.inputs));
    for (size_t i = 0; i < computed; ++i) TN_TRY(add_port(s.outputs[i], ports.outputs));
    for (size_t body = 0; body < s.bodies.size(); ++body) {
      Boundary own = ports;
      if (!loop) {
        const auto split = ports.inputs.begin() + c.split;
        own.inputs = body == 0 ? std::vector<Port>(ports.inputs.begin(), split) : std::vector<Port>(split, ports.inputs.end());
      }
      std::set<uint32_t> found;
      if (Status status = check_region(plan_, s.bodies[body], own, limits_, &found); !status)
        return trail(std::move(status.error()), "in body {}", body);
      if (loop && c.condition != kNoSymbol && !found.count(c.condition))
        return fail(Code::invalid_plan, "its body does not find its condition, symbol {}", c.condition);
      for (uint32_t symbol : found)
        if (!found_.insert(symbol).second)
          return fail(Code::invalid_plan, "a body finds symbol '{}' a second time", plan_.symbols[symbol].name);
    }
    return {};
  }

  Status add_port(uint32_t value, std::vector<Port>& ports) const {
    const Value& v = region_.values[value];
    if (v.kind == ValueKind::absent || v.format != kLinear)
      return fail(Code::invalid_plan, "value {}, which a body takes or gives, is absent or not linear on the device", value);
    ports.push_back({v.dtype, v.format, {}});
    return {};
  }

  Status check_workspace(const Value& v, Place place) const {
    if (v.kind == ValueKind::absent) return {};
    if (v.kind == ValueKind::arena && v.view_of == kNoView && v.dtype == DType::u8 && v.format.layout == tenon::Layout::linear &&
        v.format.place == place && v.dims.size() == 1 && plan_.dims[v.dims[0]].op == DimOp::constant)
      return {};
    return fail(Code::invalid_plan, "its workspace must be a vector of bytes in the arena");
  }

  // The sizes that it finds are its alone, and lie where the host reads them.
  Status check_found(const Step& s) {
    if (boundary_.constant) return fail(Code::invalid_plan, "a refit program's step finds sizes");
    for (uint32_t symbol : s.found) {
      if (symbol >= plan_.symbols.size())
        return fail(Code::invalid_plan, "it finds symbol {} of {}", symbol, plan_.symbols.size());
      if (!found_.insert(symbol).second)
        return fail(Code::invalid_plan, "it finds symbol '{}' a second time", plan_.symbols[symbol].name);
    }
    const Value& v = region_.values[s.outputs.back()];
    const bool reachable = plan_.target.device == "cpu" || v.format.place == Place::host;
    if (v.kind == ValueKind::arena && v.view_of == kNoView && v.dtype == DType::i64 && v.dims.size() == 1 && reachable &&
        plan_.dims[v.dims[0]].op == DimOp::constant && plan_.dims[v.dims[0]].value == static_cast<int64_t>(s.found.size()))
      return {};
    return fail(Code::invalid_plan, "its last output must hold the {} sizes that it finds as i64 in the host's memory", s.found.size());
  }

  Status check_dim_params(const Step& s) const {
    uint64_t end = 0;
    for (const DimParam& p : s.dim_params) {
      uint64_t after = uint64_t{p.offset} + 8;
      if (p.offset % 8 != 0 || p.offset < end || after > s.params.size() || p.dim >= plan_.dims.size())
        return fail(Code::invalid_plan,
                    "its dim parameter at {} (entry {} of the dim table) does not lie within {} bytes, or "
                    "is out of order",
                    p.offset, p.dim, s.params.size());
      if (boundary_.constant) return fail(Code::invalid_plan, "a refit program's step has a dim parameter");
      end = after;
    }
    return {};
  }

  Status read(uint32_t v, uint32_t step) {
    if (v >= region_.values.size())
      return fail(Code::invalid_plan, "it reads value {} of {}", v, region_.values.size());
    uint32_t root = root_of(region_, v);
    ValueKind kind = region_.values[root].kind;
    bool is_written = kind == ValueKind::arena || kind == ValueKind::output || kind == ValueKind::found;
    if (is_written && !has_written(lives_[root], run_of(v)))
      return fail(Code::invalid_plan, "it reads value {} before any step has written it", v);
    lives_[root].last = std::max(lives_[root].last, step);
    return {};
  }

  Status written(uint32_t v, uint32_t step) {
    if (v >= region_.values.size())
      return fail(Code::invalid_plan, "it writes value {} of {}", v, region_.values.size());
    uint32_t root = root_of(region_, v);
    ValueKind kind = region_.values[root].kind;
    if (kind == ValueKind::absent) return {};
    if (kind != ValueKind::arena && kind != ValueKind::output && kind != ValueKind::found)
      return fail(Code::invalid_plan, "it writes value {}, which is an input or a weight", v);
    if (!add_run(lives_[root].written, run_of(v))) return fail(Code::invalid_plan, "it writes value {} a second time", v);
    lives_[root].first = std::min(lives_[root].first, step);
    lives_[root].last = std::max(lives_[root].last, step);
    return {};
  }

  // The bytes of the arena that a value takes; one that stands for all where it lies elsewhere, or takes none.
  std::pair<uint64_t, uint64_t> run_of(uint32_t v) const {
    const Value& value = region_.values[v];
    return {value.offset, value.offset + std::max<uint64_t>(value.max_bytes, 1)};
  }

  static bool has_written(const Life& life, std::pair<uint64_t, uint64_t> run) {
    auto next = life.written.upper_bound(run.first);
    return next != life.written.begin() && std::prev(next)->second >= run.second;
  }

  // Adds a run that overlaps none of the others; those that touch become one.
  static bool add_run(std::map<uint64_t, uint64_t>& runs, std::pair<uint64_t, uint64_t> run) {
    auto next = runs.lower_bound(run.first);
    if (next != runs.end() && next->first < run.second) return false;
    if (next != runs.begin() && std::prev(next)->second > run.first) return false;
    if (next != runs.end() && next->first == run.second) {
      run.second = next->second;
      next = runs.erase(next);
    }
    if (next != runs.begin() && std::prev(next)->second == run.first) std::prev(next)->second = run.second;
    else runs.insert(run);
    return true;
  }

  // Sweeps over the steps with the live values sorted by offset. A value that dies in a step where output 0
  // takes its place exactly leaves before the step's outputs come.
  Status check_arena() const {
    std::vector<std::vector<uint32_t>> dying(region_.steps.size());
    for (uint32_t i = 0; i < lives_.size(); ++i)
      if (holds_arena(i)) dying[lives_[i].last].push_back(i);
    std::map<uint64_t, uint32_t> lives[2];  // by place, then offset
    for (uint32_t s = 0; s < region_.steps.size(); ++s) {
      const Step& step = region_.steps[s];
      for (size_t o = 0; o < step.outputs.size(); ++o) {
        uint32_t root = root_of(region_, step.outputs[o]);
        if (!holds_arena(root)) continue;
        const Value& v = region_.values[root];
        auto& live = lives[static_cast<size_t>(v.format.place)];
        if (auto at = live.find(v.offset); at != live.end() && at->second == root) continue;  // another piece of it
        if (auto at = live.find(v.offset);
            o == 0 && at != live.end() && takes_over(step, s, root, at->second))
          live.erase(at);
        if (uint32_t other = overlapping(live, v); other != kNever)
          return fail(Code::invalid_plan,
                      "in step {} '{}': value {} lies over value {}, which is still needed", s, step.name,
                      root, other);
        live.emplace(v.offset, root);
      }
      for (uint32_t i : dying[s]) {
        auto& live = lives[static_cast<size_t>(region_.values[i].format.place)];
        if (auto at = live.find(region_.values[i].offset); at != live.end() && at->second == i)
          live.erase(at);
      }
    }
    return {};
  }

  bool holds_arena(uint32_t i) const {
    const Value& v = region_.values[i];
    return v.kind == ValueKind::arena && v.view_of == kNoView && v.max_bytes > 0 && lives_[i].first != kNever;
  }

  bool takes_over(const Step& step, uint32_t index, uint32_t output, uint32_t old) const {
    auto is_whole = [&](uint32_t v) { return !is_piece(region_, region_.values[v]); };
    auto is_of_old = [&](uint32_t v) { return root_of(region_, v) == old; };
    const bool is_input = std::ranges::any_of(step.inputs, is_of_old);
    const bool all_whole = std::ranges::all_of(step.inputs, [&](uint32_t v) { return !is_of_old(v) || is_whole(v); });
    return is_input && all_whole && is_whole(step.outputs[0]) && lives_[old].last == index &&
           region_.values[old].max_bytes == region_.values[output].max_bytes;
  }

  uint32_t overlapping(const std::map<uint64_t, uint32_t>& live, const Value& v) const {
    auto next = live.lower_bound(v.offset);
    if (next != live.end() && next->first < v.offset + v.max_bytes) return next->second;
    if (next == live.begin()) return kNever;
    const Value& before = region_.values[std::prev(next)->second];
    return before.offset + before.max_bytes > v.offset ? std::prev(next)->second : kNever;
  }

  const Plan& plan_;
  const Region& region_;
  const Boundary& boundary_;
  const Limits& limits_;
  std::vector<Life> lives_;  // of values that are no views
  std::set<uint32_t>& found_;  // symbols whose values steps find, of bodies too
};

}  // namespace

Status check_dims(std::span<const uint32_t> dims, const Plan& plan, std::string_view what,
                  std::string_view name) {
  if (dims.size() > kMaxRank)
    return fail(Code::invalid_plan, "{} '{}' has {} dims, at most {} are supported", what, name, dims.size(),
                kMaxRank);
  for (uint32_t d : dims)
    if (d >= plan.dims.size())
      return fail(Code::invalid_plan, "{} '{}' uses entry {} of a dim table of {}", what, name, d,
                  plan.dims.size());
  return {};
}

Status check_region(const Plan& plan, const Region& region, const Boundary& boundary, const Limits& limits,
                    std::set<uint32_t>* found) {
  std::set<uint32_t> own;
  return RegionCheck(plan, region, boundary, limits, found ? *found : own).run();
}

std::vector<InPlace> in_place_steps(const Region& region) {
  std::vector<InPlace> out;
  for (uint32_t s = 0; s < region.steps.size(); ++s) {
    const Step& step = region.steps[s];
    if (step.outputs.empty()) continue;
    const Value& o = region.values[step.outputs[0]];
    if (o.kind != ValueKind::arena || o.max_bytes == 0) continue;
    for (uint32_t i = 0; i < step.inputs.size(); ++i) {
      const Value& v = region.values[step.inputs[i]];
      if (v.kind == ValueKind::arena && v.format.place == o.format.place && v.offset < o.offset + o.max_bytes &&
          o.offset < v.offset + v.max_bytes)
        out.push_back({s, i});
    }
  }
  return out;
}

}  // namespace tenon::plan
