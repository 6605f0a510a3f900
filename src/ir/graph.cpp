#include "ir/found.h"
#include "ir/graph.h"

#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "base/text.h"
#include "ir/op_def.h"

namespace tenon {
namespace {

constexpr int64_t kMaxContent = 64;

// The elements of a small integer constant, as dims.
std::optional<std::vector<Dim>> content_of(const Constant& constant) {
  if (constant.type.rank() > 1 || constant.bytes.view.empty()) return std::nullopt;
  if (constant.type.dtype != DType::i64 && constant.type.dtype != DType::i32) return std::nullopt;
  size_t size = size_of(constant.type.dtype), count = constant.bytes.view.size() / size;
  if (count > kMaxContent) return std::nullopt;
  std::vector<Dim> out;
  for (size_t i = 0; i < count; ++i) {
    int64_t wide = 0;
    int32_t narrow = 0;
    if (size == 8) std::memcpy(&wide, constant.bytes.view.data() + i * size, size);
    else std::memcpy(&narrow, constant.bytes.view.data() + i * size, size);
    out.push_back(Dim(size == 8 ? wide : narrow));
  }
  return out;
}

}  // namespace

const Value& Graph::absent_value() {
  static const Value absent;
  return absent;
}

bool Graph::is_output(ValueId id) const { return std::find(outputs.begin(), outputs.end(), id) != outputs.end(); }

const std::vector<NodeId>& Graph::users(ValueId id) const {
  if (users_stale_) {
    users_.assign(values_.size(), {});
    for (NodeId node_id : order_)
      for (ValueId input : node(node_id).inputs)
        if (input.valid() && (users_[input.index].empty() || users_[input.index].back() != node_id))
          users_[input.index].push_back(node_id);
    users_stale_ = false;
  }
  static const std::vector<NodeId> none;
  return id.index < users_.size() ? users_[id.index] : none;
}

ValueId Graph::add_input(std::string name, TensorType type) {
  ValueId id{value_count()};
  values_.push_back({std::move(name), std::move(type), {}, 0, nullptr, std::nullopt, false});
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string name, std::shared_ptr<const Constant> constant) {
  ValueId id{value_count()};
  auto content = content_of(*constant);
  if (content && !constant->refit_name.empty())
    pins.push_back({constant->refit_name, "integers from which shapes may follow", constant->bytes});
  values_.push_back({std::move(name), constant->type, {}, 0, std::move(constant), std::move(content), false});
  return id;
}

Result<NodeId> Graph::make_node(const OpDef* op, std::string name, std::vector<ValueId> inputs, size_t output_count,
                                Attrs attrs, std::vector<uint32_t> origins) {
  int count = static_cast<int>(inputs.size()), outs = static_cast<int>(output_count);
  if (count < op->min_inputs || (op->max_inputs >= 0 && count > op->max_inputs))
    return fail(Code::invalid_model, "{} takes {} to {} inputs, {} has {}", op->name, op->min_inputs,
                op->max_inputs < 0 ? "any number of" : std::to_string(op->max_inputs), name, count);
  if (outs < op->min_outputs || (op->max_outputs >= 0 && outs > op->max_outputs))
    return fail(Code::invalid_model, "{} has {} to {} outputs, {} has {}", op->name, op->min_outputs,
                op->max_outputs < 0 ? "any number of" : std::to_string(op->max_outputs), name, outs);
  for (int i = 0; i < op->min_inputs; ++i)
    if (!inputs[static_cast<size_t>(i)].valid())
      return fail(Code::invalid_model, "input {} of {} is missing in {}", i, op->name, name);
  for (ValueId input : inputs)
    if (input.valid() && input.index >= value_count())
      return fail(Code::internal, "{} reads a value that does not exist", name);
  NodeId id{node_count()};
  Node node{op, std::move(name), std::move(inputs), {}, std::move(attrs), std::move(origins), false};
  for (uint32_t i = 0; i < output_count; ++i) {
    node.outputs.push_back({value_count()});
    values_.push_back({"", {}, id, i, nullptr, std::nullopt, false});
  }
  nodes_.push_back(std::move(node));
  return id;
}

Result<NodeId> Graph::add_node(const OpDef* op, std::string name, std::vector<ValueId> inputs, size_t output_count,
                               Attrs attrs, std::vector<uint32_t> origins) {
  TN_ASSIGN(NodeId id, make_node(op, std::move(name), std::move(inputs), output_count, std::move(attrs),
                                 std::move(origins)));
  order_.push_back(id);
  users_stale_ = true;
  return id;
}

Result<Bytes> Graph::pin(ValueId id, std::string_view reason) {
  const Value& pinned = value(id);
  if (!pinned.constant) return fail(Code::unsupported, "{} is not a constant", pinned.name);
  const Constant& constant = *pinned.constant;
  bool exact = is_integer(constant.type.dtype) || constant.type.dtype == DType::boolean ||
               constant.type.dtype == DType::string;
  Dim count = element_count(constant.type.shape);
  constexpr int64_t kMostFloats = 16;
  if (!exact && !(count.is_constant() && count.value() <= kMostFloats))
    return fail(Code::unsupported, "the value of {} ({}) decides the graph's form; only integers and up to {} floats may",
                pinned.name, print(constant.type), kMostFloats);
  if (constant.bytes.view.empty() && !count.is(0))
    return fail(Code::unsupported, "the value of {} is not known", pinned.name);
  if (!constant.refit_name.empty()) {
    auto same = [&](const Pin& pin) { return pin.refit_name == constant.refit_name; };
    if (std::none_of(pins.begin(), pins.end(), same))
      pins.push_back({constant.refit_name, std::string(reason), constant.bytes});
  }
  return constant.bytes;
}

// Kahn's algorithm that keeps the present order where it can.
Status Graph::sort() {
  std::vector<uint8_t> state(nodes_.size(), 0);  // 0 new, 1 open, 2 done
  std::vector<NodeId> sorted;
  sorted.reserve(order_.size());
  std::vector<std::pair<NodeId, size_t>> stack;
  for (NodeId root : order_) {
    if (node(root).erased || state[root.index] == 2) continue;
    stack.push_back({root, 0});
    state[root.index] = 1;
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      const Node& current = node(id);
      NodeId wanted;
      while (next < current.inputs.size() && !wanted.valid()) {
        ValueId input = current.inputs[next++];
        if (!input.valid()) continue;
        NodeId producer = value(input).producer;
        if (producer.valid() && !node(producer).erased && state[producer.index] != 2) wanted = producer;
      }
      if (!wanted.valid()) {
        state[id.index] = 2;
        sorted.push_back(id);
        stack.pop_back();
      } else if (state[wanted.index] == 1) {
        return fail(Code::invalid_model, "node {} depends on its own output", node(wanted).name);
      } else {
        state[wanted.index] = 1;
        stack.push_back({wanted, 0});
      }
    }
  }
  order_ = std::move(sorted);
  users_stale_ = true;
  return {};
}

void Graph::erase_unused(std::vector<NodeId> candidates) {
  std::vector<uint32_t> uses(values_.size(), 0);
  for (NodeId id : order_)
    if (!node(id).erased)
      for (ValueId input : node(id).inputs)
        if (input.valid()) ++uses[input.index];
  for (ValueId output : outputs) ++uses[output.index];
  while (!candidates.empty()) {
    Node& unused = nodes_[candidates.back().index];
    candidates.pop_back();
    auto in_use = [&](ValueId output) { return uses[output.index] > 0; };
    if (unused.erased || finds_sizes(unused) || std::any_of(unused.outputs.begin(), unused.outputs.end(), in_use)) continue;
    unused.erased = true;
    for (ValueId output : unused.outputs) values_[output.index].erased = true;
    for (ValueId input : unused.inputs) {
      if (!input.valid()) continue;
      --uses[input.index];
      if (NodeId producer = value(input).producer; producer.valid()) candidates.push_back(producer);
    }
  }
}

Status check_takes_texts(NodeView view) {
  const OpDef& op = *view.node().op;
  if (op.takes_texts) return {};
  for (size_t i = 0; i < view.input_count(); ++i)
    if (view.input(i).dtype == DType::string)
      return fail(Code::unsupported, "{} does not take tensors of strings: input {} is {}", op.name, i, print(view.input(i)));
  return {};
}

Patch::Patch(Graph& graph, std::span<const NodeId> replaces) : graph_(graph) {
  for (NodeId id : replaces) {
    const Node& node = graph_.node(id);
    if (name_.empty()) name_ = node.name;
    for (uint32_t origin : node.origins)
      if (std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) origins_.push_back(origin);
  }
  std::sort(origins_.begin(), origins_.end());
}

void Patch::on_behalf_of(NodeId node) {
  name_ = graph_.node(node).name;
  origins_ = graph_.node(node).origins;
}

void Patch::on_behalf_of(std::string name, std::vector<uint32_t> origins) {
  name_ = std::move(name);
  origins_ = std::move(origins);
}

Result<std::vector<ValueId>> Patch::add_many(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs,
                                             std::string name) {
  TN_ASSIGN(NodeId id, graph_.make_node(&op, name.empty() ? name_ : std::move(name), std::move(inputs), outputs,
                                        std::move(attrs), origins_));
  added_.push_back(id);
  const NodeView view(graph_, graph_.node(id));
  auto inferred = check_takes_texts(view).and_then([&] { return op.infer(view); });
  if (!inferred) return trail(std::move(inferred.error()), "in {} made for node {}", op.name, graph_.node(id).name);
  std::vector<ValueId> results = graph_.node(id).outputs;
  if (inferred->outputs.size() != results.size())
    return fail(Code::internal, "{} inferred {} outputs of {}", op.name, inferred->outputs.size(), results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    if (inferred->outputs[i].rank() > kMaxRank)
      return fail(Code::unsupported, "{}: rank {} is above the limit of {}", name_, inferred->outputs[i].rank(), kMaxRank);
    graph_.set_value_type(results[i], std::move(inferred->outputs[i]));
    if (i < inferred->contents.size()) graph_.set_content(results[i], std::move(inferred->contents[i]));
  }
  return results;
}

Result<std::vector<ValueId>> Patch::add_typed(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                                              std::vector<TensorType> outputs) {
  TN_ASSIGN(NodeId id, graph_.make_node(&op, name_, std::move(inputs), outputs.size(), std::move(attrs), origins_));
  added_.push_back(id);
  std::vector<ValueId> results = graph_.node(id).outputs;
  for (size_t i = 0; i < results.size(); ++i) graph_.set_value_type(results[i], std::move(outputs[i]));
  return results;
}

Result<ValueId> Patch::add(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, std::string name) {
  TN_ASSIGN(std::vector<ValueId> outputs, add_many(op, std::move(inputs), std::move(attrs), 1, std::move(name)));
  return outputs[0];
}

ValueId Patch::constant(std::shared_ptr<const Constant> constant) { return graph_.add_constant("", std::move(constant)); }

ValueId Patch::constant(TensorType type, std::span<const std::byte> bytes, std::string name) {
  auto constant = std::make_shared<Constant>(Constant{std::move(type), Bytes::copy(bytes), {}});
  return graph_.add_constant(std::move(name), std::move(constant));
}

ValueId Patch::constant_integers(const std::vector<int64_t>& values) {
  TensorType type{DType::i64, {Dim(static_cast<int64_t>(values.size()))}, kLinear};
  return constant(std::move(type), std::as_bytes(std::span(values)));
}

ValueId Patch::scalar(DType type, double value) {
  std::byte bytes[8] = {};
  auto put = [&](auto typed) { std::memcpy(bytes, &typed, sizeof typed); };
  switch (type) {
    case DType::f32: put(static_cast<float>(value)); break;
    case DType::f64: put(value); break;
    case DType::f16: put(float_to_half(static_cast<float>(value))); break;
    case DType::bf16: {
      float narrow = static_cast<float>(value);
      uint32_t bits;
      std::memcpy(&bits, &narrow, 4);
      if (value == value) bits += 0x7fff + ((bits >> 16) & 1);  // round to nearest even; NaN stays NaN
      put(static_cast<uint16_t>(bits >> 16));
      break;
    }
    case DType::u64: put(static_cast<uint64_t>(value)); break;
    case DType::string: {  // whatever the number: empty
      const std::string_view empty;
      return constant({type, {}, kLinear}, pack_texts(std::span(&empty, 1)));
    }
    default: put(static_cast<int64_t>(value));  // little endian: the low bytes are the narrower integers
  }
  return constant({type, {}, kLinear}, std::span(bytes, size_of(type)));
}

void Patch::replace(ValueId old_value, ValueId new_value) { replacements_.push_back({old_value, new_value}); }

void Patch::erase(NodeId node) { erased_.push_back(node); }

namespace {

Status check_replacement(const Value& before, const Value& after) {
  if (before.type.dtype == DType::none) return {};
  if (before.type.dtype == after.type.dtype && before.type.rank() == after.type.rank()) return {};
  return fail(Code::internal, "{} is to be replaced by {}", print(before.type), print(after.type));
}

}  // namespace

namespace {

// Both are sorted, and so is the union.
void add_origins(std::vector<uint32_t>& to, const std::vector<uint32_t>& from) {
  if (from == to || std::includes(to.begin(), to.end(), from.begin(), from.end())) return;
  std::vector<uint32_t> both;
  std::set_union(to.begin(), to.end(), from.begin(), from.end(), std::back_inserter(both));
  to = std::move(both);
}

}  // namespace

Status apply(Graph& graph, Patch patch) {
  std::vector<ValueId> target(graph.value_count());
  for (auto [before, after] : patch.replacements_) {
    TN_TRY(check_replacement(graph.value(before), graph.value(after)));
    target[before.index] = after;
  }
  // A replacement may itself be replaced in the same patch; chains end (a cycle is refused by the sort below).
  auto resolve = [&](ValueId id) {
    for (size_t hops = 0; id.valid() && target[id.index].valid() && hops <= patch.replacements_.size(); ++hops)
      id = target[id.index];
    return id;
  };
  for (NodeId id : patch.erased_) {
    graph.nodes_[id.index].erased = true;
    for (ValueId output : graph.nodes_[id.index].outputs) graph.values_[output.index].erased = true;
  }
  for (auto [before, after] : patch.replacements_) {
    Value& replacement = graph.values_[resolve(after).index];
    if (replacement.name.empty()) replacement.name = graph.value(before).name;
  }
  graph.order_.insert(graph.order_.end(), patch.added_.begin(), patch.added_.end());
  if (!patch.replacements_.empty()) {
    for (NodeId id : graph.order_)
      for (ValueId& input : graph.nodes_[id.index].inputs) input = resolve(input);
    for (ValueId& output : graph.outputs) output = resolve(output);
  }
  std::vector<NodeId> candidates;
  for (auto [before, after] : patch.replacements_)
    if (NodeId producer = graph.value(before).producer; producer.valid()) {
      candidates.push_back(producer);
      // Whoever makes the value now computes the user's nodes that made it before.
      if (NodeId maker = graph.value(resolve(after)).producer; maker.valid())
        add_origins(graph.nodes_[maker.index].origins, graph.nodes_[producer.index].origins);
    }
  std::vector<NodeId> standing;
  for (NodeId id : graph.order_)
    if (!graph.nodes_[id.index].erased) standing.push_back(id);
  graph.erase_unused(std::move(candidates));
  // What went because of the patch, though it does not name it, is computed by what the patch adds: by nodes of the same op
  // where there are any.
  for (NodeId id : standing) {
    const Node& gone = graph.nodes_[id.index];
    if (!gone.erased || gone.origins.empty() || patch.added_.empty()) continue;
    auto is_same = [&](NodeId added) { return graph.nodes_[added.index].op == gone.op && !graph.nodes_[added.index].erased; };
    const bool any_same = std::any_of(patch.added_.begin(), patch.added_.end(), is_same);
    for (NodeId added : patch.added_)
      if (!any_same || is_same(added)) add_origins(graph.nodes_[added.index].origins, gone.origins);
  }
  return graph.sort();
}

}  // namespace tenon
