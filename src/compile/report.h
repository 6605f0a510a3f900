// The build report: every decision, as JSON. docs/build-report.md describes its fields.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compile/lower.h"
#include "ir/pass.h"

namespace tenon {

struct PassRecord {
  std::string name;
  double milliseconds = 0;
  size_t nodes_before = 0, nodes_after = 0;
  bool skipped = false;
};

// A graph that a node runs, as selection saw it.
struct ReportBody {
  const Graph& placed;
  const Selection& selection;
  std::set<NodeId> joined;
};
using ReportBodies = std::map<const Graph*, ReportBody>;  // by the node's attribute

struct ReportInput {
  const Graph& placed;                       // the graph that selection saw
  const Selection& selection;
  const ChosenGraph& chosen;
  const plan::Plan& plan;
  const std::vector<PassRecord>& passes;
  const std::vector<Decision>& decisions;
  const SymbolValues& opt;                   // of the first profile, at which kernels were timed
  const std::vector<std::pair<std::string_view, double>>& phases;   // milliseconds
  double milliseconds;
  const ReportBodies& bodies;
  const std::set<NodeId>& joined;            // nodes of `placed` that the plan has no step for: Lowered::joined
};

std::string write_report(const ReportInput& input);

}  // namespace tenon
