// The graph: one type for every level, from the network that the user gave to the graph that is lowered to a plan.
//
// Values and nodes are named by ids that stay valid for the graph's life (erased ones are marked, never reused).
// A graph is edited through Patch only, so that every edit is verified and its origin is kept.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "ir/types.h"

namespace tenon {

struct OpDef;

struct ValueId {
  uint32_t index = UINT32_MAX;
  bool valid() const { return index != UINT32_MAX; }
  friend auto operator<=>(const ValueId&, const ValueId&) = default;
};

struct NodeId {
  uint32_t index = UINT32_MAX;
  bool valid() const { return index != UINT32_MAX; }
  friend auto operator<=>(const NodeId&, const NodeId&) = default;
};

// What may appear in a graph; each level's spec is in verify.cpp.
enum class Level : uint8_t {
  network,  // what the user defined: `onnx` nodes and core ops, types of inputs and constants only
  core,     // core ops only, every value typed
  chosen,   // as core; every node names its kernel, formats are explicit, reformat and pack nodes stand between
};

struct Value {
  std::string name;                            // the user's tensor name, or "" for values that passes made
  TensorType type;                             // dtype none: not inferred yet
  NodeId producer;                             // invalid: graph input or constant
  uint32_t output = 0;                         // which output of the producer
  std::shared_ptr<const Constant> constant;    // set for constants
  // For integer tensors of rank 0 or 1 whose elements are known as dims ("shape values").
  std::optional<std::vector<Dim>> content;
  bool erased = false;
};

struct Node {
  const OpDef* op = nullptr;
  std::string name;                            // the ONNX node's name, or one made from it
  std::vector<ValueId> inputs;                 // an invalid id is an absent optional input
  std::vector<ValueId> outputs;
  Attrs attrs;
  std::vector<uint32_t> origins;               // indices into Graph::origins: the user's nodes this one computes
  bool erased = false;
};

// A node of the user's model, for provenance.
struct Origin {
  std::string name, op_type;
};

// A constant whose value a pass used: refitting it with another value is refused with this reason.
struct Pin {
  std::string refit_name;
  std::string reason;
  Bytes bytes;
};

// What the user's model says of a value that its nodes compute, for the pass that infers types to compare.
struct Declared {
  ValueId value;
  std::string name;                                 // of the tensor in the model
  DType dtype = DType::none;                        // none: the model does not say
  std::optional<std::vector<int64_t>> dims;         // absent: it does not say, nor of a dim that is -1
  bool is_output = false;
};

class Patch;

class Graph {
 public:
  Level level = Level::network;
  std::string name;
  // Of a graph within another: what the names of the sizes that it finds begin with, besides. Not part of the text form.
  std::string found_scope;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<std::string> output_names;       // parallel to outputs: one value may be two outputs
  std::vector<Declared> declared;              // at network level; not part of the text form
  std::vector<Origin> origins;
  std::vector<Pin> pins;

  // Of an absent optional input: a value without type.
  const Value& value(ValueId id) const { return id.index < values_.size() ? values_[id.index] : absent_value(); }
  const Node& node(NodeId id) const { return nodes_[id.index]; }
  // Live nodes in topological order.
  const std::vector<NodeId>& order() const { return order_; }
  uint32_t value_count() const { return static_cast<uint32_t>(values_.size()); }
  uint32_t node_count() const { return static_cast<uint32_t>(nodes_.size()); }
  bool is_constant(ValueId id) const { return value(id).constant != nullptr; }
  bool is_output(ValueId id) const;
  const Node* producer(ValueId id) const {
    NodeId node_id = value(id).producer;
    return node_id.valid() ? &node(node_id) : nullptr;
  }
  // Nodes that read the value, each once, in order; rebuilt lazily after an edit.
  const std::vector<NodeId>& users(ValueId id) const;

  // While a graph is made (import, parse): nodes must come in topological order.
  // Integer constants of rank 0 or 1 with up to 64 elements get their elements as content; since shapes may follow
  // from them, they count as pinned.
  ValueId add_input(std::string name, TensorType type);
  ValueId add_constant(std::string name, std::shared_ptr<const Constant> constant);
  Result<NodeId> add_node(const OpDef* op, std::string name, std::vector<ValueId> inputs, size_t output_count,
                          Attrs attrs, std::vector<uint32_t> origins);
  void set_value_name(ValueId id, std::string name) { values_[id.index].name = std::move(name); }
  void set_value_type(ValueId id, TensorType type) { values_[id.index].type = std::move(type); }
  void set_content(ValueId id, std::optional<std::vector<Dim>> content) {
    values_[id.index].content = std::move(content);
  }

  // Reads the elements of a constant, for a pass whose result depends on them. Integers, bools and tensors of at most 16
  // elements (the scales of a resize) may be read; other float tensors are refused (a refit changes them). The read is recorded as a pin when
  // the constant can be refitted.
  Result<Bytes> pin(ValueId id, std::string_view reason);

 private:
  friend class Patch;
  friend Status apply(Graph& graph, Patch patch);
  // A node that is not in the order yet.
  Result<NodeId> make_node(const OpDef* op, std::string name, std::vector<ValueId> inputs, size_t output_count,
                           Attrs attrs, std::vector<uint32_t> origins);
  static const Value& absent_value();
  Status sort();
  void erase_unused(std::vector<NodeId> candidates);
  std::deque<Value> values_;  // references stay valid while a patch adds to them
  std::deque<Node> nodes_;
  std::vector<NodeId> order_;
  mutable std::vector<std::vector<NodeId>> users_;
  mutable bool users_stale_ = true;
};

// A set of edits, applied as one. Nodes are inferred and verified as they are added, so that a rule sees the types of
// what it makes; nothing changes in the graph until apply().
class Patch {
 public:
  // New nodes get the first replaced node's name and the origins of all of them.
  Patch(Graph& graph, std::span<const NodeId> replaces);
  Patch(Graph& graph, NodeId replaces) : Patch(graph, std::span(&replaces, 1)) {}

  // From here on new nodes stand for `node`: they take its name and origins.
  void on_behalf_of(NodeId node);
  void on_behalf_of(std::string name, std::vector<uint32_t> origins);

  // A node of a core op, typed at once. `name` empty: made from the replaced node's.
  Result<std::vector<ValueId>> add_many(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs,
                                        std::string name = {});
  Result<ValueId> add(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs = {}, std::string name = {});
  // A node whose output types are known: packed operands tell infer nothing.
  Result<std::vector<ValueId>> add_typed(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                                         std::vector<TensorType> outputs);
  ValueId constant(std::shared_ptr<const Constant> constant);
  // A constant that no user can refit.
  ValueId constant(TensorType type, std::span<const std::byte> bytes, std::string name = {});
  ValueId constant_integers(const std::vector<int64_t>& values);        // i64[n]
  ValueId scalar(DType type, double value);                             // rank 0; of strings the empty one

  // Every use of `old_value`, graph outputs included, becomes `new_value` when the patch is applied; a graph output
  // keeps its name. Types must agree in dtype and rank.
  void replace(ValueId old_value, ValueId new_value);
  void erase(NodeId node);

  const Value& value(ValueId id) const { return graph_.value(id); }
  const TensorType& type(ValueId id) const { return graph_.value(id).type; }
  Graph& graph() { return graph_; }
  const std::string& name() const { return name_; }   // of the node that new ones stand for
  const std::vector<uint32_t>& origins() const { return origins_; }
  bool empty() const { return replacements_.empty() && erased_.empty(); }
  // Nodes added since the patch was made.
  const std::vector<NodeId>& added() const { return added_; }

 private:
  friend Status apply(Graph& graph, Patch patch);
  Graph& graph_;
  std::string name_;
  std::vector<uint32_t> origins_;
  std::vector<NodeId> added_;
  std::vector<std::pair<ValueId, ValueId>> replacements_;
  std::vector<NodeId> erased_;
};

// Makes the edits, erases nodes that nothing uses any more because of them, restores topological order.
Status apply(Graph& graph, Patch patch);

// Text form: see docs/ir.md. print(parse(print(g))) == print(g).
std::string print(const Graph& graph);
std::string print(const Graph& graph, NodeId node);
// `find_op` maps op names to definitions.
Result<Graph> parse_graph(std::string_view text, const OpDef* (*find_op)(std::string_view name));

// Refuses what the graph's level does not allow: the message names the node.
Status verify(const Graph& graph);

}  // namespace tenon
