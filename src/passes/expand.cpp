// expand: every ONNX node becomes core ops, in topological order, typed as it goes.
// Requires: network level. Ensures: core level, every value typed, shape values known where they can be; no element type
// is another than the model declares.
#include <algorithm>
#include <optional>

#include "ops/ops.h"
#include "passes/passes.h"

namespace tenon {
namespace {

// Nodes that some output needs: what the model computes for nobody need not be supported.
std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.node_count(), false), wanted(graph.value_count(), false);
  for (ValueId output : graph.outputs) wanted[output.index] = true;
  for (auto it = graph.order().rbegin(); it != graph.order().rend(); ++it) {
    const Node& node = graph.node(*it);
    for (ValueId output : node.outputs)
      if (wanted[output.index]) live[it->index] = true;
    if (!live[it->index]) continue;
    for (ValueId input : node.inputs)
      if (input.valid()) wanted[input.index] = true;
  }
  return live;
}

Status expand_onnx(Graph& graph, NodeId id, Patch& patch, std::vector<ValueId> inputs, std::vector<ValueId>& outputs) {
  const Attrs& attrs = graph.node(id).attrs;
  int64_t version = attrs.integer("version");
  TN_ASSIGN(const OnnxRow* row, require_onnx_row(attrs.text("domain"), attrs.text("op_type"), version));
  OnnxNode node(graph, id, patch, std::move(inputs), version);
  TN_TRY(row->expand(node));
  outputs = node.outputs();
  return {};
}

Status expand_core(Graph& graph, NodeId id, Patch& patch, std::vector<ValueId> inputs, std::vector<ValueId>& outputs) {
  const Node& node = graph.node(id);
  TN_ASSIGN(outputs, patch.add_many(*node.op, std::move(inputs), node.attrs, node.outputs.size()));
  return {};
}

// "f32[2,?]"; without dims where the rank is not declared.
std::string print(const Declared& declared) {
  std::string out(declared.dtype == DType::none ? "?" : name_of(declared.dtype));
  if (!declared.dims) return out;
  out += '[';
  for (size_t i = 0; i < declared.dims->size(); ++i) {
    if (i > 0) out += ',';
    out += (*declared.dims)[i] < 0 ? "?" : std::to_string((*declared.dims)[i]);
  }
  return out + ']';
}

bool has_other_dims(const Declared& declared, const TensorType& type) {
  if (!declared.dims) return false;
  if (declared.dims->size() != type.rank()) return true;
  for (size_t i = 0; i < type.rank(); ++i)
    if ((*declared.dims)[i] >= 0 && type.shape[i].is_constant() && type.shape[i].value() != (*declared.dims)[i])
      return true;
  return false;
}

// `expanded`: what stands for a value of the network now; invalid for inputs, constants and what no output needs. Other
// element types are refused; other dims, which tools leave behind when they change a model, are noted.
Status check_declared(const Graph& graph, const PassContext& context, const std::vector<ValueId>& expanded) {
  constexpr size_t kMost = 50;
  std::vector<std::string> wrong;
  for (const Declared& declared : graph.declared) {
    const ValueId now = expanded[declared.value.index];
    const TensorType& type = graph.value(now.valid() ? now : declared.value).type;
    if (type.dtype == DType::none) continue;
    if (declared.dtype == DType::none || declared.dtype == type.dtype) {
      if (has_other_dims(declared, type))
        context.note("expand", declared.name, "keep the declared dims " + print(declared), "the network computes " + tenon::print(type));
      continue;
    }
    if (wrong.size() >= kMost) continue;
    wrong.push_back(fmt::format("{} '{}' is declared as {}, the network computes {}",
                                declared.is_output ? "output" : "value", declared.name, print(declared),
                                tenon::print(type)));
  }
  if (wrong.empty()) return {};
  if (wrong.size() == 1) return fail(Code::invalid_model, "{}", wrong[0]);
  return tl::unexpected<Error>(Error{Code::invalid_model,
                                     fmt::format("{} declared types contradict what the network computes", wrong.size()),
                                     std::move(wrong)});
}

// One node's ops go into `patch`, what stands for its outputs into `expanded`.
Status expand_node(Graph& graph, NodeId id, Patch& patch, std::vector<ValueId>& expanded) {
  const Node& node = graph.node(id);
  std::vector<ValueId> inputs = node.inputs, outputs;
  for (ValueId& input : inputs)
    if (input.valid() && expanded[input.index].valid()) input = expanded[input.index];
  patch.on_behalf_of(id);
  bool onnx = node.op == &kOnnxOp;
  auto status = (onnx ? expand_onnx : expand_core)(graph, id, patch, std::move(inputs), outputs);
  if (!status) {
    Error error = std::move(status.error());
    if (error.code == Code::invalid_plan) error.code = Code::invalid_model;  // expressions are checked as a plan's are
    return trail(std::move(error), "in node {} ({})", node.name,
                 onnx ? node.attrs.text("op_type") : std::string(node.op->name));
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    ValueId before = node.outputs[i], after = i < outputs.size() ? outputs[i] : ValueId{};
    if (after.valid())
      expanded[before.index] = after;
    else if (graph.is_output(before) || !graph.users(before).empty())
      return fail(Code::unsupported, "output {} of node {} ({}) is used and not supported", i, node.name,
                  onnx ? node.attrs.text("op_type") : std::string(node.op->name));
  }
  for (ValueId before : node.outputs)
    if (expanded[before.index].valid()) patch.replace(before, expanded[before.index]);
  return {};
}

// Which nodes a survey leaves out.
class LeftOut {
 public:
  LeftOut(const Graph& graph, const std::vector<bool>& live, ExpandSurvey& survey)
      : graph_(graph), survey_(survey), left_out_(graph.node_count(), false) {
    survey.refused.resize(graph.node_count(), false);
    survey.blocked.assign(graph.node_count(), false);
    survey.expansions.assign(graph.node_count(), {});
    survey.unused = live;
    survey.unused.flip();
  }

  bool add_if_faulty(NodeId id) {
    for (ValueId input : graph_.node(id).inputs)
      if (is_unknown(input)) survey_.blocked[id.index] = true;
    left_out_[id.index] = survey_.blocked[id.index] || survey_.refused[id.index];
    return left_out_[id.index];
  }
  void add_failed(NodeId id, Error error) {
    survey_.failed.emplace_back(id, std::move(error));
    left_out_[id.index] = true;
  }
  void note_ops(const Patch& patch, NodeId id, size_t first) {
    for (size_t i = first; i < patch.added().size(); ++i)
      survey_.expansions[id.index].push_back(graph_.node(patch.added()[i]).op->name);
  }

  // What is known of the graph's outputs, then the values at which the graph now ends.
  void set_outputs(Graph& graph) const {
    std::vector<ValueId> outputs;
    std::vector<std::string> names;
    auto add = [&](ValueId id, std::string name) {
      outputs.push_back(id);
      names.push_back(std::move(name));
    };
    for (size_t i = 0; i < graph.outputs.size(); ++i)
      if (!is_unknown(graph.outputs[i])) add(graph.outputs[i], graph.output_names[i]);
    for (NodeId id : graph.order()) {
      if (!left_out_[id.index]) continue;
      for (ValueId input : graph.node(id).inputs)
        if (input.valid() && graph.producer(input) && !is_unknown(input) &&
            std::find(outputs.begin(), outputs.end(), input) == outputs.end())
          add(input, graph.value(input).name);
    }
    graph.outputs = std::move(outputs);
    graph.output_names = std::move(names);
  }

 private:
  bool is_unknown(ValueId id) const {
    const NodeId producer = graph_.value(id).producer;
    return id.valid() && producer.valid() && left_out_[producer.index];
  }
  const Graph& graph_;
  ExpandSurvey& survey_;
  std::vector<bool> left_out_;
};

Status run(Graph& graph, const PassContext& context) {
  std::vector<bool> live = live_nodes(graph);
  std::optional<LeftOut> left_out;
  if (context.survey) left_out.emplace(graph, live, *context.survey);
  Patch patch(graph, std::span<const NodeId>());
  std::vector<ValueId> expanded(graph.value_count());
  for (NodeId id : graph.order()) {
    patch.erase(id);
    if (!live[id.index] || (left_out && left_out->add_if_faulty(id))) continue;
    const size_t ops_before = patch.added().size();
    auto status = expand_node(graph, id, patch, expanded);
    if (!status && !left_out) return status;
    if (!status) left_out->add_failed(id, std::move(status.error()));
    else if (left_out) left_out->note_ops(patch, id, ops_before);
  }
  if (auto status = check_declared(graph, context, expanded); !status) {
    if (!context.survey) return status;
    context.survey->problems.push_back(std::move(status.error()));
  }
  graph.declared.clear();
  if (left_out) left_out->set_outputs(graph);
  TN_TRY(apply(graph, std::move(patch)));
  graph.level = Level::core;
  return {};
}

}  // namespace

const Pass k_expand{"expand", run};

}  // namespace tenon
