#include "compile/lower.h"

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/hash.h"
#include "compile/region.h"
#include "ir/control.h"
#include "passes/static_values.h"
#include "plan/verify.h"
#include "runtime/prepared.h"
#include "runtime/program.h"

namespace tenon {
namespace {

class Lowering {
 public:
  Lowering(const ChosenGraph& chosen, const SymbolRanges& symbols, const BuildConfig& config,
           const plan::Target& target, const KernelTable& kernels)
      : whole_(chosen), graph_(chosen.graph), symbols_(symbols), config_(config), kernels_(kernels), dims_(symbols.symbols) {
    plan_.network = graph_.name;
    plan_.target = target;
    add_graph(chosen);
  }

  Result<Lowered> run() {
    for (const std::string& symbol : symbols_.symbols) plan_.symbols.push_back({symbol});
    TN_TRY(boundary());
    for (size_t profile = 0; profile < symbols_.ranges.size(); ++profile) TN_TRY(lower_profile(profile));
    TN_TRY(lower_pins());
    TN_TRY(lower_weights());
    plan_.weight_bytes = weights_;
    return Lowered{std::move(plan_), std::move(weights_), {}, std::move(joined_)};
  }

 private:
  plan::Binding binding(std::string name, const TensorType& type) {
    plan::Binding out{std::move(name), type.dtype, {}};
    for (const Dim& dim : type.shape) out.dims.push_back(dims_.of(dim));
    return out;
  }

  Status boundary() {
    std::set<std::string> names;
    auto unique = [&](const std::string& name, const char* what) -> Status {
      if (names.insert(name).second) return {};
      return fail(Code::invalid_model, "{} {} has the name of another input or output", what, name);
    };
    for (ValueId id : graph_.inputs) {
      TN_TRY(unique(graph_.value(id).name, "input"));
      plan_.inputs.push_back(binding(graph_.value(id).name, graph_.value(id).type));
    }
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      TN_TRY(unique(graph_.output_names[i], "output"));
      plan_.outputs.push_back(binding(graph_.output_names[i], graph_.value(graph_.outputs[i]).type));
    }
    return {};
  }

  // What is known of the network's graph, and of each that a node runs.
  struct Facts {
    std::vector<bool> is_static;
    std::vector<uint32_t> origins;  // the plan's numbers
    std::map<NodeId, size_t> positions;
  };

  void add_graph(const ChosenGraph& chosen) {
    Facts& facts = facts_[&chosen];
    facts.is_static = static_values(chosen.graph);
    for (const Origin& origin : chosen.graph.origins) {
      facts.origins.push_back(static_cast<uint32_t>(plan_.origins.size()));
      plan_.origins.emplace_back(origin.name, origin.op_type);
    }
    for (size_t i = 0; i < chosen.graph.order().size(); ++i) facts.positions[chosen.graph.order()[i]] = i;
    graphs_.push_back(&chosen);
    for (const auto& [attribute, body] : chosen.bodies) bodies_[attribute] = body.get();
    for (NodeId id : chosen.graph.order())
      for (const GraphPtr& body : graphs_of(chosen.graph.node(id))) add_graph(*bodies_.at(body.get()));
  }

  // A static value of a graph.
  struct Static {
    const ChosenGraph* chosen;
    ValueId id;
    const Value& value() const { return chosen->graph.value(id); }
    friend auto operator<=>(const Static&, const Static&) = default;
  };

  // The number of the weight that a static value becomes: each once, shared by all profiles, and a constant by all graphs.
  uint32_t weight_of(const ChosenGraph& chosen, ValueId id) {
    Static key{&chosen, id};
    const std::shared_ptr<const Constant>& constant = key.value().constant;
    // A region has one value for each weight.
    if (constant && own_constants_.try_emplace({&chosen, constant.get()}, id).first->second == id)
      key = constants_.try_emplace(constant.get(), key).first->second;
    auto [it, inserted] = weight_numbers_.emplace(key, static_cast<uint32_t>(weight_values_.size()));
    if (inserted) weight_values_.push_back(key);
    return it->second;
  }

  // Whether a view, such as a reshape to dims that the network computes, has as many elements as what it shows, is known
  // for certain only at given shapes.
  Status check_view(const Graph& graph, const Node& node, size_t profile) const {
    SymbolValues opt = symbols_.values(profile, &plan::Range::opt);
    auto count = [&](ValueId id) {
      return evaluate(element_count(graph.value(id).type.shape), [&](std::string_view name) -> std::optional<int64_t> {
        auto found = opt.find(name);
        if (found == opt.end()) return std::nullopt;
        return found->second;
      });
    };
    TN_ASSIGN(int64_t from, count(node.inputs[0]));
    TN_ASSIGN(int64_t to, count(node.outputs[0]));
    if (from == to) return {};
    return fail(Code::invalid_model, "node {} ({}) makes {} elements of {} at the opt shapes of profile {}", node.name,
                node.op->name, to, from, profile);
  }

  Status lower_profile(size_t profile) {
    const std::vector<plan::Range>& ranges = symbols_.ranges[profile];
    auto bounds_of = [&](const Dim& dim) {
      return bounds(dim, [&](std::string_view name) -> std::optional<Interval> {
        auto found = std::find(symbols_.symbols.begin(), symbols_.symbols.end(), name);
        if (found == symbols_.symbols.end()) return std::nullopt;
        const plan::Range& range = ranges[static_cast<size_t>(found - symbols_.symbols.begin())];
        return Interval{range.min, range.max};
      });
    };
    plan::Profile out{"profile " + std::to_string(profile), ranges, {}};
    body_regions_.clear();
    TN_ASSIGN(out.region, lower_graph(whole_, profile, bounds_of));
    plan_.profiles.push_back(std::move(out));
    return {};
  }

  // With values that lie within others, if there are some, unless memory grows far by it: a part that is made early takes the
  // room of the whole from then on.
  Result<plan::Region> lower_graph(const ChosenGraph& chosen, size_t profile, const std::function<Result<Interval>(const Dim&)>& bounds_of) {
    TN_ASSIGN(plan::Region apart, lower_graph(chosen, profile, bounds_of, nullptr));
    if (config_.disabled_passes.count(kPiecesName)) return apart;
    auto is_bounded = [&](const Dim& dim) {  // what a symbol without a bound has a part in lies in memory of its own
      std::vector<std::string> names;
      collect_symbols(dim, names);
      return std::ranges::all_of(names, [&](const std::string& name) {
        const auto range = bounds_of(Dim::symbol(name));
        return range && range->high < plan::kNoBound;
      });
    };
    auto fix = [&](const Dim& dim) {
      if (dim.is_constant() || !is_bounded(dim)) return dim;
      const auto range = bounds_of(dim);
      return range && range->low == range->high ? Dim(range->low) : dim;
    };
    const Pieces pieces = find_pieces(chosen.graph, facts_.at(&chosen).is_static, fix);
    if (pieces.nodes.empty()) return apart;
    TN_ASSIGN(plan::Region joined, lower_graph(chosen, profile, bounds_of, &pieces));
    auto grows_far = [](uint64_t now, uint64_t before) { return now > before + before / 4; };
    if (grows_far(joined.arena_bytes, apart.arena_bytes) || grows_far(joined.host_arena_bytes, apart.host_arena_bytes)) return apart;
    for (NodeId id : pieces.nodes) joined_.insert({&chosen, id});
    return joined;
  }

  Result<plan::Region> lower_graph(const ChosenGraph& chosen, size_t profile, const std::function<Result<Interval>(const Dim&)>& bounds_of,
                                   const Pieces* pieces) {
    const Graph& graph = chosen.graph;
    const Facts& facts = facts_.at(&chosen);
    RegionBuilder::Setting setting{graph, chosen.calls, kernels_, dims_, bounds_of, config_.limits};
    setting.pieces = pieces;
    if (plan_.target.device != "cpu") {
      setting.on_host = false;
      setting.copy_kernel = plan_.target.device + ".reformat";
    }
    setting.origin = [&](uint32_t origin) { return facts.origins[origin]; };
    setting.bodies = [&](const Node& node) -> Result<std::vector<plan::Region>> {
      std::vector<plan::Region> out;
      for (const GraphPtr& body : graphs_of(node)) {
        auto known = body_regions_.find(body.get());
        if (known == body_regions_.end()) {
          TN_ASSIGN(plan::Region region, lower_graph(*bodies_.at(body.get()), profile, bounds_of));
          known = body_regions_.emplace(body.get(), std::move(region)).first;
        }
        out.push_back(known->second);
      }
      return out;
    };
    RegionBuilder region(std::move(setting));
    for (uint32_t i = 0; i < graph.inputs.size(); ++i) region.set_leaf(graph.inputs[i], plan::ValueKind::input, i);
    auto leaf = [&](ValueId id) {
      if (id.valid() && facts.is_static[id.index]) region.set_leaf(id, plan::ValueKind::weight, weight_of(chosen, id));
    };
    for (NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      if (facts.is_static[node.outputs[0].index]) continue;
      for (ValueId input : node.inputs) leaf(input);
      if (node.op->is_view) TN_TRY(check_view(graph, node, profile));
      if (auto status = region.add_node(id); !status)
        return trail(std::move(status.error()), "while lowering node {}", node.name);
    }
    for (uint32_t i = 0; i < graph.outputs.size(); ++i) {
      leaf(graph.outputs[i]);
      TN_TRY(region.add_output(graph.outputs[i], i));
    }
    return region.finish();
  }

  uint32_t source_of(const Constant& constant) {
    auto [it, inserted] = source_numbers_.emplace(constant.refit_name, static_cast<uint32_t>(plan_.sources.size()));
    if (inserted) plan_.sources.push_back({constant.refit_name, constant.type.dtype, *constant_shape(constant.type.shape)});
    return it->second;
  }

  Status lower_pins() {
    std::map<std::string, const Constant*> constants;
    for (const ChosenGraph* chosen : graphs_)
      for (uint32_t i = 0; i < chosen->graph.value_count(); ++i)
        if (chosen->graph.is_constant({i})) constants.emplace(chosen->graph.value({i}).constant->refit_name, chosen->graph.value({i}).constant.get());
    for (const ChosenGraph* chosen : graphs_)
      for (const Pin& pin : chosen->graph.pins) {
        const Constant& constant = *constants.at(pin.refit_name);
        source_of(constant);
        plan_.pins.push_back({pin.refit_name, pin.reason, constant.type.dtype, *constant_shape(constant.type.shape),
                              {pin.bytes.view.begin(), pin.bytes.view.end()}});
      }
    return {};
  }

  // Offsets for all weights (those of the region, then literals of refit programs), then their bytes, in that order.
  Status lower_weights() {
    for (uint32_t w = 0; w < weight_values_.size(); ++w)
      if (!weight_values_[w].value().constant) TN_TRY(build_program(w));
    for (uint32_t w = 0; w < weight_values_.size(); ++w) TN_TRY(describe_weight(w));
    int64_t total = plan_.weights.empty() ? 0 : static_cast<int64_t>(plan_.weights.back().offset + plan_.weights.back().bytes);
    if (total > config_.limits.fold_bytes)
      return fail(Code::limit_exceeded, "the plan's weights take {} bytes; fold_bytes is {}", total,
                  config_.limits.fold_bytes);
    weights_.resize(static_cast<size_t>(total));
    for (uint32_t w = 0; w < weight_values_.size(); ++w) TN_TRY(copy_constant(w));
    TN_ASSIGN(std::unique_ptr<Team> team, Team::create(plan_.target.threads));
    plan_.dims = dims_.take();
    ProgramMemory memory(default_allocator());
    for (Program& program : programs_) TN_TRY(run_program(program, memory, *team));
    for (plan::Weight& weight : plan_.weights)
      weight.hash = hash_bytes(weights_.data() + weight.offset, weight.bytes);
    return {};
  }

  struct Program {
    plan::RefitProgram program;
    std::vector<const Constant*> sources;
  };

  // The nodes on which a static value depends, in order.
  std::vector<NodeId> slice(const Static& result) const {
    const Graph& graph = result.chosen->graph;
    std::set<NodeId> wanted;
    std::vector<ValueId> open = {result.id};
    while (!open.empty()) {
      ValueId value = open.back();
      open.pop_back();
      NodeId producer = value.valid() ? graph.value(value).producer : NodeId{};
      if (!producer.valid() || !wanted.insert(producer).second) continue;
      const Node& node = graph.node(producer);
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
    }
    const std::map<NodeId, size_t>& positions = facts_.at(result.chosen).positions;
    std::vector<NodeId> out(wanted.begin(), wanted.end());
    std::sort(out.begin(), out.end(), [&](NodeId a, NodeId b) { return positions.at(a) < positions.at(b); });
    return out;
  }

  Status build_program(uint32_t weight) {
    const Static result = weight_values_[weight];
    const Graph& graph = result.chosen->graph;
    const Facts& facts = facts_.at(result.chosen);
    Program made;
    made.program.weights = {weight};
    auto exact = [](const Dim& dim) -> Result<Interval> { return Interval{dim.value(), dim.value()}; };
    RegionBuilder::Setting setting{graph, result.chosen->calls, kernels_, dims_, exact, config_.limits};
    setting.origin = [&](uint32_t origin) { return facts.origins[origin]; };
    RegionBuilder region(std::move(setting));
    std::vector<NodeId> nodes = slice(result);
    for (NodeId id : nodes)
      for (ValueId input : graph.node(id).inputs)
        if (input.valid() && graph.is_constant(input)) set_program_leaf(region, made, {result.chosen, input});
    for (NodeId id : nodes)
      if (auto status = region.add_node(id); !status)
        return trail(std::move(status.error()), "while lowering the weights of node {}", graph.node(id).name);
    TN_TRY(region.add_output(result.id, 0));
    TN_ASSIGN(made.program.region, region.finish());
    programs_.push_back(std::move(made));
    return {};
  }

  void set_program_leaf(RegionBuilder& region, Program& made, const Static& leaf) {
    const Constant& constant = *leaf.value().constant;
    const ValueId id = leaf.id;
    if (constant.refit_name.empty()) {
      region.set_leaf(id, plan::ValueKind::weight, weight_of(*leaf.chosen, id));
      return;
    }
    uint32_t source = source_of(constant);
    auto found = std::find(made.program.sources.begin(), made.program.sources.end(), source);
    region.set_leaf(id, plan::ValueKind::input, static_cast<uint32_t>(found - made.program.sources.begin()));
    if (found != made.program.sources.end()) return;
    made.program.sources.push_back(source);
    made.sources.push_back(&constant);
  }

  Status describe_weight(uint32_t number) {
    const TensorType& type = weight_values_[number].value().type;
    plan::Weight weight;
    weight.dtype = type.dtype;
    weight.dims = *constant_shape(type.shape);
    weight.format = type.format;
    Arg arg;
    arg.dtype = type.dtype;
    arg.format = type.format;
    arg.rank = static_cast<int32_t>(weight.dims.size());
    std::copy(weight.dims.begin(), weight.dims.end(), arg.dims);
    const auto& constant = weight_values_[number].value().constant;
    const bool packed = type.dtype == DType::string && constant;
    weight.bytes = packed ? constant->bytes.view.size() : static_cast<uint64_t>(storage_bytes(arg));
    if (!plan_.weights.empty())
      weight.offset = static_cast<uint64_t>(
          round_up(static_cast<int64_t>(plan_.weights.back().offset + plan_.weights.back().bytes), 64));
    plan_.weights.push_back(std::move(weight));
    return {};
  }

  // A constant that is used as it is: its bytes, and, if it can be refitted, a program that copies.
  Status copy_constant(uint32_t number) {
    const Value& value = weight_values_[number].value();
    if (!value.constant) return {};
    const plan::Weight& weight = plan_.weights[number];
    if (value.constant->bytes.view.size() != weight.bytes)
      return fail(Code::invalid_model, "constant {} has {} bytes, its type {} needs {}", value.name,
                  value.constant->bytes.view.size(), print(value.type), weight.bytes);
    std::copy(value.constant->bytes.view.begin(), value.constant->bytes.view.end(),
              weights_.begin() + static_cast<int64_t>(weight.offset));
    if (value.constant->refit_name.empty()) return {};
    plan::RefitProgram copy;
    copy.sources = {source_of(*value.constant)};
    copy.weights = {number};
    plan_.programs.push_back(std::move(copy));
    return {};
  }

  // Programs of literals alone run once, now; the others stay in the plan.
  Status run_program(Program& made, ProgramMemory& memory, Team& team) {
    std::vector<const std::byte*> sources, weights;
    for (const Constant* constant : made.sources) {
      if (constant->bytes.view.empty() && !element_count(constant->type.shape).is(0))
        return fail(Code::invalid_model, "the value of weight {} is not known", constant->refit_name);
      sources.push_back(constant->bytes.view.data());
    }
    for (const plan::Weight& weight : plan_.weights) weights.push_back(weights_.data() + weight.offset);
    std::byte* output = weights_.data() + plan_.weights[made.program.weights[0]].offset;
    TN_TRY(run_refit_program(plan_, made.program, sources, std::span(&output, 1), weights, kernels_, memory,
                             team));
    if (!made.program.sources.empty()) plan_.programs.push_back(std::move(made.program));
    return {};
  }

  const ChosenGraph& whole_;
  const Graph& graph_;  // the network's
  const SymbolRanges& symbols_;
  const BuildConfig& config_;
  const KernelTable& kernels_;
  DimTable dims_;
  plan::Plan plan_;
  std::vector<std::byte> weights_;
  std::vector<const ChosenGraph*> graphs_;               // the network's, and those that nodes run
  std::map<const ChosenGraph*, Facts> facts_;
  std::map<const Graph*, const ChosenGraph*> bodies_;    // by a node's attribute
  std::vector<Static> weight_values_;
  std::map<Static, uint32_t> weight_numbers_;
  std::map<const Constant*, Static> constants_;                                  // where each is met first,
  std::map<std::pair<const ChosenGraph*, const Constant*>, ValueId> own_constants_;  // and in each graph
  std::map<std::string, uint32_t> source_numbers_;
  std::vector<Program> programs_;
  std::map<const Graph*, plan::Region> body_regions_;  // of the profile that is lowered
  std::set<std::pair<const ChosenGraph*, NodeId>> joined_;
};

// Prepares the regions of all profiles at their opt.
Status prepare_profiles(const plan::Plan& plan, const KernelTable& kernels, DeviceSession& session, bool collecting) {
  for (const plan::Profile& profile : plan.profiles) {
    TN_ASSIGN(RegionKernels found, find_kernels(profile.region, kernels, cpu_features(), false));
    std::vector<std::optional<int64_t>> opt;
    for (const plan::Range& range : profile.symbols) opt.push_back(range.opt);
    const DimValues dims(plan, opt);
    std::vector<int64_t> bytes[2];
    for (const auto* list : {&plan.inputs, &plan.outputs})
      for (const plan::Binding& b : *list) {
        TN_ASSIGN(std::vector<int64_t> shape, dims_of(plan, dims, b.dims, b.name));
        bytes[list == &plan.outputs].push_back(plan::storage_bytes(b.dtype, kLinear, shape).value_or(-1));
      }
    PrepareOptions prepare;
    prepare.collecting = collecting;
    prepare.threads = plan.target.threads;
    prepare.session = &session;
    prepare.ranges = profile.symbols;
    prepare.inputs = bytes[0];
    prepare.outputs = bytes[1];
    prepare.bodies = true;
    TN_TRY(prepare_region(plan, profile.region, found, dims, prepare));
  }
  return {};
}

}  // namespace

Status add_images(Lowered& lowered, const KernelTable& kernels, const Device& device, const SessionOptions& options) {
  plan::Plan& plan = lowered.plan;
  TN_ASSIGN(std::unique_ptr<DeviceSession> session, device.create_session(options));
  session->begin_collecting();
  TN_TRY(prepare_profiles(plan, kernels, *session, true));
  session->end_collecting(plan.target.threads);
  session->wait_for_code();
  TN_TRY(prepare_profiles(plan, kernels, *session, false));
  for (KernelImage& image : session->images()) {
    const size_t offset = static_cast<size_t>(round_up(static_cast<int64_t>(lowered.images.size()), 64));
    plan.images.push_back({image.key, offset, image.bytes.size()});
    lowered.images.resize(offset + image.bytes.size());
    std::copy(image.bytes.begin(), image.bytes.end(), lowered.images.begin() + static_cast<int64_t>(offset));
  }
  plan.image_bytes = lowered.images;
  return {};
}

Result<Lowered> lower(const ChosenGraph& chosen, const SymbolRanges& symbols, const BuildConfig& config,
                      const plan::Target& target, const KernelTable& kernels) {
  return Lowering(chosen, symbols, config, target, kernels).run();
}

}  // namespace tenon
