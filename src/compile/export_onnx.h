// Networks and plans written as ONNX models.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace tenon {

struct OnnxExport {
  std::vector<std::byte> model;
  std::vector<std::byte> weights;  // external data; empty where the model holds all
};

// A graph at network level as an ONNX model that computes the same. `weights_location`: what the model names as the file
// of its larger tensors, whose bytes are then in `weights`; "": they are in the model, which must not exceed 2 GB. Calls of
// functions stay the nodes that they became. Nodes that are core ops have the domain kToolDomain, which only Tenon reads.
// Refused: nodes whose op sets differ in what they mean, nodes with sub-graphs.
Result<OnnxExport> export_onnx(const Graph& network, std::string_view weights_location);

// A profile of a plan as a graph to look at: a node per step, in domain kToolDomain, with kernel, formats and the ONNX nodes
// that it computes as attributes, and, from the build's report ("": none is there), tactic, time and precision. It does not
// run. A report is untrusted; one that is not of this plan's network is refused.
Result<std::vector<std::byte>> export_plan_view(const plan::Plan& plan, int32_t profile, std::string_view report);

inline constexpr std::string_view kToolDomain = "dev.tenon";

}  // namespace tenon
