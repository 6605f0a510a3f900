// Selection: one candidate per node so that the sum of kernel times and of reformats between them is least.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "ir/pass.h"
#include "tactics/problem.h"
#include "tactics/timer.h"

namespace tenon {

// What was considered for a node, for the report.
struct Considered {
  const Tactic* tactic;
  Candidate candidate;
  Timing timing;
  std::string failure;             // why it was dropped after its claim; "" if it stood
  bool recorded = false;           // the timing cache says that it stands: it has not been prepared
  bool verified = false;           // it stood at every shape; looked at for what is chosen
};
struct NodeReport {
  NodeId node;
  std::vector<Considered> candidates;
  std::vector<std::pair<std::string, std::string>> refusals;  // tactic, reason
  int chosen = -1;                 // index into candidates
};

struct Selection {
  std::vector<NodeReport> nodes;   // of the nodes that run at run time, in order
  std::vector<NodeReport> views;   // of views that a form goes through; their candidates have no tactic
  double microseconds = 0;         // what the choice costs in all, reformats included
  // Where the time went: candidates' code collected, candidates prepared, the wait for code that was compiled meanwhile,
  // candidates timed, the choice with the reformats' costs.
  double collect_milliseconds = 0, prepare_milliseconds = 0, compile_milliseconds = 0, time_milliseconds = 0,
         label_milliseconds = 0;
  bool exact = true;               // the optimum of the costs, not only a good answer
  // Whether every chosen kernel has a time, so that `microseconds` tells how long they take.
  bool is_timed() const;
  const NodeReport* find(NodeId id) const {
    for (const NodeReport& report : nodes)
      if (report.node == id) return &report;
    return nullptr;
  }
};

struct SelectOptions {
  TargetInfo target;
  std::string fingerprint;         // of the target: part of every timing key
  std::set<std::string, std::less<>> disabled;
  std::string forced;
  // Symbol values at which a candidate must be able to prepare; the first is the one that is timed.
  std::vector<ProblemPoint> points;
  DeviceSession* session = nullptr;  // of a device that is not the host
  int contests = 0;                  // on the host, how often the better candidates are timed again, in turns
  int finals = 0;                    // how often those are that are then hard to tell apart
  int most_configs = 8;              // of one tactic that are tried for each math and combination of forms; the first ones
  // From then on nothing more is timed: a node takes the best of what was, or else its first candidate that stands.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Microseconds up to which a node's only candidate is timed too, where the sum counts; 0: it needs no time.
  double lone_limit = 0;
  // Whether a node needs no step if it gets the candidate, which then costs nothing; null: none is so.
  std::function<bool(const Graph&, NodeId, const Candidate&)> is_free;
  // Fraction done; false cancels.
  std::function<bool(double)> progress;
};

// Chooses for every node that is neither static nor a view. Fails when a node has no candidate at all, naming the node
// and every refusal.
Result<Selection> select(const Graph& graph, const std::vector<bool>& is_static, const KernelTable& kernels,
                         Timer& timer, TimingCache& cache, const SelectOptions& options);

// The candidates of one node, which need not be in the graph's order yet; each that stands is timed,
// also one that is alone.
Result<NodeReport> consider(const Graph& graph, NodeId id, const KernelTable& kernels, Timer& timer, TimingCache& cache,
                            const SelectOptions& options);
// What a candidate counts for in the choice, in microseconds; nothing where it has no time or does not stand.
std::optional<double> known_cost(const Graph& graph, const NodeReport& report, size_t candidate, const SelectOptions& options);

// Asks the tactics other than the reference.
std::unique_ptr<ClaimOracle> make_claim_oracle(const TargetInfo& target,
                                               const std::set<std::string, std::less<>>& disabled);

// How a tensor lies where nobody asks for another form, and at the network's boundary: linear, on the device; strings as
// their type says, on the host.
Format plain_format(const TensorType& type);

// A form with the element type written out.
Form full_form(const Form& form, const TensorType& type);

// The calls that bring a tensor on `device` ("cpu", "cuda") from one form into another, with the form after each: one,
// or two where memory changes and the form too. A failure when no kernel does.
struct Conversion {
  Form to;
  KernelCall call;
};
Result<std::vector<Conversion>> conversions(const TensorType& type, const Form& from, const Form& to,
                                            std::string_view device);
// The same for a weight, by kernels of the host.
Result<std::vector<Conversion>> static_conversions(const TensorType& type, const Form& from, const Form& to);
// The call of a node of weights, which runs when a plan is made and when it is refitted: on any host, linear tensors, the
// bits of the reference.
Result<KernelCall> static_call(NodeView node);

}  // namespace tenon
