// What an ONNX row's expand function asks of its node.
#include <algorithm>

#include "ops/content.h"

namespace tenon {
OnnxValue OnnxValue::of_list(std::vector<OnnxValue> items) {
  OnnxValue out;
  out.list = std::make_shared<const std::vector<OnnxValue>>(std::move(items));
  return out;
}

OnnxValue OnnxValue::none() {
  OnnxValue out;
  out.is_none = true;
  return out;
}

OnnxNode::OnnxNode(Graph& graph, const Graph& source, NodeId node, Patch& patch, std::vector<OnnxValue> inputs, int64_t version,
                   SubgraphExpander* subgraphs)
    : graph_(graph), source_(source), id_(node), node_(source.node(node)), patch_(patch), inputs_(std::move(inputs)), version_(version),
      subgraphs_(subgraphs), name_(patch.name()) {
  size_t captured = 0;
  for (int64_t count : node_.attrs.integers("captures")) captured += static_cast<size_t>(std::max<int64_t>(count, 0));
  const size_t own = inputs_.size() - std::min(captured, inputs_.size());
  captures_.assign(inputs_.begin() + static_cast<std::ptrdiff_t>(own), inputs_.end());
  inputs_.resize(own);
}

std::string OnnxNode::where() const { return fmt::format("{} '{}'", node_.attrs.text("op_type", "node"), name_); }

bool OnnxNode::has_output(size_t i) const {
  if (part_) return i < part_->outputs;
  const std::vector<ValueId>& outputs = node_.outputs;
  return i < outputs.size() && outputs[i].valid() && (i == 0 || !source_.value(outputs[i]).name.empty());
}

const OnnxValue& OnnxNode::value(size_t i) const {
  static const OnnxValue absent;
  return i < inputs_.size() ? inputs_[i] : absent;
}

Result<const Graph*> OnnxNode::subgraph(std::string_view attribute) const {
  if (GraphPtr body = attrs().get<GraphPtr>(attribute)) return body.get();
  return fail(Code::invalid_model, "{}: attribute {}, a graph, is missing", where(), attribute);
}

Result<std::vector<OnnxValue>> OnnxNode::expand_subgraph(std::string_view attribute, std::vector<OnnxValue> arguments,
                                                         std::string_view part) {
  TN_ASSIGN(const Graph* body, subgraph(attribute));
  const std::vector<int64_t> counts = attrs().integers("captures");
  size_t graphs = 0, first = 0, captured = 0;
  for (const auto& [name, attr] : attrs()) {
    if (!std::holds_alternative<GraphPtr>(attr)) continue;
    const size_t count = graphs < counts.size() ? static_cast<size_t>(std::max<int64_t>(counts[graphs], 0)) : 0;
    if (name == attribute) captured = count;
    else if (name < attribute) first += count;
    ++graphs;
  }
  if (first + captured > captures_.size() || body->inputs.size() != arguments.size() + captured)
    return fail(Code::invalid_model, "{}: sub-graph {} takes {} inputs, it is given {}", where(), attribute,
                body->inputs.size() - std::min(captured, body->inputs.size()), arguments.size());
  arguments.insert(arguments.end(), captures_.begin() + static_cast<std::ptrdiff_t>(first),
                   captures_.begin() + static_cast<std::ptrdiff_t>(first + captured));
  if (!subgraphs_) return fail(Code::internal, "{}: sub-graphs cannot be expanded here", where());
  return subgraphs_->expand(*body, std::move(arguments), part);
}

std::vector<OnnxValue> OnnxNode::all_inputs() const {
  std::vector<OnnxValue> out = inputs_;
  out.insert(out.end(), captures_.begin(), captures_.end());
  return out;
}

Result<SeparateGraph> OnnxNode::separate(std::vector<TensorType> arguments, const SeparateFill& fill) const {
  if (!subgraphs_) return fail(Code::internal, "{}: sub-graphs cannot be expanded here", where());
  return subgraphs_->separate(*this, std::move(arguments), fill);
}

void OnnxNode::note(std::string_view what, std::string_view reason) const {
  if (subgraphs_) subgraphs_->note(what, reason);
}

Result<std::vector<Dim>> OnnxNode::dims(size_t i, std::string_view what) const {
  if (!has(i)) return fail(Code::invalid_model, "{}: input {} ({}) is missing", where(), i, what);
  std::string reason = fmt::format("{} of {}", what, where());
  TN_ASSIGN(Content content, use_content(graph_, input(i), reason));
  if (content) return std::move(*content);
  if (graph_.is_constant(input(i))) {
    TN_ASSIGN(std::vector<int64_t> values, use_integers(graph_, input(i), reason));
    return std::vector<Dim>(values.begin(), values.end());
  }
  return fail(Code::unsupported,
              "{}: input {} ({}) is computed from tensor values; it must be known when the plan is built (a constant, "
              "or made from shapes)",
              where(), i, what);
}

Result<std::vector<int64_t>> OnnxNode::integers(size_t i, std::string_view what) const {
  TN_ASSIGN(std::vector<Dim> values, dims(i, what));
  std::vector<int64_t> out;
  for (const Dim& value : values) {
    if (!value.is_constant())
      return fail(Code::unsupported, "{}: input {} ({}) depends on dynamic dims ({}); it must be constant",
                  where(), i, what, value.text());
    out.push_back(value.value());
  }
  return out;
}

Result<double> OnnxNode::scalar(size_t i, std::string_view what) const {
  if (!has(i)) return fail(Code::invalid_model, "{}: input {} ({}) is missing", where(), i, what);
  const DType dtype = type(i).dtype;
  if (is_integer(dtype) || dtype == DType::boolean) {
    TN_ASSIGN(std::vector<int64_t> values, integers(i, what));
    if (values.size() == 1) return static_cast<double>(values[0]);
    return fail(Code::invalid_model, "{}: input {} ({}) must have one element, it has {}", where(), i,
                what, values.size());
  }
  if (!element_count(type(i).shape).is(1))
    return fail(Code::invalid_model, "{}: input {} ({}) must have one element, it is {}", where(), i, what,
                print(type(i)));
  TN_ASSIGN(std::optional<double> value,
            use_number(graph_, input(i), fmt::format("{} of {}", what, where())));
  if (value) return *value;
  return fail(Code::unsupported, "{}: input {} ({}) must be constant", where(), i, what);
}

Result<std::optional<double>> OnnxNode::known_scalar(ValueId id, std::string_view what) const {
  const std::string reason = fmt::format("{} of {}", what, where());
  TN_ASSIGN(Content content, use_content(graph_, id, reason));
  if (content && content->size() == 1 && (*content)[0].is_constant()) return static_cast<double>((*content)[0].value());
  if (content || !element_count(type(id).shape).is(1)) return std::nullopt;
  return use_number(graph_, id, reason);
}

Result<int64_t> OnnxNode::axis(int64_t value, size_t rank) const {
  auto r = static_cast<int64_t>(rank);
  if (value >= -r && value < r) return value < 0 ? value + r : value;
  return fail(Code::invalid_model, "{}: axis {} is outside [{}, {}] of a tensor with {} dims", where(),
              value, -r, r - 1, r);
}

void OnnxNode::output(size_t i, OnnxValue value) {
  if (results_.size() <= i) results_.resize(i + 1);
  results_[i] = std::move(value);
}

}  // namespace tenon
