// What an op is: one static table per op, found by name.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "ir/graph.h"

namespace tenon {

enum class AttrKind : uint8_t {
  integer, number, text, integers, numbers, texts, shape, dtype, program, constant, graph
};

struct AttrSpec {
  std::string_view name;
  AttrKind kind;
  bool required = false;
};

// What an op's functions see of a node, and where they write what they infer.
class NodeView {
 public:
  NodeView(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}
  const Graph& graph() const { return graph_; }
  const Node& node() const { return node_; }
  const Attrs& attrs() const { return node_.attrs; }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }
  bool has_input(size_t i) const { return i < node_.inputs.size() && node_.inputs[i].valid(); }
  // Of an absent input, also one beyond the last: a type without dtype and dims.
  const TensorType& input(size_t i) const { return graph_.value(input_id(i)).type; }
  const TensorType& output(size_t i) const { return graph_.value(node_.outputs[i]).type; }
  const std::optional<std::vector<Dim>>& content(size_t i) const { return graph_.value(input_id(i)).content; }

 private:
  ValueId input_id(size_t i) const { return i < node_.inputs.size() ? node_.inputs[i] : ValueId{}; }
  const Graph& graph_;
  const Node& node_;
};

struct Inferred {
  std::vector<TensorType> outputs;
  // Shape values of the outputs, where known (see Value::content); may be left empty.
  std::vector<std::optional<std::vector<Dim>>> contents;
};

// A call of a kernel: what a step will say. `params` is the kernel's parameter struct; where a parameter depends on
// dims that are not constant, `dims` says which int64 of the struct to overwrite at each shape change (0 there until
// then).
struct KernelCall {
  struct DimParam {
    uint32_t offset;  // in bytes, multiple of 8
    Dim dim;
  };
  std::string kernel;
  std::vector<std::byte> params;
  std::vector<DimParam> dims;

  template <class P>
  static KernelCall with(std::string kernel, const P& params) {
    static_assert(std::is_trivially_copyable_v<P>);
    auto bytes = std::as_bytes(std::span(&params, 1));
    return {std::move(kernel), {bytes.begin(), bytes.end()}, {}};
  }
  static KernelCall without_params(std::string kernel) { return {std::move(kernel), {}, {}}; }
};

// A local rewrite: looks at one node and returns true after filling `patch`, or false to leave it.
struct Rule {
  std::string_view name;
  Result<bool> (*rewrite)(NodeView view, Patch& patch);
};

struct OpDef {
  std::string_view name;
  int min_inputs;
  int max_inputs;                          // -1: any number
  int min_outputs = 1, max_outputs = 1;
  std::span<const AttrSpec> attrs;
  // Types of the outputs (and shape values) from inputs and attributes; refuses what makes no sense, saying why.
  Result<Inferred> (*infer)(NodeView view);
  // The call of the op's reference kernel, valid for every shape that infer allows.
  Result<KernelCall> (*reference)(NodeView view);
  std::span<const Rule> rules = {};        // run by canonicalise
  // Views: the output is input 0's memory under other dims (reshape). Never has a kernel of its own in a plan.
  bool is_view = false;
  // False for random ops: never folded or merged.
  bool deterministic = true;
  // Its graph attributes are computed when the network runs, by the runtime itself: it has no kernel. Inputs and outputs
  // are linear. See ir/control.h.
  bool runs_graphs = false;
  // Multiplications with an addition that a product of inputs takes, the epilogue's not counted; of a node that infer
  // has taken. Null: the op has no such products.
  Dim (*multiply_adds)(NodeView view) = nullptr;
  // Whether tensors of strings may be among its inputs and outputs; infer need not look for them otherwise.
  bool takes_texts = false;
};

// Refuses a node of a core op that does not take tensors of strings and has one.
Status check_takes_texts(NodeView view);

// What stands for a value of an ONNX model while its nodes are expanded: a tensor; a sequence, which is a list of known
// length; or an optional without an element. Lists exist at build time only.
struct OnnxValue {
  ValueId tensor;                                              // invalid: absent, or one of the others
  std::shared_ptr<const std::vector<OnnxValue>> list;
  bool is_none = false;

  OnnxValue() = default;
  OnnxValue(ValueId id) : tensor(id) {}  // NOLINT: a tensor is a value
  static OnnxValue of_list(std::vector<OnnxValue> items);
  static OnnxValue none();
  bool is_there() const { return tensor.valid() || list || is_none; }
};

class OnnxNode;

// A graph of core ops that a node computes when the network runs.
struct SeparateGraph {
  GraphPtr graph;                 // its first inputs are the arguments
  std::vector<ValueId> captured;  // of the graph around, for the inputs behind them
};
// Makes the outputs of a separate graph from its arguments. `inside` is the node as it would stand in that graph: its inputs,
// and what it captures, stand there for those of the graph around.
using SeparateFill = std::function<Result<std::vector<ValueId>>(OnnxNode& inside, const std::vector<ValueId>& arguments)>;

// Puts the nodes of a sub-graph in the place of the node that holds it. See passes/expand.cpp.
class SubgraphExpander {
 public:
  virtual ~SubgraphExpander() = default;
  // The sub-graph's outputs for these arguments, one for each of its inputs. May be called any number of times; `part`
  // tells the nodes of one time from another's: "then", "3".
  virtual Result<std::vector<OnnxValue>> expand(const Graph& body, std::vector<OnnxValue> arguments, std::string_view part) = 0;
  // A graph of its own for what `fill` makes of arguments of these types. Inputs of the node that it does not use are none of
  // the graph's.
  virtual Result<SeparateGraph> separate(const OnnxNode& node, std::vector<TensorType> arguments, const SeparateFill& fill) = 0;
  // For the build report: what was done to the node, and why.
  virtual void note(std::string_view what, std::string_view reason) = 0;
};

// The ONNX node that a row's expand function turns into core ops. Inputs are typed, and have shape values where
// known.
class OnnxNode {
 public:
  // `node` is one of `source`: the network, or a sub-graph; what it becomes is added to `graph`.
  OnnxNode(Graph& graph, const Graph& source, NodeId node, Patch& patch, std::vector<OnnxValue> inputs, int64_t version,
           SubgraphExpander* subgraphs = nullptr);
  // A part of `whole`, as a node of another operator would be that had these inputs, attributes and named outputs.
  OnnxNode(OnnxNode& whole, std::vector<ValueId> inputs, int64_t version, const Attrs& attrs, size_t outputs)
      : graph_(whole.graph_), source_(whole.source_), id_(whole.id_), node_(whole.node_), patch_(whole.patch_), inputs_(inputs.begin(), inputs.end()),
        version_(version), subgraphs_(whole.subgraphs_), name_(whole.name_), part_(Part{&attrs, outputs}) {}

  // As in the file; ints, floats, strings, tensors.
  const Attrs& attrs() const { return part_ ? *part_->attrs : node_.attrs; }
  const std::string& name() const { return name_; }
  int64_t version() const { return version_; }                       // of the op set the node belongs to
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return part_ ? part_->outputs : node_.outputs.size(); }
  bool has_output(size_t i) const;                                    // the model names and may use it
  bool has(size_t i) const { return value(i).is_there(); }
  // Of a row that takes lists: what the input is. An absent one is not there.
  const OnnxValue& value(size_t i) const;
  // Invalid when absent; a core op refuses that for an input that it needs.
  ValueId input(size_t i) const { return value(i).tensor; }
  const TensorType& type(size_t i) const { return graph_.value(input(i)).type; }
  const TensorType& type(ValueId id) const { return graph_.value(id).type; }
  size_t rank(size_t i) const { return type(i).rank(); }
  // The elements of an integer input, as dims; fails, naming input and op, when they are not known at build time.
  Result<std::vector<Dim>> dims(size_t i, std::string_view what) const;
  // The same, all constant.
  Result<std::vector<int64_t>> integers(size_t i, std::string_view what) const;
  // A constant scalar, or what pointwise nodes make of such (pinned), as double.
  Result<double> scalar(size_t i, std::string_view what) const;
  // The same where it is known at build time.
  Result<std::optional<double>> known_scalar(ValueId id, std::string_view what) const;
  bool is_constant(size_t i) const { return graph_.is_constant(input(i)); }
  // An axis attribute or element in [-rank, rank), normalised; fails naming it.
  Result<int64_t> axis(int64_t value, size_t rank) const;

  // The sub-graph of that attribute; fails, naming it, when there is none.
  Result<const Graph*> subgraph(std::string_view attribute) const;
  // Its outputs for its formal inputs; what it captures of the graphs around it is added. See SubgraphExpander.
  Result<std::vector<OnnxValue>> expand_subgraph(std::string_view attribute, std::vector<OnnxValue> arguments,
                                                 std::string_view part);
  Result<SeparateGraph> separate(std::vector<TensorType> arguments, const SeparateFill& fill) const;
  void note(std::string_view what, std::string_view reason) const;

  // For SubgraphExpander: the same node in another graph, with these inputs, those that it captures included.
  OnnxNode in(Graph& graph, Patch& patch, std::vector<OnnxValue> inputs, SubgraphExpander* subgraphs) const {
    return OnnxNode(graph, source_, id_, patch, std::move(inputs), version_, subgraphs);
  }
  // All inputs, then what the node captures of the graphs around it.
  std::vector<OnnxValue> all_inputs() const;

  Patch& build() { return patch_; }
  Graph& graph() { return graph_; }
  Result<ValueId> add(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return patch_.add(op, std::move(inputs), std::move(attrs));
  }
  // Sets the node's i-th output.
  void output(size_t i, OnnxValue value);
  const std::vector<OnnxValue>& outputs() const { return results_; }

 private:
  std::string where() const;

  Graph& graph_;
  const Graph& source_;
  const NodeId id_;
  const Node& node_;
  Patch& patch_;
  std::vector<OnnxValue> inputs_, captures_;
  std::vector<OnnxValue> results_;
  int64_t version_;
  SubgraphExpander* subgraphs_;
  std::string name_;
  struct Part {
    const Attrs* attrs;
    size_t outputs;
  };
  std::optional<Part> part_;
};

// One ONNX operator, from an op-set version on: the row with the largest `since` not above the model's version holds.
struct OnnxRow {
  std::string_view op_type;
  int since;
  Status (*expand)(OnnxNode& node);
  std::string_view domain = "";
  // Inputs may be sequences and optionals; those of other rows are tensors.
  bool takes_lists = false;
};

// What one file of src/ops gives: at most one core op, and ONNX rows.
struct OpFile {
  const OpDef* op = nullptr;
  std::span<const OnnxRow> rows = {};
};

// The op of every `onnx` node at network level: attributes `domain`, `op_type`, `version`, the rest as in the file. A
// node with sub-graphs takes behind its own inputs what they capture of the graphs around them, and says in `captures`, for
// each sub-graph in order of name, how many that are; they are the last inputs of the sub-graph.
extern const OpDef kOnnxOp;

}  // namespace tenon
