#include "compile/capability.h"

#include <algorithm>
#include <array>

#include "base/cpu.h"
#include "base/json.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/static_values.h"
#include "tactics/select.h"
#include "tactics/tactic.h"

namespace tenon {
namespace {

// Plans for CUDA are asked for the least of the devices that they run on: what is claimed there is claimed on all.
TargetInfo cuda_target() {
  TargetInfo target;
  target.device = "cuda";
  target.architecture = 80;
  target.multiprocessors = 108;
  target.shared_memory = 99 << 10;
  return target;
}

TargetInfo cpu_target() {
  TargetInfo target;
  target.cpu_features = cpu_features();
  return target;
}

// What becomes of an ONNX node, or of an operator.
enum class Support : uint8_t { supported, expanded, folded, unused, unsupported, unknown, count_ };
constexpr std::array kSupportNames = {"supported", "expanded", "folded", "unused", "unsupported", "unknown"};
static_assert(kSupportNames.size() == static_cast<size_t>(Support::count_));
std::string_view name_of(Support support) { return kSupportNames[static_cast<size_t>(support)]; }

// Who computes a node on a device.
enum class Where : uint8_t { none, device, partly, host, count_ };
constexpr std::array kWhereNames = {"none", "device", "partly", "host"};
static_assert(kWhereNames.size() == static_cast<size_t>(Where::count_));
std::string_view name_of(Where where) { return kWhereNames[static_cast<size_t>(where)]; }

void add_kernel(Where& where, bool on_device) {
  const Where now = on_device ? Where::device : Where::host;
  where = where == Where::none || where == now ? now : Where::partly;
}

struct NodeAnswer {
  Support support = Support::supported;
  std::vector<std::string_view> ops;       // core ops that it becomes
  Where cpu = Where::none, cuda = Where::none;  // cpu: device stands for a fast kernel, host for the reference
  std::vector<std::string> host_reasons;   // of ops that CUDA leaves to the host, each once
  std::vector<std::string> problems;
};

void add_once(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

// "conv, pointwise × 2", in the order of their first.
std::string ops_text(const std::vector<std::string_view>& ops) {
  std::vector<std::pair<std::string_view, int>> counts;
  for (std::string_view op : ops) {
    auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == op; });
    if (found == counts.end()) counts.emplace_back(op, 1);
    else ++found->second;
  }
  std::string out;
  for (const auto& [op, count] : counts)
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", op, count > 1 ? fmt::format(" × {}", count) : "");
  return out;
}

Json nearest_json(const OnnxSupport& support) {
  if (!support.nearest) return {};
  return {{"domain", shown_onnx_domain(support.nearest->domain)},
          {"op", support.nearest->op_type},
          {"since", support.nearest->since}};
}

Json range_json(const OnnxSupport& support) {
  Json out = {{"since", support.since}};
  if (support.until) out["until"] = support.until;
  return out;
}

// ── a model ──

class Survey {
 public:
  Survey(const OnnxModel& model, const GivenInitializers& given) : model_(model), given_(given) {}

  Status run() {
    TN_ASSIGN(Graph graph, model_.survey(given_, survey_));
    answers_.resize(survey_.nodes.size());
    for (size_t i = 0; i < survey_.nodes.size(); ++i) {
      answers_[i].problems = survey_.nodes[i].problems;
      const SurveyedNode& node = survey_.nodes[i];
      if (!node.problems.empty()) answers_[i].support = Support::unsupported;
      else if (!node.unknown_input.empty()) set_unknown(i, node.unknown_input);
    }
    TN_TRY(expand(graph));
    if (graph.level == Level::core) TN_TRY(ask_tactics(graph));
    return {};
  }

  bool supported() const {
    return survey_.problems.empty() && std::ranges::none_of(answers_, [](const NodeAnswer& answer) {
             return answer.support == Support::unsupported || answer.support == Support::unknown;
           });
  }

  std::string json() const;
  std::string text() const;

 private:
  void set_unknown(size_t i, std::string_view input) {
    answers_[i].support = Support::unknown;
    answers_[i].problems.push_back(fmt::format("input '{}' comes from what is not supported", input));
  }

  Status expand(Graph& graph) {
    ExpandSurvey expansion;
    expansion.refused.assign(graph.node_count(), false);
    std::vector<size_t> entry(graph.node_count(), survey_.nodes.size());
    for (size_t i = 0; i < survey_.nodes.size(); ++i) {
      const NodeId id = survey_.nodes[i].node;
      if (!id.valid()) continue;
      entry[id.index] = i;
      expansion.refused[id.index] = answers_[i].support != Support::supported;
    }
    by_origin_.assign(graph.origins.size(), survey_.nodes.size());
    for (uint32_t n = 0; n < graph.node_count(); ++n)
      if (entry[n] < survey_.nodes.size())
        for (uint32_t origin : graph.node(NodeId{n}).origins) by_origin_[origin] = entry[n];
    const Graph before = graph;
    PassContext context;
    context.survey = &expansion;
    if (auto status = k_expand.run(graph, context); !status) {
      survey_.problems.push_back(status.error().text());
      return {};
    }
    for (Error& error : expansion.problems) survey_.problems.push_back(error.text());
    for (auto& [id, error] : expansion.failed) {
      if (entry[id.index] == survey_.nodes.size()) continue;
      answers_[entry[id.index]].support = Support::unsupported;
      answers_[entry[id.index]].problems.push_back(error.text());
    }
    for (uint32_t n = 0; n < expansion.expansions.size(); ++n) {
      if (entry[n] == survey_.nodes.size()) continue;
      NodeAnswer& answer = answers_[entry[n]];
      if (answer.support != Support::supported) continue;
      answer.ops = expansion.expansions[n];
      if (expansion.unused[n]) answer.support = Support::unused;
      else if (expansion.blocked[n]) set_unknown(entry[n], unknown_input(before, NodeId{n}, expansion, entry));
      else if (answer.ops.empty()) answer.support = Support::folded;
      else if (answer.ops.size() > 1) answer.support = Support::expanded;
    }
    return {};
  }

  // The first input of a blocked node that is not known.
  std::string unknown_input(const Graph& graph, NodeId id, const ExpandSurvey& expansion,
                            const std::vector<size_t>& entry) const {
    for (ValueId input : graph.node(id).inputs) {
      const NodeId producer = graph.value(input).producer;
      if (!input.valid() || !producer.valid()) continue;
      const bool faulty = entry[producer.index] < answers_.size() &&
                          (answers_[entry[producer.index]].support == Support::unsupported ||
                           answers_[entry[producer.index]].support == Support::unknown);
      if (faulty || expansion.blocked[producer.index]) return graph.value(input).name;
    }
    return "?";
  }

  Status ask_tactics(Graph& graph) {
    for (const Pass* pass : {&k_dead_code, &k_canonicalise, &k_dead_code})
      if (auto status = pass->run(graph, {}); !status) {
        survey_.problems.push_back(status.error().text());
        return {};
      }
    const auto cpu = make_claim_oracle(cpu_target(), {}), cuda = make_claim_oracle(cuda_target(), {});
    const std::vector<bool> is_static = static_values(graph);
    for (NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      if (node.op->is_view || is_static[node.outputs[0].index]) continue;
      const NodeView view(graph, node);
      const std::string refusal = cuda->refusal(view);
      const bool fast = cpu->refusal(view).empty();
      for (uint32_t origin : node.origins) {
        // For a sub-graph's node the node that holds it answers.
        if (origin >= by_origin_.size() || by_origin_[origin] >= answers_.size()) continue;
        NodeAnswer& answer = answers_[by_origin_[origin]];
        add_kernel(answer.cuda, refusal.empty());
        add_kernel(answer.cpu, fast);
        if (!refusal.empty()) add_once(answer.host_reasons, fmt::format("{}: {}", node.op->name, refusal));
      }
    }
    return {};
  }

  OnnxSupport known(const SurveyedNode& node) const { return onnx_support(node.domain, node.op_type, node.version); }

  struct Counts {
    size_t nodes = 0;
    std::array<size_t, static_cast<size_t>(Support::count_)> support{};
    std::array<size_t, static_cast<size_t>(Where::count_)> cuda{};
    void add(const NodeAnswer& answer) {
      ++nodes;
      ++support[static_cast<size_t>(answer.support)];
      if (answer.support <= Support::folded) ++cuda[static_cast<size_t>(answer.cuda)];
    }
    Json json() const {
      Json out = {{"nodes", nodes}};
      for (size_t i = 0; i < support.size(); ++i) out[kSupportNames[i]] = support[i];
      for (size_t i = 0; i < cuda.size(); ++i) out["cuda"][kWhereNames[i]] = cuda[i];
      return out;
    }
    std::string text() const {
      static constexpr std::string_view kPlaces[] = {"without a kernel", "on the device", "on the device in part", "on the host"};
      std::string out = fmt::format("{} node{}:", nodes, nodes == 1 ? "" : "s");
      for (size_t i = 0; i < support.size(); ++i)
        if (support[i]) out += fmt::format("{} {} {}", out.back() == ':' ? "" : ",", support[i], kSupportNames[i]);
      std::string places;
      for (size_t i = 0; i < cuda.size(); ++i)
        if (cuda[i]) places += fmt::format("{} {} {}", places.empty() ? "" : ",", cuda[i], kPlaces[i]);
      return out + (places.empty() ? "" : "; on CUDA" + places);
    }
  };
  // By domain, operator and version; calls of the model's own functions stand for their nodes.
  std::map<std::tuple<std::string, std::string, int64_t>, Counts> operators() const {
    std::map<std::tuple<std::string, std::string, int64_t>, Counts> out;
    for (size_t i = 0; i < answers_.size(); ++i) {
      const SurveyedNode& node = survey_.nodes[i];
      if (!is_call(i)) out[{node.domain, node.op_type, node.version}].add(answers_[i]);
    }
    return out;
  }
  Counts total() const {
    Counts out;
    for (size_t i = 0; i < answers_.size(); ++i)
      if (!is_call(i)) out.add(answers_[i]);
    return out;
  }
  // A call that went well is no node of its own.
  bool is_call(size_t i) const { return survey_.nodes[i].is_call && answers_[i].problems.empty(); }

  const OnnxModel& model_;
  const GivenInitializers& given_;
  ImportSurvey survey_;
  std::vector<NodeAnswer> answers_;  // parallel to survey_.nodes
  std::vector<size_t> by_origin_;    // entry of survey_.nodes; as many as there are: none
};

std::string Survey::json() const {
  Json out = {{"model", std::string(model_.views().graph.name)}, {"supported", supported()}};
  out["op_sets"] = Json::array();
  for (const onnx::OpsetView& opset : model_.views().opsets)
    out["op_sets"].push_back({{"domain", std::string(shown_onnx_domain(opset.domain))}, {"version", opset.version}});
  out["summary"] = total().json();
  out["problems"] = Json::array();
  for (const std::string& problem : survey_.problems) out["problems"].push_back(problem);
  out["operators"] = Json::array();
  for (const auto& [key, counts] : operators()) {
    const auto& [domain, op, version] = key;
    Json item = {{"domain", std::string(shown_onnx_domain(domain))}, {"op", op}, {"version", version}};
    item.update(counts.json());
    out["operators"].push_back(std::move(item));
  }
  out["nodes"] = Json::array();
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (is_call(i)) continue;
    const SurveyedNode& node = survey_.nodes[i];
    const NodeAnswer& answer = answers_[i];
    Json item = {{"name", node.name},       {"op", node.op_type},   {"domain", std::string(shown_onnx_domain(node.domain))},
                 {"version", node.version}, {"place", node.place}, {"support", name_of(answer.support)}};
    if (answer.support <= Support::folded) {
      item["core_ops"] = Json::array();
      for (std::string_view op : answer.ops) item["core_ops"].push_back(op);
      item["cpu"] = answer.cpu == Where::device ? "kernel" : answer.cpu == Where::host ? "reference" : name_of(answer.cpu);
      item["cuda"] = name_of(answer.cuda);
      for (const std::string& reason : answer.host_reasons) item["host_reasons"].push_back(reason);
    }
    for (const std::string& problem : answer.problems) item["problems"].push_back(problem);
    if (answer.support == Support::unsupported) {
      const OnnxSupport support = known(node);
      if (support.since) item["known"] = range_json(support);
      if (support.nearest) item["nearest"] = nearest_json(support);
    }
    out["nodes"].push_back(std::move(item));
  }
  return out.dump(1) + "\n";
}

std::string Survey::text() const {
  std::string out = fmt::format("model {}\n", model_.views().graph.name.empty() ? "-" : model_.views().graph.name);
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (is_call(i)) continue;
    const SurveyedNode& node = survey_.nodes[i];
    const NodeAnswer& answer = answers_[i];
    out += fmt::format("{:<11} {} {}.{}", name_of(answer.support), node.name, shown_onnx_domain(node.domain), node.op_type);
    if (node.version >= 0) out += fmt::format(" op set {}", node.version);
    if (answer.support == Support::expanded) out += fmt::format(" → {}", ops_text(answer.ops));
    if (answer.support <= Support::folded && answer.cuda >= Where::partly)
      out += fmt::format("; CUDA: {} ({})", answer.cuda == Where::host ? "a host step" : "host steps in part",
                         fmt::join(answer.host_reasons, "; "));
    out += '\n';
    for (const std::string& problem : answer.problems) out += fmt::format("            {}\n", problem);
    if (answer.support != Support::unsupported) continue;
    const OnnxSupport support = known(node);
    if (support.since)
      out += fmt::format("            known: op sets {} to {}\n", support.since, support.until ? std::to_string(support.until) : "any later");
    if (support.nearest)
      out += fmt::format("            nearest: {}.{} from op set {} on\n", shown_onnx_domain(support.nearest->domain),
                         support.nearest->op_type, support.nearest->since);
  }
  for (const std::string& problem : survey_.problems) out += fmt::format("problem     {}\n", problem);
  for (const auto& [key, counts] : operators())
    out += fmt::format("operator    {}.{}: {}\n", shown_onnx_domain(std::get<0>(key)), std::get<1>(key), counts.text());
  return out + fmt::format("{}: {}\n", supported() ? "supported" : "not supported", total().text());
}

// ── an operator ──

// Core ops that an operator's row may become, over the cases of the ONNX project.
struct Expansion {
  std::string_view domain, op_type;
  int since;
  std::string_view ops;  // "conv pointwise"
};
constexpr Expansion kExpansions[] = {
#define TN_ONNX_EXPANSION(domain, op_type, since, ops) {domain, op_type, since, ops},
#include "compile/onnx_expansions.def"
#undef TN_ONNX_EXPANSION
};

std::vector<std::string_view> core_ops_of(const OnnxRow& row) {
  std::vector<std::string_view> out;
  for (const Expansion& line : kExpansions) {
    if (line.domain != row.domain || line.op_type != row.op_type || line.since != row.since) continue;
    for (std::string_view rest = line.ops; !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      out.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(rest.size(), end + 1));
    }
  }
  return out;
}

bool has_tactic(std::string_view op, std::string_view device) {
  return std::ranges::any_of(all_tactics(), [&](const Tactic* t) { return t->op == op && t->device == device; });
}

}  // namespace

Capability operator_capability(std::string_view domain, std::string_view op_type, int64_t version, bool json) {
  OnnxSupport support = onnx_support(domain, op_type, version);
  if (support.until && version > support.until) support.row = nullptr;
  Capability out{support.row != nullptr, {}};
  std::vector<std::string_view> ops;
  Where cpu = Where::none, cuda = Where::none;
  if (support.row) {
    ops = core_ops_of(*support.row);
    for (std::string_view op : ops) {
      if (find_op(op)->is_view) continue;
      add_kernel(cpu, has_tactic(op, "cpu"));
      add_kernel(cuda, has_tactic(op, "cuda"));
    }
  }
  const bool expanded = support.row && !support.op;
  const std::string_view cpu_name = cpu == Where::device ? "kernel" : cpu == Where::host ? "reference" : name_of(cpu);
  if (json) {
    Json item = {{"domain", std::string(shown_onnx_domain(domain))}, {"op", std::string(op_type)}, {"version", version},
                 {"supported", out.supported}};
    if (support.since) item["known"] = range_json(support);
    if (support.row) {
      item["row_since"] = support.row->since;
      item["expanded"] = expanded;
      item["core_ops"] = Json::array();
      for (std::string_view op : ops) item["core_ops"].push_back(op);
      item["cpu"] = cpu_name;
      item["cuda"] = name_of(cuda);
    }
    if (support.nearest) item["nearest"] = nearest_json(support);
    out.document = item.dump(1) + "\n";
    return out;
  }
  const std::string known = support.since ? fmt::format("op sets {} to {}", support.since, support.until ? std::to_string(support.until) : "any later")
                                          : "no op set";
  out.document = fmt::format("{}.{} op set {}: {}; {}", shown_onnx_domain(domain), op_type, version,
                             out.supported ? "supported" : "not supported", known);
  if (support.row)
    out.document += fmt::format("; {} {}; CPU: {}; CUDA: {}", expanded ? "expands into" : "is", ops_text(ops), cpu_name, name_of(cuda));
  if (support.nearest)
    out.document += fmt::format("; nearest: {}.{} from op set {} on", shown_onnx_domain(support.nearest->domain),
                                support.nearest->op_type, support.nearest->since);
  out.document += '\n';
  return out;
}

Result<Capability> model_capability(const OnnxModel& model, const GivenInitializers& given, bool json) {
  Survey survey(model, given);
  TN_TRY(survey.run());
  return Capability{survey.supported(), json ? survey.json() : survey.text()};
}

}  // namespace tenon
