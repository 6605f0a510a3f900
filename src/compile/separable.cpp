#include "compile/separable.h"

#include <algorithm>
#include <array>

#include "ops/content.h"
#include "ops/ops.h"
#include "ops/separable_conv.h"

namespace tenon {
namespace {

constexpr std::string_view kTactic = "conv_separable";
// What is timed alone finds its tensors in the caches; in a network they have often left them. A chain's node writes and reads
// fewer: its nodes' time counts this many times.
constexpr double kApart = 1.05;

// How often the time of a chosen kernel counts. Of a library's, and of one that rounds its operands, selection's costs say already
// which of two that are close is wanted.
double weight_of(const Candidate& chosen) {
  return chosen.math.empty() && !chosen.call.kernel.starts_with("onednn.") ? kApart : 1;
}

// Conv nodes that one node may compute; invalid where a stage is not there.
struct Chain {
  std::array<NodeId, kSeparableStages> stage;
  double cost = 0, saved = 0;  // microseconds
};

bool all_ones(const Shape& shape, size_t first) {
  return std::all_of(shape.begin() + static_cast<ptrdiff_t>(std::min(first, shape.size())), shape.end(),
                     [](const Dim& d) { return d.is(1); });
}

// Finds chains, and makes the nodes of them.
class Chains {
 public:
  explicit Chains(const Graph& graph) : graph_(graph) {}

  // Of one depthwise convolution; longest first.
  std::vector<Chain> around(NodeId id) const {
    std::vector<Chain> out;
    if (!is_depthwise(graph_.node(id))) return out;
    const NodeId before = before_of(id), after = behind(id);
    if (before.valid() && after.valid()) out.push_back({.stage = {before, id, after}});
    if (before.valid()) out.push_back({.stage = {before, id, NodeId{}}});
    if (after.valid()) out.push_back({.stage = {NodeId{}, id, after}});
    return out;
  }

 private:
  bool is_depthwise(const Node& node) const {
    if (node.op != &kConv) return false;
    const Shape& w = graph_.value(node.inputs[1]).type.shape;
    const int64_t group = node.attrs.integer("group", 1);
    return group > 1 && w[0].is(group) && w[1].is(1);
  }

  bool is_pointwise(const Node& node) const {
    if (node.op != &kConv || node.attrs.integer("group", 1) != 1) return false;
    const std::vector<int64_t> strides = node.attrs.integers("strides");
    const Shape pads = node.attrs.shape("pads");
    return all_ones(graph_.value(node.inputs[1]).type.shape, 2) &&
           std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 1; }) &&
           std::all_of(pads.begin(), pads.end(), [](const Dim& d) { return d.is(0); });
  }

  // Whether the value is the input 0 of one node and nothing else.
  bool is_x_only(ValueId id) const {
    const std::vector<NodeId>& users = graph_.users(id);
    if (users.size() != 1 || graph_.is_output(id)) return false;
    const std::vector<ValueId>& inputs = graph_.node(users[0]).inputs;
    return inputs[0] == id && std::count(inputs.begin(), inputs.end(), id) == 1;
  }

  NodeId before_of(NodeId id) const {
    const ValueId x = graph_.node(id).inputs[0];
    const Node* producer = graph_.producer(x);
    return producer && is_pointwise(*producer) && is_x_only(x) ? graph_.value(x).producer : NodeId{};
  }

  NodeId behind(NodeId id) const {
    const ValueId y = graph_.node(id).outputs[0];
    if (!is_x_only(y)) return {};
    const NodeId user = graph_.users(y)[0];
    return is_pointwise(graph_.node(user)) ? user : NodeId{};
  }

  const Graph& graph_;
};

std::vector<NodeId> nodes_of(const Chain& chain) {
  std::vector<NodeId> out;
  for (NodeId id : chain.stage)
    if (id.valid()) out.push_back(id);
  return out;
}

// "expand, depthwise, project as one node"
std::string what(const Chain& chain) {
  constexpr std::string_view kNames[kSeparableStages] = {"expand", "depthwise", "project"};
  std::string out;
  for (size_t i = 0; i < kSeparableStages; ++i)
    if (chain.stage[i].valid()) out += fmt::format("{}{}", out.empty() ? "" : ", ", kNames[i]);
  return out + " as one node";
}

// The chain's node.
Result<ValueId> make(Patch& patch, const Graph& graph, const Chain& chain) {
  std::vector<ValueId> inputs = {graph.node(nodes_of(chain)[0]).inputs[0]};
  std::vector<int64_t> operands(kSeparableStages, 0);
  Attrs attrs;
  for (size_t i = 0; i < kSeparableStages; ++i) {
    if (!chain.stage[i].valid()) continue;
    const Node& node = graph.node(chain.stage[i]);
    operands[i] = static_cast<int64_t>(node.inputs.size()) - 1;
    inputs.insert(inputs.end(), node.inputs.begin() + 1, node.inputs.end());
    if (const Attr* epilogue = node.attrs.find("epilogue")) attrs.set(std::string(kSeparableEpilogues[i]), *epilogue);
    for (const char* name : {"strides", "dilations", "pads"})
      if (const Attr* attr = node.attrs.find(name); attr && i == kDepthwiseStage) attrs.set(name, *attr);
  }
  attrs.set("operands", operands);
  return patch.add(kSeparableConv, std::move(inputs), std::move(attrs));
}

class Chooser {
 public:
  Chooser(const Graph& graph, const Selection& selection, const KernelTable& kernels, Timer& timer, TimingCache& cache,
          const SelectOptions& options)
      : graph_(graph),
        trial_(graph),
        selection_(selection),
        kernels_(kernels),
        timer_(timer),
        cache_(cache),
        options_(options),
        oracle_(make_claim_oracle(options.target, options.disabled)),
        forced_(options.forced == kTactic) {}

  // Why the chain stays as it is; empty, with what it saves, if its node is better.
  Result<std::string> refusal(Chain& chain) {
    const std::vector<NodeId> nodes = nodes_of(chain);
    for (NodeId id : nodes)
      if (!selection_.find(id)) return std::string("it is computed when the plan is made");
    Patch patch(trial_, nodes);
    auto made = make(patch, graph_, chain);
    if (!made) return made.error().text();
    const NodeView view(trial_, trial_.node(patch.added()[0]));
    if (std::string reason = oracle_->refusal(view); !reason.empty()) return reason;
    if (forced_) {
      chain.saved = static_cast<double>(nodes.size());
      return std::string();
    }
    double apart = 0, weighted = 0;
    for (NodeId id : nodes) {
      TN_ASSIGN(const std::optional<double> cost, cost_of_chosen(id));
      if (!cost) return std::string("what was chosen for its nodes has no time");
      apart += *cost;
      weighted += *cost * weight_of(chosen(id));
    }
    TN_ASSIGN(const NodeReport report, consider(trial_, patch.added()[0], kernels_, timer_, cache_, options_));
    std::optional<double> best;
    bool fits_any = false;
    for (size_t c = 0; c < report.candidates.size(); ++c) {
      if (!fits(chain, view, report.candidates[c].candidate)) continue;
      fits_any = true;
      const std::optional<double> cost = known_cost(trial_, report, c, options_);
      if (cost && (!best || *cost < *best)) best = cost;
    }
    if (!best) return std::string(fits_any ? "it has no time" : "its inputs and output lie in other forms");
    chain.cost = *best;
    chain.saved = weighted - *best;
    if (chain.saved > 0) return std::string();
    return fmt::format("counts as {:.1f} µs, its nodes as {:.1f} µs", *best, apart);
  }

 private:
  const Candidate& chosen(NodeId id) const {
    const NodeReport& report = *selection_.find(id);
    return report.candidates[static_cast<size_t>(report.chosen)].candidate;
  }

  // Selection leaves a lone candidate without a time, or knows the least that it takes.
  Result<std::optional<double>> cost_of_chosen(NodeId id) {
    const NodeReport& report = *selection_.find(id);
    const auto index = static_cast<size_t>(report.chosen);
    const Timing& timing = report.candidates[index].timing;
    if (timing.kind == Timing::Kind::censored) return std::optional(timing.microseconds);
    if (auto cost = known_cost(graph_, report, index, options_)) return cost;
    TN_ASSIGN(const NodeReport again, consider(graph_, id, kernels_, timer_, cache_, options_));
    const auto same = std::find_if(again.candidates.begin(), again.candidates.end(), [&](const Considered& c) {
      return c.tactic == report.candidates[index].tactic && c.candidate.config == report.candidates[index].candidate.config;
    });
    if (same == again.candidates.end()) return std::optional<double>();
    return known_cost(graph_, again, static_cast<size_t>(same - again.candidates.begin()), options_);
  }

  // Whether the candidate takes and gives what the chosen ones of the chain's nodes do. (Weights may be packed otherwise.)
  bool fits(const Chain& chain, NodeView view, const Candidate& candidate) const {
    const std::vector<NodeId> nodes = nodes_of(chain);
    const NodeView first(graph_, graph_.node(nodes.front())), last(graph_, graph_.node(nodes.back()));
    auto same = [](const Form& a, const Form& b, const TensorType& type) { return full_form(a, type) == full_form(b, type); };
    bool fits = same(candidate.inputs[0], chosen(nodes.front()).inputs[0], first.input(0)) &&
                same(candidate.outputs[0], chosen(nodes.back()).outputs[0], last.output(0));
    size_t input = 1;
    for (NodeId id : nodes) {
      const Node& node = graph_.node(id);
      for (size_t i = 1; i < node.inputs.size(); ++i, ++input)
        if (i > 2) fits = fits && same(candidate.inputs[input], chosen(id).inputs[i], view.input(input));
    }
    return fits;
  }

  const Graph& graph_;
  Graph trial_;  // graph_, and nodes of chains that are not in the order
  const Selection& selection_;
  const KernelTable& kernels_;
  Timer& timer_;
  TimingCache& cache_;
  const SelectOptions& options_;
  const std::unique_ptr<ClaimOracle> oracle_;
  const bool forced_;
};

}  // namespace

Result<bool> fuse_separable(Graph& graph, const Selection& selection, const KernelTable& kernels, Timer& timer,
                            TimingCache& cache, const SelectOptions& options, std::vector<Decision>& decisions) {
  if (!options.forced.empty() && options.forced != kTactic) return false;
  std::vector<Chain> chains, better;
  for (NodeId id : graph.order())
    for (Chain& chain : Chains(graph).around(id)) chains.push_back(chain);
  if (chains.empty()) return false;
  Chooser chooser(graph, selection, kernels, timer, cache, options);
  for (Chain& chain : chains) {
    if (options.progress && !options.progress(1)) return fail(Code::cancelled, "the build was cancelled");
    const std::string& name = graph.node(nodes_of(chain).front()).name;
    auto reason = chooser.refusal(chain);
    if (!reason) return trail(std::move(reason.error()), "while timing a separable convolution at node {}", name);
    if (reason->empty())
      better.push_back(chain);
    else
      decisions.push_back({"fuse_separable", name, what(chain), *reason});
  }
  // What saves most first; a node may be in several.
  std::stable_sort(better.begin(), better.end(), [](const Chain& a, const Chain& b) { return a.saved > b.saved; });
  bool fused = false;
  for (const Chain& chain : better) {
    const std::vector<NodeId> nodes = nodes_of(chain);
    const std::string& name = graph.node(nodes.front()).name;
    if (std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) { return graph.node(id).erased; })) {
      decisions.push_back({"fuse_separable", name, what(chain), "a chain that shares a node with it saves more"});
      continue;
    }
    std::string done = what(chain);
    if (chain.cost > 0) done += fmt::format(": counts as {:.1f} µs, saves {:.1f} µs", chain.cost, chain.saved);
    decisions.push_back({"fuse_separable", name, std::move(done), {}});
    Patch patch(graph, nodes);
    TN_ASSIGN(ValueId made, make(patch, graph, chain));
    patch.replace(graph.node(nodes.back()).outputs[0], made);
    TN_TRY(apply(graph, std::move(patch)));
    fused = true;
  }
  return fused;
}

}  // namespace tenon
