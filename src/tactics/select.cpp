#include "tactics/select.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

#include "ir/found.h"
#include "tactics/contest.h"
#include "tactics/pbqp.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

bool is_reference(const Tactic& tactic) { return tactic.op.empty(); }

bool well_formed(const Candidate& candidate, NodeView node) {
  if (candidate.inputs.size() != node.input_count() || candidate.outputs.size() != node.output_count()) return false;
  return std::all_of(candidate.packs.begin(), candidate.packs.end(),
                     [&](const Pack& pack) { return node.has_input(pack.input) && pack.bytes > 0; });
}

bool has_texts(NodeView node) {
  for (size_t i = 0; i < node.input_count(); ++i)
    if (node.input(i).dtype == DType::string) return true;
  for (size_t i = 0; i < node.output_count(); ++i)
    if (node.output(i).dtype == DType::string) return true;
  return false;
}

bool is_packed(const Candidate& candidate, size_t input) {
  return std::any_of(candidate.packs.begin(), candidate.packs.end(),
                     [&](const Pack& pack) { return pack.input == input; });
}

// Claims of every tactic of the node's op; the reference's only if no other stands.
class Candidates {
 public:
  Candidates(const KernelTable& kernels, Timer& timer, TimingCache& cache, const SelectOptions& options)
      : kernels_(kernels), timer_(timer), cache_(cache), options_(options) {}

  Result<NodeReport> of(const Graph& graph, NodeId id) {
    NodeReport report{id, {}, {}, -1};
    NodeView view(graph, graph.node(id));
    const Clock::time_point begin = Clock::now();
    TN_TRY(check_outputs(view));
    if (view.node().op->runs_graphs) {
      report.candidates.push_back(run_by_runtime(view));
      return report;
    }
    TN_ASSIGN(std::string problem, problem_key(view, options_.points[0].values));
    claim(view, report, Rank::usual, &problem);
    if (!any_stands(report)) claim(view, report, Rank::last_resort, &problem);
    if (!any_stands(report)) claim(view, report, Rank::reference, nullptr);
    if (!options_.forced.empty()) keep_forced(report);
    const Clock::time_point prepared = Clock::now();
    prepare_milliseconds += milliseconds(begin, prepared);
    TN_TRY(time(view, report, problem));
    time_milliseconds += milliseconds(prepared, Clock::now());
    return report;
  }

  // Prepares the node's candidates ahead of its turn: while the session collects, it hears what code they need; after
  // that, what does not stand is known when the turn comes.
  Status announce(const Graph& graph, NodeId id) {
    const NodeView view(graph, graph.node(id));
    if (view.node().op->runs_graphs) return {};
    TN_ASSIGN(std::string problem, problem_key(view, options_.points[0].values));
    if (!announced_.insert(problem).second) return {};
    NodeReport ignored{id, {}, {}, -1};
    claim(view, ignored, Rank::usual, &problem);
    return {};
  }
  // From now on to false, only the kernels of libraries are announced.
  void announce_libraries(bool only) {
    announced_.clear();
    only_libraries_ = only;
  }

  // The measured or recorded cost of one trial.
  Result<Timing> cost(const std::string& key, const Trial& trial, double limit) {
    if (auto known = cache_.find(key)) return *known;
    TN_ASSIGN(Timing timing, timer_.time(trial, limit));
    cache_.add(key, timing);
    return timing;
  }

  // Of a conversion on the device. One tensor of every six octaves of sizes is measured; what takes longer than a launch
  // grows with the size.
  Result<double> conversion_cost(const std::string& key, const Trial& trial) {
    constexpr double kLaunch = 2;
    constexpr int kOctaves = 6;
    const int64_t count = trial.inputs[0].count();
    const int octave = (std::bit_width(static_cast<uint64_t>(count)) + kOctaves - 1) / kOctaves * kOctaves;
    const double share = static_cast<double>(count) / std::ldexp(1.0, octave);
    const std::string whole = fmt::format("{} of 2^{}", key, octave);
    std::optional<Timing> known = cache_.find(whole);
    if (!known) {
      TN_ASSIGN(known, timer_.time(trial, 1e9));
      known->microseconds = std::min(known->microseconds, kLaunch) + std::max(known->microseconds - kLaunch, 0.0) / share;
      cache_.add(whole, *known);
    }
    return std::min(known->microseconds, kLaunch) + std::max(known->microseconds - kLaunch, 0.0) * share;
  }
  // Lets the session hear what code the conversion's measurement needs.
  void announce_conversion(const Trial& trial) const {
    const Kernel* kernel = kernels_.find(trial.kernel);
    Prepared ignored;
    if (kernel) (void)prepare_kernel(*kernel, {trial.params, trial.inputs, trial.outputs, 1, options_.session}, ignored);
  }

  std::string key(const std::string& problem, const std::string& candidate) const {
    return fmt::format("{} | {} | {} | {}", problem, candidate, options_.fingerprint, timer_.name());
  }

  // On a device that is not the host: why a candidate cannot be used at every point, with all code that it needs; empty if
  // it can.
  Status verify_everywhere(NodeView view, const Considered& considered) const {
    const Kernel* kernel = kernels_.find(considered.candidate.call.kernel);
    if (!options_.session || !kernel) return {};
    return prepare_at(options_.points, view, considered.candidate, *kernel);
  }

  // What there still is for a node whose candidates have failed.
  void add_others(NodeView view, NodeReport& report) {
    const bool asked = std::any_of(report.candidates.begin(), report.candidates.end(),
                                   [&](const Considered& c) { return rank_of(*c.tactic) == Rank::last_resort; });
    if (!asked) claim(view, report, Rank::last_resort, nullptr);
    if (!any_stands(report)) claim(view, report, Rank::reference, nullptr);
  }

  static bool any_stands(const NodeReport& report) {
    return std::any_of(report.candidates.begin(), report.candidates.end(), [](const Considered& c) { return c.failure.empty(); });
  }

  // Later builds with the cache need not try again what failed in this one.
  void record_failures() {
    for (const std::string& name : failed_) cache_.add(name, {Timing::Kind::failed, 0});
  }

  double prepare_milliseconds = 0, time_milliseconds = 0;

 private:
  // A node that runs graphs has no kernel: the step names the op. What it finds is told to the host.
  Considered run_by_runtime(NodeView view) const {
    static constexpr Tactic kRuntime{"runtime", "graphs", nullptr, ""};
    Candidate candidate;
    candidate.call = KernelCall::without_params(std::string(view.node().op->name));
    candidate.inputs.assign(view.input_count(), kLinear);
    candidate.outputs.assign(view.output_count(), kLinear);
    if (finds_sizes(view.node()) && options_.target.device != "cpu") candidate.outputs.back() = kHostLinear;
    Considered out{&kRuntime, std::move(candidate), {Timing::Kind::not_tried, 0}, {}};
    out.verified = true;
    return out;
  }

  // In which turn a tactic is asked.
  enum class Rank { usual, last_resort, reference };
  Rank rank_of(const Tactic& tactic) const {
    if (tactic.name == options_.forced) return Rank::usual;
    if (is_reference(tactic)) return Rank::reference;
    return tactic.last_resort ? Rank::last_resort : Rank::usual;
  }

  static std::string text_of(const Status& status) { return status ? "" : status.error().text(); }

  // `problem`: the node's key, under which the result of a check is kept for nodes that equal it; null: not kept.
  void claim(NodeView view, NodeReport& report, Rank rank, const std::string* problem) {
    for (const Tactic* tactic : all_tactics()) {
      if (rank_of(*tactic) != rank) continue;
      const bool reference = is_reference(*tactic);
      if (!reference && (tactic->op != view.node().op->name || tactic->device != options_.target.device)) continue;
      if (!reference && tactic->device != "cpu" && has_texts(view)) {
        report.refusals.emplace_back(tactic->name, "strings lie on the host");
        continue;
      }
      if (!reference && options_.disabled.count(tactic->name)) {
        report.refusals.emplace_back(tactic->name, "disabled by the build's configuration");
        continue;
      }
      Claim claimed = tactic->claim(view, options_.target);
      if (claimed.candidates.empty()) report.refusals.emplace_back(tactic->name, claimed.refusal);
      std::map<std::string, int> standing;  // by math and forms
      for (Candidate& candidate : claimed.candidates) {
        int& count = standing[fmt::format("{} {}", candidate.math, forms_of(candidate))];
        if (count >= options_.most_configs) continue;
        Considered considered{tactic, std::move(candidate), {Timing::Kind::not_tried, 0}, {}};
        const Status status = assess(view, considered, problem);
        if (status || status.error().code == Code::busy) ++count;
        considered.failure = text_of(status);
        report.candidates.push_back(std::move(considered));
      }
    }
  }

  // Whether the candidate stands. On a device that is not the host, where to prepare is slow, the timing cache says so
  // for those that it has.
  Status assess(NodeView view, Considered& considered, const std::string* problem) {
    if (!problem) return check(view, considered.candidate);
    const std::string candidate = candidate_key(*considered.tactic, considered.candidate);
    if (options_.session) {
      if (auto known = cache_.find(key(*problem, candidate))) {
        considered.recorded = true;
        if (known->kind == Timing::Kind::failed) return fail(Code::unsupported, "it failed when the timing cache was filled");
        considered.timing = *known;
        return {};
      }
    }
    const Kernel* kernel = kernels_.find(considered.candidate.call.kernel);
    if (only_libraries_ && kernel && !*kernel->library) return fail(Code::busy, "not announced now");
    const std::string name = *problem + " | " + candidate;
    if (auto known = checked_.find(name); known != checked_.end()) return known->second;
    Status status = check(view, considered.candidate);
    if (!status && status.error().code == Code::busy) return status;
    if (!status && options_.session) failed_.push_back(key(*problem, candidate));
    return checked_.emplace(name, std::move(status)).first->second;
  }

  static std::string forms_of(const Candidate& candidate) {
    std::string out;
    for (const Form& form : candidate.inputs) out += name_of(form) + " ";
    for (const Form& form : candidate.outputs) out += "> " + name_of(form);
    return out;
  }

  // Whatever computes it, its results are tensors at every point.
  Status check_outputs(NodeView view) const {
    for (const ProblemPoint& point : options_.points)
      for (size_t i = 0; i < view.output_count(); ++i)
        TN_TRY(concrete_arg(view.output(i), Form(kLinear), point));
    return {};
  }

  // Why a candidate cannot be used; empty if it can. On a device that is not the host, where to prepare may mean to
  // compile, only the point that is timed is looked at: verify_everywhere does the rest for what is chosen.
  Status check(NodeView view, const Candidate& candidate) const {
    if (!well_formed(candidate, view)) return fail(Code::internal, "the claim does not fit the node");
    const Kernel* kernel = kernels_.find(candidate.call.kernel);
    if (!kernel) return fail(Code::not_found, "there is no kernel {}", candidate.call.kernel);
    if (kernel->cpu_features & ~options_.target.cpu_features)
      return fail(Code::unsupported, "the kernel needs {}", cpu_feature_names(kernel->cpu_features));
    const size_t points = options_.session ? 1 : options_.points.size();
    return prepare_at(std::span(options_.points).first(points), view, candidate, *kernel);
  }

  Status prepare_at(std::span<const ProblemPoint> points, NodeView view, const Candidate& candidate,
                    const Kernel& kernel) const {
    for (const ProblemPoint& point : points) {
      TN_ASSIGN(Trial trial, concrete_trial(view, candidate, point));
      if (trial.params.size() != kernel.params_size) return fail(Code::internal, "the claim's parameters do not fit the kernel");
      Prepared prepared;
      TN_TRY(prepare_kernel(kernel, {trial.params, trial.inputs, trial.outputs, options_.target.threads, options_.session},
                            prepared));
    }
    return {};
  }

  void keep_forced(NodeReport& report) const {
    auto forced = [&](const Considered& c) { return c.tactic->name == options_.forced && c.failure.empty(); };
    if (std::none_of(report.candidates.begin(), report.candidates.end(), forced)) return;
    for (Considered& considered : report.candidates)
      if (considered.tactic->name != options_.forced && considered.failure.empty())
        considered.failure = "another tactic is forced";
  }

  // Times what stands, the first in order first; a lone candidate needs no time but for the sum, and stands whatever it is. What
  // is not timed for want of time is recorded so, which keeps later builds with the cache the same.
  Status time(NodeView view, NodeReport& report, const std::string& problem) {
    auto stands = [](const Considered& c) { return c.failure.empty(); };
    const bool lone = std::count_if(report.candidates.begin(), report.candidates.end(), stands) < 2;
    if (lone && options_.lone_limit == 0) {
      for (Considered& considered : report.candidates)
        if (considered.failure.empty())
          if (auto known = cache_.find(key(problem, candidate_key(*considered.tactic, considered.candidate)))) considered.timing = *known;
      return {};
    }
    double best = lone ? options_.lone_limit / 3 : 1e9;
    bool fresh = true;  // nothing was known of the candidates
    for (Considered& considered : report.candidates) {
      if (!considered.failure.empty()) continue;
      TN_ASSIGN(Trial trial, concrete_trial(view, considered.candidate, options_.points[0]));
      const std::string name = key(problem, candidate_key(*considered.tactic, considered.candidate));
      fresh = fresh && !cache_.find(name);
      if (is_late() && !cache_.find(name)) cache_.add(name, {Timing::Kind::not_tried, 0});
      auto timing = cost(name, trial, 3 * best);
      if (!timing && lone) return {};
      if (!timing) {
        considered.failure = timing.error().text();
        if (options_.session) failed_.push_back(name);
        continue;
      }
      considered.timing = *timing;
      if (timing->kind == Timing::Kind::measured) best = std::min(best, timing->microseconds);
    }
    if (fresh && !lone && !options_.session) TN_TRY(time_again(view, report, problem));
    keep_timed(report);
    return {};
  }

  // The measured candidates of one combination of forms, the quickest first, and how many of them are timed again: all that are
  // not far behind it.
  struct Group {
    std::vector<Considered*> candidates;
    std::ptrdiff_t contested = 0;
  };

  // What else the machine does slows one candidate down and not the next: the best ones of each combination of forms are timed
  // again, in turns. The first times are one turn more.
  Status time_again(NodeView view, NodeReport& report, const std::string& problem) {
    if (options_.contests == 0) return {};
    const std::vector<Group> groups = groups_by_forms(report);
    std::vector<Considered*> contested;
    for (const Group& group : groups) contested.insert(contested.end(), group.candidates.begin(), group.candidates.begin() + group.contested);
    if (contested.size() < 2) return {};
    TN_ASSIGN(const auto times, compare(view, contested, options_.contests, true));
    if (!times) return {};
    size_t begin = 0;
    for (const Group& group : groups) {
      // The others of a form stay as far behind its best one as they were.
      const double scale = (*times)[begin] / group.candidates[0]->timing.microseconds;
      for (size_t i = 0; i < group.candidates.size(); ++i) {
        Considered& c = *group.candidates[i];
        c.timing.microseconds = i < static_cast<size_t>(group.contested) ? (*times)[begin + i] : c.timing.microseconds * scale;
      }
      begin += static_cast<size_t>(group.contested);
      TN_TRY(time_best(view, group));
      for (const Considered* c : group.candidates) cache_.add(key(problem, candidate_key(*c->tactic, c->candidate)), c->timing);
    }
    return {};
  }

  // Those of a group that are hard to tell apart are compared once more among themselves, in shorter turns.
  Status time_best(NodeView view, const Group& group) {
    constexpr double kHardToTell = 1.1;
    constexpr size_t kMost = 4;
    std::vector<Considered*> best = group.candidates;
    std::stable_sort(best.begin(), best.end(), quicker);
    auto close = [&](const Considered* c) { return c->timing.microseconds <= kHardToTell * best[0]->timing.microseconds; };
    best.resize(std::min<size_t>(kMost, static_cast<size_t>(std::count_if(best.begin(), best.end(), close))));
    if (options_.finals == 0 || best.size() < 2 || is_late()) return {};
    TN_ASSIGN(const auto times, compare(view, best, options_.finals, false));
    if (!times) return {};
    const std::vector<double> again = scaled(*times, times_of(best));
    for (size_t i = 0; i < best.size(); ++i) best[i]->timing.microseconds = again[i];
    return {};
  }

  // `known`: their times are one turn more.
  Result<std::optional<std::vector<double>>> compare(NodeView view, const std::vector<Considered*>& candidates, int count, bool known) {
    std::vector<Trial> trials;
    for (const Considered* c : candidates) {
      TN_ASSIGN(trials.emplace_back(), concrete_trial(view, c->candidate, options_.points[0]));
    }
    return contest(timer_, trials, known ? times_of(candidates) : std::vector<double>(), count, [&] { return is_late(); });
  }

  static std::vector<double> times_of(const std::vector<Considered*>& candidates) {
    std::vector<double> out;
    for (const Considered* c : candidates) out.push_back(c->timing.microseconds);
    return out;
  }
  static bool quicker(const Considered* a, const Considered* b) { return a->timing.microseconds < b->timing.microseconds; }

  static std::vector<Group> groups_by_forms(NodeReport& report) {
    constexpr double kFar = 2, kLongest = 10000;  // microseconds: what takes longer is timed well enough
    std::map<std::string, Group> by_forms;
    for (Considered& c : report.candidates)
      if (c.failure.empty() && c.timing.kind == Timing::Kind::measured && c.timing.microseconds > 0 && c.timing.microseconds <= kLongest)
        by_forms[forms_of(c.candidate)].candidates.push_back(&c);
    std::vector<Group> out;
    for (auto& [forms, group] : by_forms) {
      std::stable_sort(group.candidates.begin(), group.candidates.end(), quicker);
      const double best = group.candidates[0]->timing.microseconds;
      for (const Considered* c : group.candidates) group.contested += c->timing.microseconds <= kFar * best;
      out.push_back(std::move(group));
    }
    return out;
  }

  bool is_late() const { return options_.deadline && Clock::now() > *options_.deadline; }

  // Of several that stand, those with a time, or the first one if the deadline left none.
  static void keep_timed(NodeReport& report) {
    auto is_timed = [](const Considered& c) { return c.failure.empty() && c.timing.kind != Timing::Kind::not_tried; };
    bool kept = std::any_of(report.candidates.begin(), report.candidates.end(), is_timed);
    for (Considered& considered : report.candidates) {
      if (!considered.failure.empty() || is_timed(considered)) continue;
      if (kept) considered.failure = "not timed: the build's deadline had passed";
      kept = true;
    }
  }

  const KernelTable& kernels_;
  Timer& timer_;
  TimingCache& cache_;
  const SelectOptions& options_;
  std::set<std::string> announced_;        // problems
  bool only_libraries_ = false;
  std::map<std::string, Status> checked_;  // by problem and candidate
  std::vector<std::string> failed_;        // keys of what a device cannot run
};

// Times that differ by less cannot be told apart reliably. Of products, then, the precision that the build allows wins, which
// moves fewer bytes or multiplies faster as soon as more than one step runs; and on the CPU the library's own kernels, whose
// weights and scratch share the caches with their neighbours': beside them oneDNN's take longer than alone. Strassen's product must
// be worth the room of its weights, 7/4 of the others'.
double handicap(NodeView node, const Candidate& candidate, const TargetInfo& target) {
  constexpr double kStep = 0.05, kWeights = 0.02;
  const bool more_weights = candidate.call.kernel.find(".strassen.") != std::string::npos;
  const double library = candidate.call.kernel.starts_with("onednn.") ? 1 + kStep : more_weights ? 1 + kWeights : 1;
  if (!node.node().op->multiply_adds || candidate.inputs.empty()) return library;
  const bool stored = target.allow_f16 || target.allow_bf16;
  if (full_form(candidate.inputs[0], node.input(0)).dtype != DType::f32) return 1;
  if (candidate.math == "bf16") return 1;
  if (candidate.math == "tf32") return stored ? 1 + kStep : 1;
  return library * (1 + kStep * (stored + target.allow_tf32));
}

// Microseconds for the labelling problem. A censored time is a lower bound: the candidate lost by at least that.
double label_cost(const Considered& considered) {
  if (considered.timing.kind == Timing::Kind::not_tried) return 0;
  return considered.timing.microseconds * (considered.timing.kind == Timing::Kind::censored ? 2 : 1);
}

// As if the node had a step.
double time_of(const Graph& graph, const NodeReport& report, size_t candidate, const SelectOptions& options) {
  const Considered& considered = report.candidates[candidate];
  return label_cost(considered) * handicap(NodeView(graph, graph.node(report.node)), considered.candidate, options.target);
}

double cost_of(const Graph& graph, const NodeReport& report, size_t candidate, const SelectOptions& options) {
  if (options.is_free && options.is_free(graph, report.node, report.candidates[candidate].candidate)) return 0;
  return time_of(graph, report, candidate, options);
}

// The labelling problem: a variable per node, whose labels are its candidates, and one per value that may be in more
// than one form, whose labels are the sets of forms in which it exists. Views compute nothing; where tensors may be
// stored in several types they have a candidate for each, so that a type goes through them.
class Labelling {
 public:
  Labelling(const Graph& graph, const std::vector<bool>& is_static, Selection& selection, Candidates& candidates,
            const SelectOptions& options)
      : graph_(graph), is_static_(is_static), selection_(selection), candidates_(candidates), options_(options) {}

  Status solve() {
    if (options_.target.device != "cpu") add_views();
    for (NodeReport& report : selection_.nodes) reports_.push_back(&report);
    for (NodeReport& report : selection_.views) reports_.push_back(&report);
    for (NodeReport* report : reports_) add_node(*report);
    if (options_.session) TN_TRY(announce_conversions());
    for (uint32_t i = 0; i < graph_.value_count(); ++i) TN_TRY(add_value({i}));
    Pbqp::Solution solution = problem_.solve();
    selection_.exact = solution.exact;
    selection_.microseconds = solution.cost;
    if (solution.cost >= Pbqp::kImpossible)
      return fail(Code::internal, "no choice of kernels fits together: a needed reformat has no kernel");
    for (size_t n = 0; n < reports_.size(); ++n)
      reports_[n]->chosen = labels_[n][solution.labels[node_variable_[n]]];
    return {};
  }

 private:
  struct Use {
    size_t node;             // index into reports_
    size_t input;
  };

  // The fastest candidate per signature of formats is a label.
  void add_node(const NodeReport& report) {
    std::vector<int> labels;
    for (size_t c = 0; c < report.candidates.size(); ++c) {
      const Considered& considered = report.candidates[c];
      if (!considered.failure.empty()) continue;
      const std::string own = signature(report.node, considered.candidate);
      auto same = std::find_if(labels.begin(), labels.end(), [&](int other) {
        return signature(report.node, report.candidates[static_cast<size_t>(other)].candidate) == own;
      });
      if (same == labels.end()) labels.push_back(static_cast<int>(c));
      else if (time_of(graph_, report, c, options_) < time_of(graph_, report, static_cast<size_t>(*same), options_)) *same = static_cast<int>(c);
    }
    std::vector<double> costs;
    for (int label : labels) costs.push_back(cost_of(graph_, report, static_cast<size_t>(label), options_));
    node_variable_.push_back(problem_.add_variable(std::move(costs)));
    labels_.push_back(std::move(labels));
    index_.emplace(report.node, labels_.size() - 1);
  }

  // Inputs that are static are converted when the plan is made: what form they take costs nothing.
  std::string signature(NodeId id, const Candidate& candidate) const {
    const Node& node = graph_.node(id);
    std::string out;
    for (size_t i = 0; i < candidate.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (is_packed(candidate, i) || (input.valid() && is_static_[input.index])) out += "static ";
      else out += name_of(full_form(candidate.inputs[i], graph_.value(input).type)) + " ";
    }
    for (size_t i = 0; i < candidate.outputs.size(); ++i)
      out += "> " + name_of(full_form(candidate.outputs[i], graph_.value(node.outputs[i]).type));
    return out;
  }

  void add_views() {
    const TargetInfo& target = options_.target;
    for (NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!node.op->is_view || is_static_[node.outputs[0].index]) continue;
      std::vector<Form> forms = {kLinear, kHostLinear};
      if (graph_.value(node.outputs[0]).type.dtype == DType::f32) {
        if (target.allow_f16) forms.push_back({DType::f16, kLinear});
        if (target.allow_bf16) forms.push_back({DType::bf16, kLinear});
      }
      NodeReport report{id, {}, {}, -1};
      for (const Form& form : forms) {
        Candidate candidate;
        candidate.inputs.assign(node.inputs.size(), form);
        candidate.outputs.assign(1, form);
        report.candidates.push_back({nullptr, std::move(candidate), {Timing::Kind::not_tried, 0}, {}});
      }
      selection_.views.push_back(std::move(report));
    }
  }

  const Candidate& label(size_t node, size_t index) const {
    return reports_[node]->candidates[static_cast<size_t>(labels_[node][index])].candidate;
  }
  Form input_form(size_t node, size_t index, size_t input) const {
    return full_form(label(node, index).inputs[input], graph_.value(graph_.node(reports_[node]->node).inputs[input]).type);
  }
  Form output_form(size_t node, size_t index, size_t output) const {
    return full_form(label(node, index).outputs[output],
                     graph_.value(graph_.node(reports_[node]->node).outputs[output]).type);
  }

  std::vector<Use> uses_of(ValueId id) const {
    std::vector<Use> uses;
    for (NodeId user : graph_.users(id)) {
      auto found = index_.find(user);
      if (found == index_.end()) continue;
      const Node& node = graph_.node(user);
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] == id) uses.push_back({found->second, i});
    }
    return uses;
  }

  // Nodes without a variable and the network's boundary know plain tensors only.
  bool wants_plain(ValueId id) const {
    if (graph_.is_output(id)) return true;
    const std::vector<NodeId>& users = graph_.users(id);
    return std::any_of(users.begin(), users.end(), [&](NodeId user) { return !index_.count(user); });
  }

  // The node whose label says in which form the value is made; -1: it is there, in the plain one.
  int64_t producer_of(const Value& value) const {
    auto producer = value.producer.valid() ? index_.find(value.producer) : index_.end();
    return producer == index_.end() ? -1 : static_cast<int64_t>(producer->second);
  }

  // The forms in which somebody makes or wants the value, the plain one first; none of a value that has no variable.
  std::vector<Form> forms_of(ValueId id, const std::vector<Use>& uses) const {
    const Value& value = graph_.value(id);
    if (value.erased || is_static_[id.index] || value.type.dtype == DType::none) return {};
    std::vector<Form> forms = {full_form(plain_format(value.type), value.type)};
    auto note = [&](const Form& form) {
      if (std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(form);
    };
    if (const int64_t producer = producer_of(value); producer >= 0) {
      const auto node = static_cast<size_t>(producer);
      for (size_t l = 0; l < labels_[node].size(); ++l) note(output_form(node, l, value.output));
    }
    for (const Use& use : uses)
      for (size_t l = 0; l < labels_[use.node].size(); ++l)
        if (!is_packed(label(use.node, l), use.input)) note(input_form(use.node, l, use.input));
    return forms;
  }

  Status add_value(ValueId id) {
    std::vector<Use> uses = uses_of(id);
    std::vector<Form> forms = forms_of(id, uses);
    if (forms.size() <= 1) return {};
    return add_form_sets(id, forms, producer_of(graph_.value(id)), uses);
  }

  // All conversions on the device that will be measured have their code compiled at once.
  Status announce_conversions() {
    options_.session->begin_collecting();
    for (uint32_t i = 0; i < graph_.value_count(); ++i) {
      const std::vector<Form> forms = forms_of({i}, uses_of({i}));
      for (const Form& from : forms)
        for (const Form& to : forms) {
          if (from == to) continue;
          const TensorType& type = graph_.value({i}).type;
          auto steps = conversions(type, from, to, options_.target.device);
          if (!steps) continue;
          Form now = from;
          for (const Conversion& step : *steps) {
            TN_ASSIGN(std::optional<Measured> measured, measured_conversion(type, now, step));
            if (measured && announced_.insert(measured->key).second) candidates_.announce_conversion(measured->trial);
            now = step.to;
          }
        }
    }
    options_.session->end_collecting(options_.target.threads);
    options_.session->wait_for_code();
    return {};
  }

  Status add_form_sets(ValueId id, const std::vector<Form>& forms, int64_t producer, const std::vector<Use>& uses) {
    size_t sets = (size_t{1} << forms.size()) - 1;
    auto has = [](size_t set, size_t f) { return ((set + 1) >> f & 1) != 0; };
    TN_ASSIGN(std::vector<double> reformat, conversion_costs(id, forms));
    // What the set costs when the value is made in form `home`.
    auto making = [&](size_t set, size_t home) {
      if (!has(set, home)) return Pbqp::kImpossible;
      double cost = 0;
      for (size_t f = 0; f < forms.size(); ++f)
        if (f != home && has(set, f)) cost += reformat[home * forms.size() + f];
      return std::min(cost, Pbqp::kImpossible);
    };
    auto position = [&](const Form& form) {
      return static_cast<size_t>(std::find(forms.begin(), forms.end(), form) - forms.begin());
    };
    std::vector<double> own(sets, 0);
    for (size_t set = 0; set < sets; ++set) {
      if (wants_plain(id) && !has(set, 0)) own[set] = Pbqp::kImpossible;
      if (producer < 0) own[set] += making(set, 0);
    }
    uint32_t variable = problem_.add_variable(own);
    if (producer >= 0) {
      size_t node = static_cast<size_t>(producer), output = graph_.value(id).output;
      std::vector<double> costs;
      for (size_t l = 0; l < labels_[node].size(); ++l)
        for (size_t set = 0; set < sets; ++set) costs.push_back(making(set, position(output_form(node, l, output))));
      problem_.add_edge(node_variable_[node], variable, costs);
    }
    for (const Use& use : uses) {
      std::vector<double> costs;
      for (size_t l = 0; l < labels_[use.node].size(); ++l)
        for (size_t set = 0; set < sets; ++set) {
          bool fits = is_packed(label(use.node, l), use.input) || has(set, position(input_form(use.node, l, use.input)));
          costs.push_back(fits ? 0 : Pbqp::kImpossible);
        }
      problem_.add_edge(node_variable_[use.node], variable, costs);
    }
    return {};
  }

  // costs[from * n + to]
  Result<std::vector<double>> conversion_costs(ValueId id, const std::vector<Form>& forms) {
    const TensorType& type = graph_.value(id).type;
    size_t n = forms.size();
    std::vector<double> costs(n * n, 0);
    for (size_t from = 0; from < n; ++from)
      for (size_t to = 0; to < n; ++to) {
        if (from == to) continue;
        double& cost = costs[from * n + to];
        auto steps = conversions(type, forms[from], forms[to], options_.target.device);
        if (!steps) {
          cost = Pbqp::kImpossible;
          continue;
        }
        Form now = forms[from];
        for (const Conversion& step : *steps) {
          TN_ASSIGN(double one, conversion_cost(type, now, step));
          cost = std::min(cost + one, Pbqp::kImpossible);
          now = step.to;
        }
      }
    return costs;
  }

  struct Measured {
    std::string key;
    Trial trial;
  };
  // How the conversion is measured; nothing for one that has a modelled cost.
  Result<std::optional<Measured>> measured_conversion(const TensorType& type, const Form& from, const Conversion& step) {
    if (from.format.place != step.to.format.place) return std::optional<Measured>();
    Measured out{{}, {step.call.kernel, step.call.params, {}, {}, {false}}};
    TN_ASSIGN(Arg in, concrete_arg(type, from, options_.points[0]));
    TN_ASSIGN(Arg to, concrete_arg(type, step.to, options_.points[0]));
    out.trial.inputs = {in};
    out.trial.outputs = {to};
    if (!options_.session) {
      std::string target = step.to.dtype == type.dtype ? name_of(step.to.format) : name_of(step.to);
      out.key = candidates_.key("reformat " + describe(in), target);
      return std::optional(std::move(out));
    }
    const bool vectors = in.rank > 1 && in.dims[1] % 8 == 0;   // of channels
    out.key = candidates_.key(fmt::format("reformat {} of rank {}{}", name_of(from), in.rank, vectors ? ", channels by 8" : ""),
                              name_of(step.to));
    return std::optional(std::move(out));
  }

  Result<double> conversion_cost(const TensorType& type, const Form& from, const Conversion& step) {
    TN_ASSIGN(std::optional<Measured> measured, measured_conversion(type, from, step));
    if (!measured) {
      TN_ASSIGN(Arg in, concrete_arg(type, from, options_.points[0]));
      return copy_microseconds(storage_bytes(in));
    }
    if (options_.session) {
      auto cost = candidates_.conversion_cost(measured->key, measured->trial);
      return cost ? *cost : Pbqp::kImpossible;
    }
    auto timing = candidates_.cost(measured->key, measured->trial, 1e9);
    return timing ? timing->microseconds : Pbqp::kImpossible;
  }

  // A copy between the memories of host and device, with the wait for the host step that it belongs to. A model, not a
  // measurement: about 10 GB/s.
  static double copy_microseconds(int64_t bytes) { return 20 + static_cast<double>(bytes) / 1e4; }

  const Graph& graph_;
  const std::vector<bool>& is_static_;
  Selection& selection_;
  Candidates& candidates_;
  const SelectOptions& options_;
  Pbqp problem_;
  std::vector<NodeReport*> reports_;         // of nodes, then of views: a variable each
  std::vector<uint32_t> node_variable_;
  std::vector<std::vector<int>> labels_;
  std::map<NodeId, size_t> index_;
  std::set<std::string> announced_;          // conversions
};

Status require_candidate(const Graph& graph, const NodeReport& report) {
  for (const Considered& considered : report.candidates)
    if (considered.failure.empty()) return {};
  const Node& node = graph.node(report.node);
  Error error{Code::unsupported, fmt::format("no kernel computes node {} ({})", node.name, node.op->name), {}};
  error.trail.push_back(print(graph, report.node));
  for (const auto& [tactic, reason] : report.refusals) error.trail.push_back(fmt::format("{}: {}", tactic, reason));
  for (const Considered& considered : report.candidates)
    error.trail.push_back(fmt::format("{}: {}", considered.tactic->name, considered.failure));
  return tl::unexpected<Error>(std::move(error));
}

// Has the code compiled that the chosen candidates need at all shapes.
void collect_chosen(const Graph& graph, const Candidates& candidates, const Selection& selection, const SelectOptions& options) {
  options.session->begin_collecting();
  for (const NodeReport& report : selection.nodes) {
    const Considered& chosen = report.candidates[static_cast<size_t>(report.chosen)];
    if (!chosen.verified) (void)candidates.verify_everywhere(NodeView(graph, graph.node(report.node)), chosen);
  }
  options.session->end_collecting(options.target.threads);
  options.session->wait_for_code();
}

// Drops chosen candidates that cannot be used at every shape; returns their number.
Result<size_t> drop_failing(const Graph& graph, Candidates& candidates, Selection& selection) {
  size_t dropped = 0;
  for (NodeReport& report : selection.nodes) {
    Considered& chosen = report.candidates[static_cast<size_t>(report.chosen)];
    if (chosen.verified) continue;
    const NodeView view(graph, graph.node(report.node));
    const Status status = candidates.verify_everywhere(view, chosen);
    chosen.failure = status ? "" : status.error().text();
    chosen.verified = true;
    if (chosen.failure.empty()) continue;
    ++dropped;
    if (!Candidates::any_stands(report)) candidates.add_others(view, report);
    TN_TRY(require_candidate(graph, report));
  }
  return dropped;
}

class TacticOracle : public ClaimOracle {
 public:
  TacticOracle(const TargetInfo& target, const std::set<std::string, std::less<>>& disabled)
      : target_(target), disabled_(disabled) {}

  std::string refusal(NodeView node) const override {
    if (target_.device != "cpu" && has_texts(node)) return "strings lie on the host";
    std::string reasons;
    for (const Tactic* tactic : all_tactics()) {
      if (tactic->op != node.node().op->name || tactic->device != target_.device || disabled_.count(tactic->name)) continue;
      Claim claimed = tactic->claim(node, target_);
      if (!claimed.candidates.empty()) return {};
      reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", tactic->name, claimed.refusal);
    }
    return reasons.empty() ? "no fast tactic for the op" : reasons;
  }

 private:
  TargetInfo target_;
  std::set<std::string, std::less<>> disabled_;
};

}  // namespace

bool Selection::is_timed() const {
  return std::all_of(nodes.begin(), nodes.end(), [](const NodeReport& report) {
    return report.chosen < 0 || report.candidates[static_cast<size_t>(report.chosen)].timing.kind != Timing::Kind::not_tried;
  });
}

Result<Selection> select(const Graph& graph, const std::vector<bool>& is_static, const KernelTable& kernels,
                         Timer& timer, TimingCache& cache, const SelectOptions& options) {
  Selection selection;
  Candidates candidates(kernels, timer, cache, options);
  auto is_chosen = [&](const Node& node) { return !node.op->is_view && !is_static[node.outputs[0].index]; };
  if (options.session) {  // libraries are asked while the code of the others is compiled
    auto announce = [&]() -> Status {
      for (NodeId id : graph.order())
        if (is_chosen(graph.node(id))) TN_TRY(candidates.announce(graph, id));
      return {};
    };
    const Clock::time_point begin = Clock::now();
    options.session->prepare_every_shape(false);
    options.session->begin_collecting();
    TN_TRY(announce());
    options.session->end_collecting(options.target.threads);
    const Clock::time_point collected = Clock::now();
    candidates.announce_libraries(true);
    TN_TRY(announce());
    candidates.announce_libraries(false);
    const Clock::time_point prepared = Clock::now();
    options.session->wait_for_code();
    selection.collect_milliseconds = milliseconds(begin, collected);
    candidates.prepare_milliseconds = milliseconds(collected, prepared);
    selection.compile_milliseconds = milliseconds(prepared, Clock::now());
  }
  size_t done = 0;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (options.progress && !options.progress(static_cast<double>(done++) / static_cast<double>(graph.order().size())))
      return fail(Code::cancelled, "the build was cancelled");
    if (!is_chosen(node)) continue;
    auto report = candidates.of(graph, id);
    if (!report) return trail(std::move(report.error()), "in node {} ({})", node.name, node.op->name);
    TN_TRY(require_candidate(graph, *report));
    selection.nodes.push_back(std::move(*report));
  }
  const Clock::time_point begin = Clock::now();
  do {
    selection.views.clear();
    TN_TRY(Labelling(graph, is_static, selection, candidates, options).solve());
    if (options.session) {
      options.session->prepare_every_shape(true);
      collect_chosen(graph, candidates, selection, options);
    }
    TN_ASSIGN(done, drop_failing(graph, candidates, selection));
  } while (done > 0);
  candidates.record_failures();
  selection.label_milliseconds = milliseconds(begin, Clock::now());
  selection.prepare_milliseconds = candidates.prepare_milliseconds;
  selection.time_milliseconds = candidates.time_milliseconds;
  return selection;
}

Result<NodeReport> consider(const Graph& graph, NodeId id, const KernelTable& kernels, Timer& timer, TimingCache& cache,
                            const SelectOptions& options) {
  constexpr double kWhatever = 1e9;  // microseconds
  SelectOptions timed = options;
  timed.lone_limit = kWhatever;
  return Candidates(kernels, timer, cache, timed).of(graph, id);
}

std::optional<double> known_cost(const Graph& graph, const NodeReport& report, size_t candidate, const SelectOptions& options) {
  const Considered& considered = report.candidates[candidate];
  if (!considered.failure.empty() || considered.timing.kind != Timing::Kind::measured) return std::nullopt;
  return cost_of(graph, report, candidate, options);
}

std::unique_ptr<ClaimOracle> make_claim_oracle(const TargetInfo& target,
                                               const std::set<std::string, std::less<>>& disabled) {
  return std::make_unique<TacticOracle>(target, disabled);
}

}  // namespace tenon
