#include "compile/compile.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <set>

#include "base/cpu.h"
#include "device/device.h"
#include "compile/lower.h"
#include "compile/report.h"
#include "compile/separable.h"
#include "ir/control.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/pieces.h"
#include "passes/static_values.h"
#include "plan/serialize.h"
#include "plan/verify.h"
#include "tactics/tactic.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// What a graph goes through before selection. A pass may stand here more than once.
const Pass* const kPasses[] = {
    &k_expand,                 // ONNX nodes become core ops, typed
    &k_dead_code,              // shape computations that shape values replaced
    &k_canonicalise,           // identities go, local rules
    &k_common_subexpressions,  // equal nodes merge
    &k_lookups,                // one-hot products and functions of picked rows are tables
    &k_patch_embedding,        // convolutions of patches are products
    &k_fuse,                   // pointwise nodes move into their neighbours
    &k_absorb_transposes,      // matmuls read their operands as they lie
    &k_canonicalise,           //
    &k_fuse,                   // what the transposes stood between
    &k_fuse_attention,         // product, softmax, product
    &k_common_subexpressions,  // masks that every layer computes
    &k_merge_matmuls,          // q, k and v are parts of one product
    &k_dead_code,
};

constexpr double kMostForOneThread = 500;    // microseconds of a network on all threads beyond which one is not tried
constexpr double kOneThreadHandicap = 1.02;  // by which one thread may be slower: it leaves the other processors free
constexpr double kOfClock = 0.1;             // microseconds of a step that two looks at the clock may be off
constexpr int kMostLevel = 5;
constexpr int kMostConfigs[kMostLevel + 1] = {1, 2, 4, 8, 16, INT_MAX};  // by optimisation level
constexpr int kContests[kMostLevel + 1] = {0, 0, 5, 10, 15, 20}, kFinals[kMostLevel + 1] = {0, 0, 7, 30, 40, 60};  // turns
constexpr int64_t kFarFromCache = 4;  // of how many times its size a cache holds nothing when it is read from end to end again

class Build {
 public:
  Build(const Graph& network, const BuildConfig& config, const Log& log)
      : begin_(Clock::now()), graph_(network), config_(config), log_(log) {}

  Result<BuildResult> run() {
    TN_TRY(check_names());
    TN_TRY(find_target());
    TN_ASSIGN(symbols_, symbol_ranges(graph_, config_, log_));
    TN_TRY(run_passes());
    TN_TRY(add_found_sizes(graph_, [this](const Graph& attribute) -> const Graph& { return bodies_.at(&attribute).graph; }, symbols_));
    if (!device_->is_host()) keep_texts_on_host();
    end_phase("passes");
    std::vector<bool> is_static = static_values(graph_);
    TN_ASSIGN(Selection selection, choose(graph_, is_static));
    TN_TRY(fuse_separable(graph_, is_static, selection));
    for (auto& [attribute, body] : bodies_) {
      body.is_static = static_values(body.graph);
      auto selected = choose(body.graph, body.is_static);
      if (!selected) return trail(std::move(selected.error()), "in what node {} runs", body.graph.name);
      body.selection = std::move(*selected);
      if (auto status = fuse_separable(body.graph, body.is_static, body.selection); !status)
        return trail(std::move(status.error()), "in what node {} runs", body.graph.name);
    }
    end_phase("select");
    TN_ASSIGN(ChosenGraph chosen, materialise(graph_, is_static, selection, target_.device));
    TN_TRY(check("materialise", chosen.graph));
    for (auto& [attribute, body] : bodies_) {
      TN_ASSIGN(ChosenGraph made, materialise(body.graph, body.is_static, body.selection, target_.device));
      TN_TRY(check("materialise", made.graph));
      body.chosen = std::make_shared<const ChosenGraph>(std::move(made));
      chosen.bodies[attribute] = body.chosen;
    }
    end_phase("materialise");
    TN_TRY(tell("lower", 0.95));
    TN_ASSIGN(Lowered lowered, lower(chosen, symbols_, config_, plan_target(chosen), *kernels_));
    end_phase("lower");
    if (!device_->is_host()) TN_TRY(add_images(lowered, *kernels_, *device_, session_options()));
    end_phase("images");
    TN_ASSIGN(std::vector<std::byte> bytes, plan::write(lowered.plan));
    end_phase("write");
    TN_TRY(tell("done", 1));
    const SymbolValues opt = symbols_.values(0, &plan::Range::opt);
    ReportBodies bodies;
    for (const auto& [attribute, body] : bodies_)
      bodies.emplace(attribute, ReportBody{body.graph, body.selection, joined_nodes(*body.chosen, lowered)});
    const std::set<NodeId> joined = joined_nodes(chosen, lowered);
    std::string report = write_report({graph_, selection, chosen, lowered.plan, passes_, decisions_, opt, phases_, milliseconds_since(begin_),
                                       bodies, joined});
    return BuildResult{std::move(bytes), std::move(report)};
  }

 private:
  // Another device's memory holds no strings: where they lie is part of their type from here on.
  void keep_texts_on_host() {
    for (uint32_t i = 0; i < graph_.value_count(); ++i) {
      TensorType type = graph_.value({i}).type;
      if (type.dtype != DType::string) continue;
      type.format.place = Place::host;
      graph_.set_value_type({i}, std::move(type));
    }
  }

  // The nodes, as selection saw them, that the plan has no step for.
  static std::set<NodeId> joined_nodes(const ChosenGraph& chosen, const Lowered& lowered) {
    std::set<NodeId> out;
    for (const auto& [graph, node] : lowered.joined)
      if (graph == &chosen) out.insert(chosen.chosen_from.at(node));
    return out;
  }

  // Values of the symbols that have but one.
  SymbolValues fixed_symbols() const {
    SymbolValues fixed;
    for (size_t s = 0; s < symbols_.symbols.size(); ++s) {
      const int64_t value = symbols_.ranges[0][s].min;
      if (std::all_of(symbols_.ranges.begin(), symbols_.ranges.end(),
                      [&](const auto& profile) { return profile[s].min == value && profile[s].max == value; }))
        fixed[symbols_.symbols[s]] = value;
    }
    return fixed;
  }

  // What copies nothing takes no time.
  static bool may_copy_nothing(const Graph& graph, NodeId id, const Candidate& candidate, const SymbolValues& symbols) {
    const Node& node = graph.node(id);
    if (candidate.inputs.empty() || candidate.outputs.size() != 1) return false;
    std::vector<TensorType> types;
    auto add = [&](ValueId value, const Form& form) {
      types.push_back(graph.value(value).type);
      const Form full = full_form(form, types.back());
      types.back().dtype = full.dtype;
      types.back().format = full.format;
    };
    for (size_t i = 0; i < node.inputs.size(); ++i) add(node.inputs[i], candidate.inputs[i]);
    add(node.outputs[0], candidate.outputs[0]);
    auto fix = [&](const Dim& dim) {
      const auto value = evaluate(dim, [&](std::string_view name) -> std::optional<int64_t> {
        const auto found = symbols.find(name);
        return found == symbols.end() ? std::nullopt : std::optional(found->second);
      });
      return value ? Dim(*value) : dim;
    };
    return tenon::may_copy_nothing(NodeView(graph, node), types, fix);
  }

  // The phase that ends now began when the one before it ended.
  void end_phase(std::string_view name) {
    double before = 0;
    for (const auto& [phase, milliseconds] : phases_) before += milliseconds;
    phases_.emplace_back(name, milliseconds_since(begin_) - before);
  }

  // A mistyped name would leave a build silently as it is.
  Status check_names() const {
    for (const std::string& name : config_.disabled_passes)
      if (name == k_expand.name || (name != kPiecesName && std::ranges::none_of(kPasses, [&](const Pass* p) { return p->name == name; })))
        return fail(Code::invalid_argument, "option disable_passes: {}", name == k_expand.name
                        ? "pass expand is never skipped: kernels compute core ops"
                        : fmt::format("there is no pass \"{}\"", name));
    auto is_tactic = [](std::string_view name) {
      return std::ranges::any_of(all_tactics(), [&](const Tactic* tactic) { return tactic->name == name; });
    };
    for (const std::string& name : config_.disabled_tactics)
      if (!is_tactic(name) || name == "reference")
        return fail(Code::invalid_argument, "option disable_tactics: {}", name == "reference"
                        ? "tactic reference is always tried last"
                        : fmt::format("there is no tactic \"{}\"", name));
    if (!config_.forced_tactic.empty() && !is_tactic(config_.forced_tactic))
      return fail(Code::invalid_argument, "option force_tactic: there is no tactic \"{}\"", config_.forced_tactic);
    return {};
  }

  Status find_target() {
    TN_ASSIGN(device_, find_device(config_.device));
    target_.threads = config_.threads > 0 ? config_.threads : cpu_count();  // on another device: of host steps and refits
    if (!is_timer(config_.timer))
      return fail(Code::invalid_argument, "timer {} is unknown; there are real, fake, and shuffled: with a number", config_.timer);
    if (device_->is_host()) {
      kernels_ = config_.use_onednn ? &full_kernel_table() : &host_kernel_table();
      target_.onednn = kernels_->libraries();
      if (config_.use_onednn && target_.onednn.empty()) {
        const std::string why = onednn_refusal();
        log_(Severity::info, "oneDNN's kernels are not there: {}", why);
        if (config_.forced_tactic.starts_with("onednn_"))
          return fail(Code::invalid_argument, "option force_tactic: {} needs oneDNN: {}", config_.forced_tactic, why);
      }
    } else {
      TN_TRY(find_device_target());
    }
    target_.allow_bf16 = config_.allow_bf16;
    target_.cpu_features = cpu_features() & ~config_.masked_cpu_features;
    CacheSizes caches = cpu_caches();
    target_.l2 = caches.l2;
    target_.l3 = caches.l3;
    return {};
  }

  Status find_device_target() {
    const DeviceFacts& facts = device_->facts();
    TN_ASSIGN(kernels_, kernel_table_for(*device_));
    TN_ASSIGN(session_, device_->create_session(session_options()));
    target_.device = device_->kind();
    target_.architecture = 0;
    for (char c : facts.architecture)
      if (c >= '0' && c <= '9') target_.architecture = target_.architecture * 10 + (c - '0');
    target_.multiprocessors = facts.multiprocessors;
    target_.shared_memory = facts.shared_memory;
    target_.allow_tf32 = config_.allow_tf32;
    target_.allow_f16 = config_.allow_f16;
    return {};
  }

  SessionOptions session_options() const {
    SessionOptions options;
    options.compile = true;
    options.cache_folder = config_.code_cache;
    return options;
  }

  Status tell(std::string_view phase, double fraction) const {
    if (!config_.progress || config_.progress(phase, fraction)) return {};
    return fail(Code::cancelled, "the build was cancelled in phase {}", phase);
  }

  Status check(std::string_view pass, const Graph& graph) const {
    if (auto status = verify(graph); !status) return trail(std::move(status.error()), "after pass {}", pass);
    if (config_.check_passes) TN_TRY(round_trip(pass, graph));
    if (config_.after_pass) TN_TRY(config_.after_pass(pass, graph));
    return {};
  }

  Status round_trip(std::string_view pass, const Graph& graph) const {
    std::string once = print(graph);
    auto again = parse_graph(once, find_op);
    if (!again) return trail(std::move(again.error()), "the text after pass {} does not parse", pass);
    if (print(*again) == once) return {};
    return fail(Code::internal, "the text after pass {} changes when it is parsed", pass);
  }

  Status run_passes() {
    std::unique_ptr<ClaimOracle> oracle = make_claim_oracle(target_, config_.disabled_tactics);
    PassContext context{oracle.get(), &decisions_};
    TN_TRY(run_passes(graph_, context));
    return run_body_passes(graph_, context);
  }

  // The same for what nodes run. It is core ops since the network was expanded.
  Status run_body_passes(const Graph& graph, const PassContext& context) {
    for (NodeId id : graph.order())
      for (const GraphPtr& attribute : graphs_of(graph.node(id))) {
        auto [it, fresh] = bodies_.try_emplace(attribute.get());
        if (!fresh) continue;
        kept_.push_back(attribute);
        Graph& body = it->second.graph;
        body = *attribute;
        for (const Pass* pass : kPasses) {
          if (pass == &k_expand || config_.disabled_passes.count(pass->name)) continue;
          if (auto status = pass->run(body, context); !status)
            return trail(std::move(status.error()), "in pass {} over what node {} runs", pass->name, body.name);
          TN_TRY(check(pass->name, body));
        }
        TN_TRY(run_body_passes(body, context));
      }
    return {};
  }

  Status run_passes(Graph& graph_, const PassContext& context) {
    size_t done = 0;
    for (const Pass* pass : kPasses) {
      TN_TRY(tell(pass->name, 0.3 * static_cast<double>(done++) / std::size(kPasses)));
      bool skipped = pass != &k_expand && config_.disabled_passes.count(pass->name);
      PassRecord record{std::string(pass->name), 0, graph_.order().size(), 0, skipped};
      auto begin = Clock::now();
      if (!skipped) {
        if (auto status = pass->run(graph_, context); !status)
          return trail(std::move(status.error()), "in pass {}", pass->name);
        TN_TRY(check(pass->name, graph_));
      }
      record.milliseconds = milliseconds_since(begin);
      record.nodes_after = graph_.order().size();
      passes_.push_back(std::move(record));
    }
    return {};
  }

  // For the number of threads that was set, or, where none was, for all or for one thread, whichever takes less: small
  // networks may run faster on one. One is tried where there is one shape, whose times say what a run takes.
  Result<Selection> choose(const Graph& graph, const std::vector<bool>& is_static) {
    const bool both = config_.threads == 0 && target_.threads > 1 && device_->is_host() && config_.timer == "real" &&
                      bodies_.empty() && symbols_.symbols.empty();
    TN_ASSIGN(Selection all, choose_for_threads(graph, is_static, both));
    if (!both || !all.is_timed() || all.microseconds > kMostForOneThread) return all;
    const int threads = std::exchange(target_.threads, 1);
    TN_ASSIGN(Selection one, choose_for_threads(graph, is_static, both));
    log_(Severity::info, "{:.1f} µs on one thread, {:.1f} µs on {}", one.microseconds, all.microseconds, threads);
    const double margin = kOfClock * static_cast<double>(all.nodes.size());
    if (one.is_timed() && one.microseconds <= all.microseconds * kOneThreadHandicap + margin) return one;
    target_.threads = threads;
    return all;
  }

  // `whole`: every step is timed, if it is quick enough that one thread may do.
  Result<Selection> choose_for_threads(const Graph& graph, const std::vector<bool>& is_static, bool whole) {
    SelectOptions options = select_options();
    if (whole) options.lone_limit = kMostForOneThread;
    TN_ASSIGN(std::unique_ptr<Timer> timer, make_timer(graph, is_static));
    return select(graph, is_static, *kernels_, *timer, timing_cache(), options);
  }

  // Of what was chosen, chains of convolutions become one node unless that is clearly slower.
  Status fuse_separable(Graph& graph, std::vector<bool>& is_static, Selection& selection) {
    if (!device_->is_host() || config_.disabled_tactics.count("conv_separable")) return {};
    SelectOptions options = select_options();
    TN_ASSIGN(std::unique_ptr<Timer> timer, make_timer(graph, is_static));
    TN_ASSIGN(const bool fused, tenon::fuse_separable(graph, selection, *kernels_, *timer, timing_cache(), options, decisions_));
    if (!fused) return {};
    TN_TRY(check("fuse_separable", graph));
    is_static = static_values(graph);
    options.progress = [progress = options.progress](double) { return progress(1); };  // it is asked, and stands still
    const Selection first = std::move(selection);
    TN_ASSIGN(selection, select(graph, is_static, *kernels_, *timer, timing_cache(), options));
    selection.prepare_milliseconds += first.prepare_milliseconds;
    selection.time_milliseconds += first.time_milliseconds;
    selection.label_milliseconds += first.label_milliseconds;
    return {};
  }

  SelectOptions select_options() {
    SelectOptions options;
    options.target = target_;
    options.session = session_.get();
    options.most_configs = kMostConfigs[std::clamp(config_.optimization_level, 0, kMostLevel)];
    if (config_.timer == "real" && device_->is_host()) {
      options.contests = kContests[std::clamp(config_.optimization_level, 0, kMostLevel)];
      options.finals = kFinals[std::clamp(config_.optimization_level, 0, kMostLevel)];
    }
    if (config_.deadline_seconds > 0)
      options.deadline = begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(config_.deadline_seconds));
    options.fingerprint = device_->is_host()
        ? fmt::format("tenon {} cpu {} caches {} {} threads {} {}", TENON_VERSION, cpu_feature_names(target_.cpu_features), target_.l2,
                      target_.l3, target_.threads, target_.onednn)
        : fmt::format("tenon {} {} {} {}", TENON_VERSION, device_->facts().product, device_->facts().architecture,
                      device_->libraries());
    if (!config_.disabled_passes.count(kPiecesName)) options.is_free = [symbols = fixed_symbols()](const Graph& graph, NodeId id, const Candidate& candidate) {
      return may_copy_nothing(graph, id, candidate, symbols);
    };
    options.disabled = config_.disabled_tactics;
    options.forced = config_.forced_tactic;
    // Timed at the first profile's opt; able to run at every profile's bounds.
    const SymbolValues fixed = fixed_symbols();
    options.points.push_back({symbols_.values(0, &plan::Range::opt), fixed});
    for (size_t profile = 0; profile < symbols_.ranges.size(); ++profile)
      for (auto which : {&plan::Range::min, &plan::Range::opt, &plan::Range::max}) {
        SymbolValues point = symbols_.possible(symbols_.values(profile, which));
        if (std::none_of(options.points.begin(), options.points.end(),
                         [&](const ProblemPoint& known) { return known.values == point; }))
          options.points.push_back({std::move(point), fixed});
      }
    // A dim that may be empty is so while the others are not.
    for (size_t profile = 0; profile < symbols_.ranges.size(); ++profile)
      for (size_t s = 0; s < symbols_.symbols.size(); ++s) {
        if (symbols_.ranges[profile][s].min != 0) continue;
        SymbolValues point = symbols_.values(profile, &plan::Range::opt);
        point[symbols_.symbols[s]] = 0;
        options.points.push_back({symbols_.possible(std::move(point)), fixed});
      }
    options.target.typical = &options.points[0].values;
    options.progress = [&](double fraction) { return tell("select", 0.3 + 0.6 * fraction).has_value(); };
    return options;
  }

  Result<std::unique_ptr<Timer>> make_timer(const Graph& graph, const std::vector<bool>& is_static) {
    if (config_.timer != "real") return make_fake_timer(*kernels_, target_.threads, session_.get(), config_.timer);
    if (!device_->is_host()) return make_device_timer(*kernels_, *device_, *session_);
    const int64_t cache = std::max(target_.l3, target_.l2);
    const int64_t weights = product_weights(graph, is_static);
    const Weights::Level level = weights > cache ? Weights::Level::memory : weights > target_.l2 ? Weights::Level::last : Weights::Level::near;
    return make_real_timer(*kernels_, target_.threads, {std::min(weights, kFarFromCache * cache), level});
  }

  // Bytes of what products read whole in every run.
  static int64_t product_weights(const Graph& graph, const std::vector<bool>& is_static) {
    int64_t bytes = 0;
    std::set<uint32_t> counted;
    for (NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      if (!node.op->multiply_adds || is_static[node.outputs[0].index]) continue;
      for (ValueId input : node.inputs) {
        if (!input.valid() || !is_static[input.index] || !counted.insert(input.index).second) continue;
        const TensorType& type = graph.value(input).type;
        if (const auto shape = constant_shape(type.shape)) bytes += plan::storage_bytes(type.dtype, type.format, *shape).value_or(0);
      }
    }
    return bytes;
  }

  TimingCache& timing_cache() { return config_.timing_cache ? *config_.timing_cache : own_cache_; }

  plan::Target plan_target(const ChosenGraph& chosen) const {
    plan::Target target{target_.device, 0, "", target_.threads, "", ""};
    std::set<std::string_view> libraries;
    std::vector<const ChosenGraph*> graphs = {&chosen};
    for (const auto& [attribute, body] : chosen.bodies) graphs.push_back(body.get());
    for (const ChosenGraph* graph : graphs)
      for (const auto& [node, call] : graph->calls)
        if (const Kernel* kernel = kernels_->find(call.kernel)) {
          target.cpu_features |= kernel->cpu_features;
          if (*kernel->library) libraries.insert(kernel->library);
          else if (device_->is_host() && !host_kernel_table().find(call.kernel)) target.libraries = kernels_->libraries();
        }
    if (device_->is_host()) return target;
    const DeviceFacts& facts = device_->facts();
    target.architecture = facts.architecture;
    target.product = facts.product;
    const std::string present = libraries.empty() ? "" : device_->libraries();
    for (std::string_view library : libraries) {
      const size_t at = present.find(library);
      if (at == present.npos) continue;
      if (!target.libraries.empty()) target.libraries += ", ";
      target.libraries += present.substr(at, present.find(',', at) - at);
    }
    return target;
  }

  Clock::time_point begin_;
  Graph graph_;
  const BuildConfig& config_;
  const Log& log_;
  const Device* device_ = nullptr;
  const KernelTable* kernels_ = nullptr;
  std::unique_ptr<DeviceSession> session_;
  TimingCache own_cache_;  // where the configuration has none
  TargetInfo target_;
  SymbolRanges symbols_;
  // What becomes of a graph that a node runs.
  struct Body {
    Graph graph;
    std::vector<bool> is_static;
    Selection selection;
    std::shared_ptr<const ChosenGraph> chosen;
  };
  std::map<const Graph*, Body> bodies_;  // by the node's attribute
  std::vector<GraphPtr> kept_;           // those
  std::vector<PassRecord> passes_;
  std::vector<Decision> decisions_;
  std::vector<std::pair<std::string_view, double>> phases_;
};

}  // namespace

Result<BuildResult> build_plan(const Graph& network, const BuildConfig& config, const Log& log) {
  return Build(network, config, log).run();
}

bool is_build_timer(std::string_view name) { return is_timer(name); }

}  // namespace tenon
