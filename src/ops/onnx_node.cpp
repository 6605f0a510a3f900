// What an ONNX row's expand function asks of its node.
#include "ops/content.h"

namespace tenon {
namespace {

std::string where(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  return fmt::format("{} '{}'", node.attrs.text("op_type", "node"), node.name);
}

}  // namespace

bool OnnxNode::has_output(size_t i) const {
  if (part_) return i < part_->outputs;
  const std::vector<ValueId>& outputs = graph_.node(node_).outputs;
  return i < outputs.size() && outputs[i].valid() && (i == 0 || !graph_.value(outputs[i]).name.empty());
}

Result<std::vector<Dim>> OnnxNode::dims(size_t i, std::string_view what) const {
  if (!has(i)) return fail(Code::invalid_model, "{}: input {} ({}) is missing", where(graph_, node_), i, what);
  std::string reason = fmt::format("{} of {}", what, where(graph_, node_));
  TN_ASSIGN(Content content, use_content(graph_, inputs_[i], reason));
  if (content) return std::move(*content);
  if (graph_.is_constant(inputs_[i])) {
    TN_ASSIGN(std::vector<int64_t> values, use_integers(graph_, inputs_[i], reason));
    return std::vector<Dim>(values.begin(), values.end());
  }
  return fail(Code::unsupported,
              "{}: input {} ({}) is computed from tensor values; it must be known when the plan is built (a constant, "
              "or made from shapes)",
              where(graph_, node_), i, what);
}

Result<std::vector<int64_t>> OnnxNode::integers(size_t i, std::string_view what) const {
  TN_ASSIGN(std::vector<Dim> values, dims(i, what));
  std::vector<int64_t> out;
  for (const Dim& value : values) {
    if (!value.is_constant())
      return fail(Code::unsupported, "{}: input {} ({}) depends on dynamic dims ({}); it must be constant",
                  where(graph_, node_), i, what, value.text());
    out.push_back(value.value());
  }
  return out;
}

Result<double> OnnxNode::scalar(size_t i, std::string_view what) const {
  if (!has(i)) return fail(Code::invalid_model, "{}: input {} ({}) is missing", where(graph_, node_), i, what);
  const DType dtype = type(i).dtype;
  if (is_integer(dtype) || dtype == DType::boolean) {
    TN_ASSIGN(std::vector<int64_t> values, integers(i, what));
    if (values.size() == 1) return static_cast<double>(values[0]);
    return fail(Code::invalid_model, "{}: input {} ({}) must have one element, it has {}", where(graph_, node_), i,
                what, values.size());
  }
  if (!element_count(type(i).shape).is(1))
    return fail(Code::invalid_model, "{}: input {} ({}) must have one element, it is {}", where(graph_, node_), i, what,
                print(type(i)));
  TN_ASSIGN(std::optional<double> value,
            use_number(graph_, inputs_[i], fmt::format("{} of {}", what, where(graph_, node_))));
  if (value) return *value;
  return fail(Code::unsupported, "{}: input {} ({}) must be constant", where(graph_, node_), i, what);
}

Result<int64_t> OnnxNode::axis(int64_t value, size_t rank) const {
  auto r = static_cast<int64_t>(rank);
  if (value >= -r && value < r) return value < 0 ? value + r : value;
  return fail(Code::invalid_model, "{}: axis {} is outside [{}, {}] of a tensor with {} dims", where(graph_, node_),
              value, -r, r - 1, r);
}

void OnnxNode::output(size_t i, ValueId value) {
  if (results_.size() <= i) results_.resize(i + 1);
  results_[i] = value;
}

}  // namespace tenon
