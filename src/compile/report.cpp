#include "compile/report.h"

#include <map>

#include "base/json.h"
#include "ir/control.h"

namespace tenon {
namespace {

Json timing(const Considered& considered) {
  if (!considered.failure.empty()) return {{"dropped", considered.failure}};
  switch (considered.timing.kind) {
    case Timing::Kind::measured: return {{"microseconds", considered.timing.microseconds}};
    case Timing::Kind::censored: return {{"slower_than_microseconds", considered.timing.microseconds}};
    case Timing::Kind::not_tried: return {{"not_tried", "the only candidate"}};
    case Timing::Kind::failed: break;  // considered.failure says why
  }
  return {};
}

Json candidate(const Considered& considered) {
  Json out = {{"tactic", considered.tactic->name}, {"kernel", considered.candidate.call.kernel}};
  if (!considered.candidate.config.empty()) out["config"] = considered.candidate.config;
  for (const Form& form : considered.candidate.inputs) out["inputs"].push_back(name_of(form));
  for (const Form& form : considered.candidate.outputs) out["outputs"].push_back(name_of(form));
  out.update(timing(considered));
  return out;
}

Json origins(const Graph& graph, const Node& node) {
  Json out = Json::array();
  for (uint32_t origin : node.origins)
    out.push_back(graph.origins[origin].name + " (" + graph.origins[origin].op_type + ")");
  return out;
}

const Candidate& chosen_of(const NodeReport& report) {
  return report.candidates[static_cast<size_t>(report.chosen)].candidate;
}

// At the shape that was timed; 0 of ops without products.
int64_t multiply_adds(const ReportInput& input, NodeView view) {
  const OpDef& op = *view.node().op;
  if (!op.multiply_adds) return 0;
  auto count = evaluate(op.multiply_adds(view), [&](std::string_view name) -> std::optional<int64_t> {
    const auto found = input.opt.find(name);
    return found == input.opt.end() ? std::nullopt : std::optional(found->second);
  });
  return count.value_or(0);
}

// What operands of products are stored or rounded as: "f16", "tf32".
std::string precision(NodeView view, const Candidate& candidate) {
  if (!candidate.math.empty()) return std::string(candidate.math);
  const Form form = candidate.inputs.empty() ? Form() : candidate.inputs[0];
  return std::string(name_of(full_form(form, view.input(0)).dtype));
}

Json multiply_adds_by_precision(const ReportInput& input) {
  std::map<std::string, int64_t> sums;
  for (const NodeReport& report : input.selection.nodes) {
    const NodeView view(input.placed, input.placed.node(report.node));
    if (const int64_t count = multiply_adds(input, view)) sums[precision(view, chosen_of(report))] += count;
  }
  Json out = Json::object();
  for (const auto& [name, count] : sums) out[name] = count;
  return out;
}

Json nodes(const ReportInput& input);

// The graphs that a node runs.
Json bodies(const ReportInput& input, const Node& placed) {
  Json out = Json::array();
  for (std::string_view name : {kBody, kThen, kElse}) {
    const GraphPtr graph = placed.attrs.get<GraphPtr>(name);
    const auto body = input.bodies.find(graph.get());
    if (body == input.bodies.end()) continue;
    const ReportInput inner{body->second.placed, body->second.selection, input.chosen, input.plan,   input.passes,
                            input.decisions,     input.opt,              input.phases, input.milliseconds, input.bodies, body->second.joined};
    out.push_back({{"name", name}, {"multiply_adds", multiply_adds_by_precision(inner)}, {"nodes", nodes(inner)}});
  }
  return out;
}

// In one line: the graphs that a node runs are told beside it.
std::string node_text(const Graph& graph, const NodeReport& report) {
  const Node& placed = graph.node(report.node);
  if (!placed.op->runs_graphs) return print(graph, report.node);
  std::string out;
  for (ValueId output : placed.outputs) out += (out.empty() ? "" : ", ") + print(graph.value(output).type);
  out += fmt::format(" = {}(", placed.op->name);
  for (size_t i = 0; i < placed.inputs.size(); ++i) out += (i ? ", " : "") + print(graph.value(placed.inputs[i]).type);
  return out + ")";
}

Json node(const ReportInput& input, const NodeReport& report) {
  const Graph& graph = input.placed;
  const Node& placed = graph.node(report.node);
  const NodeView view(graph, placed);
  const Considered& chosen = report.candidates[static_cast<size_t>(report.chosen)];
  Json out = {{"name", placed.name}, {"op", placed.op->name}, {"text", node_text(graph, report)},
              {"onnx_nodes", origins(graph, placed)},         {"tactic", chosen.tactic->name},
              {"kernel", chosen.candidate.call.kernel}};
  if (!chosen.candidate.config.empty()) out["config"] = chosen.candidate.config;
  out.update(timing(chosen));
  if (input.joined.count(report.node)) out["joined"] = true;
  if (const int64_t count = multiply_adds(input, view)) {
    out["multiply_adds"] = count;
    out["precision"] = precision(view, chosen.candidate);
  }
  for (const Considered& considered : report.candidates) out["candidates"].push_back(candidate(considered));
  for (const auto& [tactic, reason] : report.refusals)
    out["refusals"].push_back({{"tactic", tactic}, {"reason", reason}});
  if (placed.op->runs_graphs) out["bodies"] = bodies(input, placed);
  return out;
}

Json nodes(const ReportInput& input) {
  Json out = Json::array();
  for (const NodeReport& report : input.selection.nodes) out.push_back(node(input, report));
  return out;
}

// Nodes that got their reference kernel, and why no faster tactic took them.
Json fallbacks(const ReportInput& input) {
  Json out = Json::array();
  for (const NodeReport& report : input.selection.nodes) {
    const Considered& chosen = report.candidates[static_cast<size_t>(report.chosen)];
    if (!chosen.tactic->op.empty()) continue;
    Json reasons = Json::array();
    for (const auto& [tactic, reason] : report.refusals) reasons.push_back(std::string(tactic) + ": " + reason);
    for (const Considered& considered : report.candidates)
      if (!considered.failure.empty()) reasons.push_back(std::string(considered.tactic->name) + ": " + considered.failure);
    if (reasons.empty()) reasons.push_back("the op has no fast tactic");
    out.push_back({{"node", input.placed.node(report.node).name},
                   {"op", input.placed.node(report.node).op->name},
                   {"reasons", std::move(reasons)}});
  }
  return out;
}

}  // namespace

std::string write_report(const ReportInput& input) {
  Json out;
  out["network"] = input.plan.network;
  out["target"] = {{"device", input.plan.target.device},
                   {"cpu_features", cpu_feature_names(input.plan.target.cpu_features)},
                   {"libraries", input.plan.target.libraries},
                   {"threads", input.plan.target.threads}};
  out["build_milliseconds"] = input.milliseconds;
  for (const auto& [phase, milliseconds] : input.phases) out["phases"][phase] = milliseconds;
  for (const PassRecord& pass : input.passes)
    out["passes"].push_back({{"name", pass.name}, {"milliseconds", pass.milliseconds}, {"nodes_before", pass.nodes_before},
                             {"nodes_after", pass.nodes_after}, {"skipped", pass.skipped}});
  out["decisions"] = Json::array();
  for (const Decision& decision : input.decisions) {
    Json item = {{"pass", decision.pass}, {"node", decision.node}, {"what", decision.what}};
    item["done"] = decision.reason.empty();
    if (!decision.reason.empty()) item["reason"] = decision.reason;
    out["decisions"].push_back(std::move(item));
  }
  out["selection"] = {{"microseconds", input.selection.microseconds}, {"exact", input.selection.exact},
                      {"reformats", input.chosen.reformats},
                      {"collect_milliseconds", input.selection.collect_milliseconds},
                      {"prepare_milliseconds", input.selection.prepare_milliseconds},
                      {"compile_milliseconds", input.selection.compile_milliseconds},
                      {"time_milliseconds", input.selection.time_milliseconds},
                      {"label_milliseconds", input.selection.label_milliseconds}};
  out["multiply_adds"] = multiply_adds_by_precision(input);
  out["fallbacks"] = fallbacks(input);
  out["nodes"] = nodes(input);
  uint64_t weight_bytes = input.plan.weights.empty() ? 0 : input.plan.weights.back().offset + input.plan.weights.back().bytes;
  out["plan"] = {{"profiles", input.plan.profiles.size()}, {"weight_bytes", weight_bytes},
                 {"weights", input.plan.weights.size()},   {"refit_programs", input.plan.programs.size()},
                 {"pins", input.plan.pins.size()}};
  for (const plan::Profile& profile : input.plan.profiles)
    out["plan"]["regions"].push_back({{"steps", profile.region.steps.size()}, {"arena_bytes", profile.region.arena_bytes}});
  return out.dump(1);
}

}  // namespace tenon
