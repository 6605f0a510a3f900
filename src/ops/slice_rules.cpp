#include "ops/slice_rules.h"

#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A slice of one axis by steps of 1, at constant positions.
struct Cut {
  size_t axis = 0;
  int64_t start = 0, size = 0;
};

std::optional<Cut> cut_of(const Graph& graph, const Node& node) {
  if (node.op != &kSlice) return std::nullopt;
  const Shape& x = graph.value(node.inputs[0]).type.shape;
  const Shape starts = node.attrs.shape("starts"), sizes = node.attrs.shape("sizes");
  for (int64_t step : node.attrs.integers("steps"))
    if (step != 1) return std::nullopt;
  std::optional<Cut> cut;
  for (size_t d = 0; d < x.size(); ++d) {
    if (starts[d].is(0) && sizes[d] == x[d]) continue;
    if (cut || !starts[d].is_constant() || !sizes[d].is_constant()) return std::nullopt;
    cut = Cut{d, starts[d].value(), sizes[d].value()};
  }
  return cut;
}

// Whether anything that the graph yields depends on the node; nodes that rules left behind stay until dead_code.
bool is_live(const Graph& graph, const Node& node, int depth = 0) {
  if (depth > 8) return true;
  for (ValueId output : node.outputs) {
    if (graph.is_output(output)) return true;
    for (NodeId user : graph.users(output))
      if (is_live(graph, graph.node(user), depth + 1)) return true;
  }
  return false;
}

// Whether all that is read of a value is cut along `axis` into parts that do not overlap.
bool is_cut_up(const Graph& graph, ValueId id, size_t axis) {
  const Dim& dim = graph.value(id).type.shape[axis];
  if (graph.is_output(id) || !dim.is_constant()) return false;
  std::vector<Cut> cuts;
  for (NodeId user : graph.users(id)) {
    if (!is_live(graph, graph.node(user))) continue;
    auto cut = cut_of(graph, graph.node(user));
    if (!cut || cut->axis != axis) return false;
    for (const Cut& other : cuts)
      if (cut->start < other.start + other.size && other.start < cut->start + cut->size &&
          (cut->start != other.start || cut->size != other.size))
        return false;
    cuts.push_back(*cut);
  }
  return true;
}

bool is_static(const Graph& graph, ValueId id, int depth = 0) {
  if (graph.is_constant(id)) return true;
  const Node* producer = graph.producer(id);
  if (!producer || depth > 8 || !producer->op->deterministic || producer->inputs.empty()) return false;
  for (ValueId input : producer->inputs)
    if (!input.valid() || !is_static(graph, input, depth + 1)) return false;
  return true;
}

}  // namespace

namespace {

// The dim of `from` that a cut of dim `axis` of `to`, the same elements, is a cut of; `within` is how many of its
// elements one of the cut dim stands for.
std::optional<size_t> source_axis(const Shape& from, const Shape& to, size_t axis, Dim& within) {
  const Dim before = element_count({to.begin(), to.begin() + static_cast<ptrdiff_t>(axis)});
  Dim ahead(1);
  for (size_t b = 0; b < from.size(); ++b) {
    within = Dim(1);
    for (size_t e = axis + 1; ahead == before && e <= to.size(); ++e) {
      if (within.is_constant() && from[b] == to[axis] * within) return b;
      if (e < to.size()) within = within * to[e];
    }
    ahead = ahead * from[b];
  }
  return std::nullopt;
}

}  // namespace

Result<bool> slice_before_reshape(NodeView view, Patch& patch) {
  const Graph& graph = view.graph();
  const Node* inner = graph.producer(view.node().inputs[0]);
  auto cut = cut_of(graph, view.node());
  if (!cut || !inner || inner->op != &kReshape) return false;
  Dim within;
  auto axis = source_axis(graph.value(inner->inputs[0]).type.shape, view.input(0).shape, cut->axis, within);
  if (!axis) return false;
  Shape shape = view.output(0).shape;
  TN_ASSIGN(ValueId part, slice(patch, inner->inputs[0], *axis, Dim(cut->start) * within, Dim(cut->size) * within));
  TN_ASSIGN(ValueId out, reshape(patch, part, std::move(shape)));
  patch.replace(view.node().outputs[0], out);
  return true;
}

Result<bool> slice_before_pointwise(NodeView view, Patch& patch) {
  const Graph& graph = view.graph();
  const ValueId whole = view.node().inputs[0];
  const Node* inner = graph.producer(whole);
  auto cut = cut_of(graph, view.node());
  if (!cut || !inner || inner->op != &kPointwise || !is_cut_up(graph, whole, cut->axis)) return false;
  std::vector<ValueId> operands = inner->inputs;
  for (ValueId& operand : operands) {
    const Shape shape = graph.value(operand).type.shape;
    const size_t lead = view.input(0).rank() - shape.size();
    if (cut->axis < lead || shape[cut->axis - lead].is(1)) continue;
    if (shape[cut->axis - lead] != view.input(0).shape[cut->axis]) return false;
    TN_ASSIGN(operand, slice(patch, operand, cut->axis - lead, Dim(cut->start), Dim(cut->size)));
  }
  TN_ASSIGN(ValueId out, patch.add(kPointwise, std::move(operands), inner->attrs));
  if (patch.type(out).shape != view.output(0).shape) return false;
  patch.replace(view.node().outputs[0], out);
  return true;
}

Result<bool> slice_before_matmul(NodeView view, Patch& patch) {
  constexpr int64_t kLeastColumns = 64;  // of a part: below, the products get less efficient than the copy costs
  const Graph& graph = view.graph();
  const ValueId whole = view.node().inputs[0];
  const Node* inner = graph.producer(whole);
  auto cut = cut_of(graph, view.node());
  if (!cut || !inner || inner->op != &kMatmul || inner->inputs.size() != 2 || cut->size < kLeastColumns) return false;
  if (inner->attrs.has("perm_out") || inner->attrs.has("epilogue") || cut->axis + 1 != view.input(0).rank()) return false;
  if (!is_static(graph, inner->inputs[1]) || !is_cut_up(graph, whole, cut->axis)) return false;
  std::vector<int64_t> perm = inner->attrs.integers("perm_b");
  const size_t rank = graph.value(inner->inputs[1]).type.rank();
  const size_t columns = perm.empty() ? rank - 1 : static_cast<size_t>(perm.back());
  TN_ASSIGN(ValueId part, slice(patch, inner->inputs[1], columns, Dim(cut->start), Dim(cut->size)));
  TN_ASSIGN(ValueId out, patch.add(kMatmul, {inner->inputs[0], part}, inner->attrs));
  patch.replace(view.node().outputs[0], out);
  return true;
}

}  // namespace tenon
