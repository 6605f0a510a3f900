#include "base/cpu.h"
#include "base/hash.h"
#include "base/json.h"
#include "plan/serialize.h"

namespace tenon::plan {
namespace {

std::string operand(const Plan& plan, uint32_t index);

std::string text(const Plan& plan, const DimExpr& e) {
  static constexpr std::string_view kNames[] = {"constant", "symbol", "add", "sub", "mul",      "floordiv",
                                                "ceildiv",  "mod",    "max", "min", "broadcast"};
  if (e.op == DimOp::constant) return std::to_string(e.value);
  if (e.op == DimOp::symbol) return plan.symbols[e.value].name;
  return fmt::format("{}({}, {})", kNames[static_cast<size_t>(e.op)], operand(plan, e.a), operand(plan, e.b));
}

// Constants and symbols as they are, other entries of the table by number: d7.
std::string operand(const Plan& plan, uint32_t index) {
  const DimExpr& e = plan.dims[index];
  return e.op <= DimOp::symbol ? text(plan, e) : fmt::format("d{}", index);
}

template <class List, class F>
std::string joined(const List& list, F&& to_text) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ",") + to_text(item);
  return out;
}

std::string type_text(DType dtype, Format format, const std::string& dims) {
  std::string out = fmt::format("{}[{}]", name_of(dtype), dims);
  return format == kLinear ? out : out + " " + name_of(format);
}

std::string type_text(const Plan& plan, const Value& v) {
  return type_text(v.dtype, v.format, joined(v.dims, [&](uint32_t d) { return operand(plan, d); }));
}

std::string type_text(DType dtype, Format format, const std::vector<int64_t>& dims) {
  return type_text(dtype, format, joined(dims, [](int64_t d) { return std::to_string(d); }));
}

std::string place(const Value& v) {
  switch (v.kind) {
    case ValueKind::arena: return fmt::format("arena {} bytes {}", v.offset, v.max_bytes);
    case ValueKind::weight: return fmt::format("weight {}", v.index);
    case ValueKind::input: return fmt::format("input {}", v.index);
    case ValueKind::output: return fmt::format("output {}", v.index);
    case ValueKind::absent: return "absent";
    case ValueKind::found: return "taken in the run";
    default: return "?";
  }
}

Json numbers(const std::vector<uint32_t>& list) { return Json(list); }

Json control_json(const Plan& plan, const Control& control) {
  Json out = {{"kind", control.kind == ControlKind::loop ? "loop" : "branch"},
              {control.kind == ControlKind::loop ? "trips" : "which", operand(plan, control.selector)},
              {control.kind == ControlKind::loop ? "carried" : "inputs_of_first", int64_t{control.split}}};
  if (control.condition != kNoSymbol) out["condition"] = plan.symbols[control.condition].name;
  if (!control.reversed.empty()) out["reversed"] = numbers(control.reversed);
  for (const std::vector<uint32_t>& sizes : control.sizes) {
    Json dims = Json::array();
    for (uint32_t dim : sizes) dims.push_back(operand(plan, dim));
    if (!sizes.empty()) out["sizes"].push_back(std::move(dims));
  }
  return out;
}

Json region_json(const Plan& plan, const Region& region) {
  Json values = Json::array(), steps = Json::array();
  for (const Value& v : region.values) {
    Json item = {{"type", v.kind == ValueKind::absent ? "none" : type_text(plan, v)}, {"place", place(v)}};
    if (v.view_of != kNoView) item["view_of"] = v.view_of;
    values.push_back(std::move(item));
  }
  for (const Step& s : region.steps) {
    Json item = {{"name", s.name},
                 {"kernel", s.kernel},
                 {"inputs", numbers(s.inputs)},
                 {"outputs", numbers(s.outputs)}};
    item["params"] = fmt::format("{} bytes {:016x}", s.params.size(), hash_bytes(s.params));
    for (const DimParam& p : s.dim_params)
      item["dim_params"].push_back(fmt::format("{}: {}", p.offset, operand(plan, p.dim)));
    for (uint32_t symbol : s.found) item["found"].push_back(plan.symbols[symbol].name);
    for (uint32_t origin : s.origins) {
      const auto& [name, type] = plan.origins[origin];
      item["origins"].push_back({{"name", name}, {"op_type", type}});
    }
    if (s.control.kind != ControlKind::none) item["control"] = control_json(plan, s.control);
    for (const Region& body : s.bodies) item["bodies"].push_back(region_json(plan, body));
    steps.push_back(std::move(item));
  }
  Json out = {{"arena_bytes", region.arena_bytes}};
  if (region.host_arena_bytes) out["host_arena_bytes"] = region.host_arena_bytes;
  out["values"] = std::move(values);
  out["steps"] = std::move(steps);
  return out;
}

Json bindings_json(const Plan& plan, const std::vector<Binding>& list) {
  Json out = Json::array();
  for (const Binding& b : list) {
    std::string dims = joined(b.dims, [&](uint32_t d) { return operand(plan, d); });
    out.push_back({{"name", b.name}, {"type", type_text(b.dtype, kLinear, dims)}});
  }
  return out;
}

Json profiles_json(const Plan& plan) {
  Json out = Json::array();
  for (const Profile& p : plan.profiles) {
    Json ranges = Json::object();
    for (size_t i = 0; i < p.symbols.size(); ++i)
      ranges[plan.symbols[i].name] = {
          {"min", p.symbols[i].min}, {"opt", p.symbols[i].opt}, {"max", p.symbols[i].max}};
    Json profile = {{"name", p.name}, {"ranges", std::move(ranges)}};
    profile.update(region_json(plan, p.region));
    out.push_back(std::move(profile));
  }
  return out;
}

Json refit_json(const Plan& plan) {
  Json sources = Json::array(), programs = Json::array(), pins = Json::array();
  for (const RefitSource& s : plan.sources)
    sources.push_back({{"name", s.name}, {"type", type_text(s.dtype, kLinear, s.dims)}});
  for (const RefitProgram& p : plan.programs) {
    Json program = {{"device", p.device}, {"sources", numbers(p.sources)}, {"weights", numbers(p.weights)}};
    program.update(region_json(plan, p.region));
    programs.push_back(std::move(program));
  }
  for (const Pin& p : plan.pins)
    pins.push_back({{"name", p.name},
                    {"reason", p.reason},
                    {"type", type_text(p.dtype, kLinear, p.dims)},
                    {"value", fmt::format("{:016x}", hash_bytes(p.value))}});
  return {{"sources", std::move(sources)}, {"programs", std::move(programs)}, {"pins", std::move(pins)}};
}

Json plan_json(const Plan& plan) {
  Json out = {{"network", plan.network},
              {"target",
               {{"device", plan.target.device},
                {"cpu_features", cpu_feature_names(plan.target.cpu_features)},
                {"libraries", plan.target.libraries},
                {"threads", plan.target.threads}}},
              {"inputs", bindings_json(plan, plan.inputs)},
              {"outputs", bindings_json(plan, plan.outputs)}};
  out["dims"] = Json::object();
  for (size_t i = 0; i < plan.dims.size(); ++i)
    if (plan.dims[i].op > DimOp::symbol) out["dims"][fmt::format("d{}", i)] = text(plan, plan.dims[i]);
  if (!plan.target.architecture.empty()) {
    out["target"]["architecture"] = plan.target.architecture;
    out["target"]["product"] = plan.target.product;
  }
  for (const Image& i : plan.images)
    out["images"].push_back({{"key", fmt::format("{:016x}", i.key)}, {"bytes", i.bytes}});
  out["profiles"] = profiles_json(plan);
  out["weights"] = Json::array();
  for (const Weight& w : plan.weights)
    out["weights"].push_back({{"type", type_text(w.dtype, w.format, w.dims)},
                              {"bytes", w.bytes},
                              {"hash", fmt::format("{:016x}", w.hash)}});
  out["refit"] = refit_json(plan);
  return out;
}

// One line per scalar and per object of scalars: "profiles.0.steps.3  kernel=… inputs=[0,1]".
void flatten(const Json& json, const std::string& path, std::string& out) {
  auto is_leaf = [](const Json& j) {
    auto structured = [](const Json& item) { return item.is_structured(); };
    auto structured_member = [](const auto& member) { return member.second.is_structured(); };
    if (j.is_array()) return std::none_of(j.elements().begin(), j.elements().end(), structured);
    return !j.is_object() || std::none_of(j.items().begin(), j.items().end(), structured_member);
  };
  auto leaf_text = [](const Json& j) { return j.is_string() ? j.text() : j.dump(); };
  if (!json.is_object() || json.empty()) {
    if (is_leaf(json)) {
      out += path + "  " + leaf_text(json) + "\n";
    } else {
      for (size_t i = 0; i < json.size(); ++i)
        flatten(json.elements()[i], fmt::format("{}.{}", path, i), out);
    }
    return;
  }
  std::string line;
  for (const auto& [key, item] : json.items())
    if (is_leaf(item) && !(item.is_object() && !item.empty()))
      line += fmt::format("  {}={}", key, leaf_text(item));
  if (!line.empty()) out += path + line + "\n";
  for (const auto& [key, item] : json.items())
    if (!is_leaf(item) || (item.is_object() && !item.empty()))
      flatten(item, path.empty() ? key : path + "." + key, out);
}

}  // namespace

std::string dump(const Plan& plan) {
  std::string out;
  flatten(plan_json(plan), "", out);
  return out;
}

std::string dump_json(const Plan& plan) { return plan_json(plan).dump(2); }

}  // namespace tenon::plan
