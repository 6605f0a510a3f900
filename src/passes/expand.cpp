// expand: every ONNX node becomes core ops, in topological order, typed as it goes; sub-graphs are put in the place of the
// nodes that hold them.
// Requires: network level. Ensures: core level, every value typed, shape values known where they can be; no element type
// is another than the model declares.
#include <algorithm>
#include <map>
#include <optional>

#include "ops/content.h"
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

// The nodes of the network, and of the sub-graphs that are put in the place of nodes, become core ops of one patch.
class Expander {
 public:
  // What all graphs of a network may become together.
  struct Count {
    int64_t expansions = 0;  // of sub-graphs
    int64_t nodes = 0;       // that were in them
  };
  Expander(Graph& graph, Patch& patch, const PassContext& context, Count& count, int nested = 0)
      : graph_(graph), patch_(patch), context_(context), count_(count), nested_(nested) {}

  // By value of the network: what stands for it now. With `left_out` faulty nodes are noted there and left out.
  Result<std::vector<OnnxValue>> network(const std::vector<bool>& live, LeftOut* left_out) {
    std::vector<OnnxValue> values(graph_.value_count());
    for (NodeId id : graph_.order()) {
      patch_.erase(id);
      if (!live[id.index] || (left_out && left_out->add_if_faulty(id))) continue;
      const size_t ops_before = patch_.added().size();
      patch_.on_behalf_of(id);
      auto status = node(graph_, id, values, 0);
      if (!status && !left_out) return tl::unexpected<Error>(std::move(status.error()));
      if (!status) left_out->add_failed(id, std::move(status.error()));
      else if (left_out) left_out->note_ops(patch_, id, ops_before);
    }
    return values;
  }

 private:
  // A node that holds sub-graphs, while it is expanded.
  class Holder final : public SubgraphExpander {
   public:
    // `is_whole`: the graph is what the node's sub-graph becomes, where names lie within the node's already.
    Holder(Expander& expander, std::string name, std::vector<uint32_t> origins, int depth, bool is_whole = false)
        : expander_(expander), name_(std::move(name)), origins_(std::move(origins)), depth_(depth), is_whole_(is_whole) {}

    Result<std::vector<OnnxValue>> expand(const Graph& body, std::vector<OnnxValue> arguments, std::string_view part) override {
      const std::string prefix = is_whole_ ? "" : fmt::format("{}/{}/", name_, part);
      auto out = expander_.subgraph(body, std::move(arguments), prefix, origins_, depth_ + 1);
      expander_.patch_.on_behalf_of(name_, origins_);
      return out;
    }
    Result<SeparateGraph> separate(const OnnxNode& node, std::vector<TensorType> arguments, const SeparateFill& fill) override {
      return expander_.separate(node, name_, std::move(arguments), fill, depth_ + 1);
    }
    void note(std::string_view what, std::string_view reason) override {
      expander_.context_.note("expand", name_, std::string(what), std::string(reason));
    }

   private:
    Expander& expander_;
    const std::string name_;
    const std::vector<uint32_t> origins_;
    const int depth_;
    const bool is_whole_;
  };

  Result<std::vector<OnnxValue>> subgraph(const Graph& body, std::vector<OnnxValue> arguments, const std::string& prefix,
                                          const std::vector<uint32_t>& outer, int depth) {
    constexpr int kMostDepth = 32;
    if (++count_.expansions > kMostNodes)
      return fail(Code::limit_exceeded, "loops are unrolled into more than {} iterations", kMostNodes);
    if (depth > kMostDepth) return fail(Code::limit_exceeded, "sub-graphs lie within each other deeper than {}", kMostDepth);
    std::vector<OnnxValue> values(body.value_count());
    for (size_t i = 0; i < body.inputs.size() && i < arguments.size(); ++i) values[body.inputs[i].index] = std::move(arguments[i]);
    const std::vector<bool> live = live_nodes(body);
    const std::vector<uint32_t>& origins = origins_of(body, prefix);
    for (NodeId id : body.order()) {
      if (!live[id.index]) continue;
      if (static_cast<int64_t>(patch_.added().size()) > kMostNodes || ++count_.nodes > 4 * kMostNodes)
        return fail(Code::limit_exceeded, "with the nodes of its sub-graphs, loops unrolled, the network has more than {}", kMostNodes);
      std::vector<uint32_t> own = outer;
      for (uint32_t origin : body.node(id).origins) own.push_back(origins[origin]);
      patch_.on_behalf_of(prefix + body.node(id).name, std::move(own));
      TN_TRY(node(body, id, values, depth));
    }
    std::vector<OnnxValue> out;
    for (ValueId output : body.outputs) {
      OnnxValue value = at(body, output, values);
      if (!value.is_there()) return fail(Code::invalid_model, "an output of a sub-graph is no value");
      out.push_back(std::move(value));
    }
    return out;
  }

  // A graph of its own, in which the node's inputs stand for those of this one.
  Result<SeparateGraph> separate(const OnnxNode& node, const std::string& name, std::vector<TensorType> arguments, const SeparateFill& fill,
                                 int depth) {
    constexpr int kMostNested = 12;
    if (nested_ >= kMostNested)
      return fail(Code::limit_exceeded, "sub-graphs that the run decides on lie within each other deeper than {}", kMostNested);
    auto graph = std::make_shared<Graph>();
    graph->name = name;
    graph->found_scope = fmt::format("{}b{}_", graph_.found_scope, separated_++);
    graph->origins.push_back({name, node.attrs().text("op_type")});
    std::vector<ValueId> given, around;
    for (size_t i = 0; i < arguments.size(); ++i) given.push_back(graph->add_input(std::to_string(i), std::move(arguments[i])));
    std::map<ValueId, ValueId> known;
    std::vector<OnnxValue> inputs;
    for (const OnnxValue& value : node.all_inputs()) {
      TN_ASSIGN(OnnxValue inside, stand_in(value, *graph, known, around));
      inputs.push_back(std::move(inside));
    }
    Patch patch(*graph, std::span<const NodeId>());
    const std::string own = node.attrs().text("op_type");  // of nodes that are none of the sub-graph's
    patch.on_behalf_of(own, {0});
    Expander inner(*graph, patch, context_, count_, nested_ + 1);
    Holder holder(inner, own, {0}, depth, true);
    OnnxNode inside = node.in(*graph, patch, std::move(inputs), &holder);
    TN_ASSIGN(graph->outputs, fill(inside, given));
    for (size_t i = 0; i < graph->outputs.size(); ++i) graph->output_names.push_back(std::to_string(i));
    TN_TRY(apply(*graph, std::move(patch)));
    graph->level = Level::core;
    TN_TRY(k_dead_code.run(*graph, context_));
    SeparateGraph out;
    std::vector<ValueId> kept;
    for (size_t i = 0; i < graph->inputs.size(); ++i) {
      const ValueId id = graph->inputs[i];
      const bool is_argument = i < given.size();
      if (!is_argument && graph->users(id).empty() && !graph->is_output(id)) continue;
      kept.push_back(id);
      if (!is_argument) out.captured.push_back(around[i - given.size()]);
    }
    graph->inputs = std::move(kept);
    out.graph = std::move(graph);
    return out;
  }

  Result<OnnxValue> stand_in(const OnnxValue& value, Graph& graph, std::map<ValueId, ValueId>& known, std::vector<ValueId>& around) {
    if (value.list) {
      std::vector<OnnxValue> items;
      for (const OnnxValue& item : *value.list) {
        TN_ASSIGN(OnnxValue inside, stand_in(item, graph, known, around));
        items.push_back(std::move(inside));
      }
      return OnnxValue::of_list(std::move(items));
    }
    if (!value.tensor.valid()) return value;
    auto [it, fresh] = known.try_emplace(value.tensor);
    if (!fresh) return OnnxValue(it->second);
    const Value outer = graph_.value(value.tensor);
    if (outer.constant) {
      it->second = graph.add_constant(outer.name, outer.constant);
    } else {
      it->second = graph.add_input(outer.name, outer.type);
      if (outer.content) {
        TN_ASSIGN(auto content, use_content(graph_, value.tensor, "shapes of a sub-graph follow from it"));
        graph.set_content(it->second, std::move(content));
      }
      around.push_back(value.tensor);
    }
    return OnnxValue(it->second);
  }

  // The sub-graph's origins among the network's, entered when it is first expanded.
  const std::vector<uint32_t>& origins_of(const Graph& body, const std::string& prefix) {
    auto [it, fresh] = origins_.try_emplace(&body);
    if (fresh)
      for (const Origin& origin : body.origins) {
        it->second.push_back(static_cast<uint32_t>(graph_.origins.size()));
        graph_.origins.push_back({prefix + origin.name, origin.op_type});
      }
    return it->second;
  }

  // What stands for a value of `source`. Constants of sub-graphs become the network's, each once.
  OnnxValue at(const Graph& source, ValueId id, const std::vector<OnnxValue>& values) {
    if (!id.valid()) return {};
    if (values[id.index].is_there()) return values[id.index];
    if (&source == &graph_) return id;
    const std::shared_ptr<const Constant>& constant = source.value(id).constant;
    if (!constant) return {};
    auto [it, fresh] = constants_.try_emplace(constant.get());
    if (fresh) it->second = patch_.constant(constant);
    return it->second;
  }

  Status node(const Graph& source, NodeId id, std::vector<OnnxValue>& values, int depth) {
    const Node& now = source.node(id);
    const bool onnx = now.op == &kOnnxOp;
    const std::string name = patch_.name(), op_type = onnx ? now.attrs.text("op_type") : std::string(now.op->name);
    std::vector<OnnxValue> inputs, outputs;
    for (ValueId input : now.inputs) inputs.push_back(at(source, input, values));
    if (Status status = onnx ? expand_onnx(source, id, std::move(inputs), outputs, depth) : expand_core(now, inputs, outputs); !status) {
      Error error = std::move(status.error());
      if (error.code == Code::invalid_plan) error.code = Code::invalid_model;  // expressions are checked as a plan's are
      return trail(std::move(error), "in node {} ({})", name, op_type);
    }
    for (size_t i = 0; i < now.outputs.size(); ++i) {
      const ValueId before = now.outputs[i];
      if (i < outputs.size() && outputs[i].is_there()) values[before.index] = std::move(outputs[i]);
      else if (source.is_output(before) || !source.users(before).empty())
        return fail(Code::unsupported, "output {} of node {} ({}) is used and not supported", i, name, op_type);
    }
    return {};
  }

  Status expand_onnx(const Graph& source, NodeId id, std::vector<OnnxValue> inputs, std::vector<OnnxValue>& outputs, int depth) {
    const Attrs& attrs = source.node(id).attrs;
    int64_t version = attrs.integer("version");
    TN_ASSIGN(const OnnxRow* row, require_onnx_row(attrs.text("domain"), attrs.text("op_type"), version));
    Holder holder(*this, patch_.name(), patch_.origins(), depth);
    OnnxNode node(graph_, source, id, patch_, std::move(inputs), version, &holder);
    for (size_t i = 0; i < node.input_count() && !row->takes_lists; ++i)
      if (node.value(i).list || node.value(i).is_none)
        return fail(Code::unsupported, "input {} is {}; the operator takes tensors", i,
                    node.value(i).list ? "a sequence" : "an optional without an element");
    TN_TRY(row->expand(node));
    outputs = node.outputs();
    return {};
  }

  Status expand_core(const Node& node, const std::vector<OnnxValue>& inputs, std::vector<OnnxValue>& outputs) {
    std::vector<ValueId> tensors;
    for (const OnnxValue& input : inputs) tensors.push_back(input.tensor);
    TN_ASSIGN(std::vector<ValueId> made, patch_.add_many(*node.op, std::move(tensors), node.attrs, node.outputs.size()));
    outputs.assign(made.begin(), made.end());
    return {};
  }

  static constexpr int64_t kMostNodes = 200'000;
  Graph& graph_;
  Patch& patch_;
  const PassContext& context_;
  Count& count_;
  const int nested_;       // graphs around this one
  int64_t separated_ = 0;  // graphs that were made for sub-graphs
  std::map<const Graph*, std::vector<uint32_t>> origins_;
  std::map<const Constant*, ValueId> constants_;
};

// An output that is a sequence becomes an output for each of its tensors, "y[0]", "y[1]".
Status set_outputs(Graph& graph, const std::vector<OnnxValue>& values) {
  std::vector<ValueId> outputs;
  std::vector<std::string> names;
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const OnnxValue& value = values[graph.outputs[i].index];
    if (!value.list && !value.is_none) {
      outputs.push_back(graph.outputs[i]);
      names.push_back(graph.output_names[i]);
      continue;
    }
    for (size_t item = 0; value.list && item < value.list->size(); ++item) {
      if (!(*value.list)[item].tensor.valid())
        return fail(Code::unsupported, "output '{}' is a sequence of what is no tensor", graph.output_names[i]);
      outputs.push_back((*value.list)[item].tensor);
      names.push_back(fmt::format("{}[{}]", graph.output_names[i], item));
    }
  }
  graph.outputs = std::move(outputs);
  graph.output_names = std::move(names);
  return {};
}

Status run(Graph& graph, const PassContext& context) {
  const std::vector<bool> live = live_nodes(graph);
  std::optional<LeftOut> left_out;
  if (context.survey) left_out.emplace(graph, live, *context.survey);
  Patch patch(graph, std::span<const NodeId>());
  Expander::Count count;
  TN_ASSIGN(std::vector<OnnxValue> values, Expander(graph, patch, context, count).network(live, left_out ? &*left_out : nullptr));
  std::vector<ValueId> expanded(values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    expanded[i] = values[i].tensor;
    if (expanded[i].valid()) patch.replace({i}, expanded[i]);
  }
  if (auto status = check_declared(graph, context, expanded); !status) {
    if (!context.survey) return status;
    context.survey->problems.push_back(std::move(status.error()));
  }
  graph.declared.clear();
  if (left_out) left_out->set_outputs(graph);
  TN_TRY(set_outputs(graph, values));
  TN_TRY(apply(graph, std::move(patch)));
  graph.level = Level::core;
  return {};
}

}  // namespace

const Pass k_expand{"expand", run};

}  // namespace tenon
