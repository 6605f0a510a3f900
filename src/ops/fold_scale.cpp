// fold_scale: a factor and an addend per channel behind a convolution become part of its weights and bias, as ordinary
// nodes that are folded with them and rerun by a refit. (A batch normalisation is such a pair.)
#include "ops/fold_scale.h"

#include <array>

#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// Computed from constants alone.
bool is_static(const Graph& graph, ValueId id, int depth = 0) {
  if (graph.is_constant(id)) return true;
  const Node* producer = graph.producer(id);
  if (!producer || !producer->op->deterministic || producer->inputs.empty() || depth > 16) return false;
  for (ValueId input : producer->inputs)
    if (input.valid() && !is_static(graph, input, depth + 1)) return false;
  return constant_shape(graph.value(id).type.shape).has_value();
}

// One static value per channel of a result with `rank` dims.
bool is_per_channel(const Graph& graph, ValueId id, const Dim& channels, size_t rank) {
  const Shape& shape = graph.value(id).type.shape;
  if (shape.size() + 1 != rank && shape.size() != rank) return false;
  const size_t axis = shape.size() + 1 - rank;
  for (size_t i = 0; i < shape.size(); ++i)
    if (i == axis ? !(shape[i] == channels) : !shape[i].is(1)) return false;
  return is_static(graph, id);
}

Result<ValueId> compute(Patch& patch, std::string_view text, std::vector<ValueId> operands) {
  std::array<DType, 3> types{};
  for (size_t i = 0; i < operands.size(); ++i) types[i] = patch.type(operands[i]).dtype;
  TN_ASSIGN(Program program, parse_program(text, {types.data(), operands.size()}));
  return patch.add(kPointwise, std::move(operands), {{"program", program}});
}

struct Vectors {
  ValueId factor, addend;   // invalid: there is none
};

// The node as x0 * factor + addend with x0 the convolution's result.
std::optional<Vectors> match(const Node& node, const Program& program) {
  const std::string text = print(program);
  if (text == "add(mul(x0, x1), x2)") return Vectors{node.inputs[1], node.inputs[2]};
  if (text == "mul(x0, x1)") return Vectors{node.inputs[1], {}};
  if (text == "add(x0, x1)") return Vectors{{}, node.inputs[1]};
  return std::nullopt;
}

}  // namespace

Result<bool> fold_scale(NodeView view, Patch& patch) {
  const Graph& graph = view.graph();
  const Node& node = view.node();
  const Node* producer = graph.producer(node.inputs[0]);
  if (!producer || producer->op != &kConv || producer->inputs.size() > 3 || producer->attrs.has("epilogue") ||
      graph.users(node.inputs[0]).size() != 1 || graph.is_output(node.inputs[0]))
    return false;
  std::optional<Vectors> vectors = match(node, view.attrs().program("program"));
  const ValueId weights = producer->inputs[1];
  const TensorType type = graph.value(weights).type, result = view.input(0);
  if (!vectors || !is_static(graph, weights) || view.output(0) != result) return false;
  const Dim channels = type.shape[0];
  for (ValueId vector : {vectors->factor, vectors->addend})
    if (vector.valid() && !is_per_channel(graph, vector, channels, result.rank())) return false;
  ValueId bias = producer->inputs.size() == 3 ? producer->inputs[2] : ValueId{};
  if (bias.valid() && !is_static(graph, bias)) return false;

  std::vector<ValueId> inputs = producer->inputs;
  inputs.resize(3);
  const Attrs attrs = producer->attrs;
  if (vectors->factor.valid()) {
    Shape along(type.rank(), Dim(1));
    along[0] = channels;
    TN_ASSIGN(ValueId wide, reshape(patch, vectors->factor, along));
    TN_ASSIGN(inputs[1], compute(patch, "mul(x0, x1)", {weights, wide}));
  }
  if (vectors->factor.valid() && bias.valid()) {
    TN_ASSIGN(ValueId factor, reshape(patch, vectors->factor, {channels}));
    TN_ASSIGN(bias, compute(patch, "mul(x0, x1)", {bias, factor}));
  }
  if (vectors->addend.valid()) {
    TN_ASSIGN(ValueId addend, reshape(patch, vectors->addend, {channels}));
    if (bias.valid()) {
      TN_ASSIGN(bias, compute(patch, "add(x0, x1)", {bias, addend}));
    } else {
      bias = addend;
    }
  }
  inputs[2] = bias;
  patch.on_behalf_of(graph.value(node.inputs[0]).producer);  // the weights were computed on behalf of this node
  TN_ASSIGN(ValueId made, patch.add(kConv, std::move(inputs), attrs));
  patch.replace(node.outputs[0], made);
  return true;
}

}  // namespace tenon
