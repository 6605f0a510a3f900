// canonicalise: every op's own rules, and the general ones below, until none applies.
// Requires: core level. Ensures: no identity nodes; pointwise operands are not expanded beforehand; each operand of a
// pointwise node is there once.
#include <algorithm>

#include "ops/content.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace tenon {
namespace {

// A pointwise node that yields its only operand.
Result<bool> drop_identity_pointwise(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kPointwise || node.inputs.size() != 1 || !view.attrs().program("program").empty()) return false;
  patch.replace(node.outputs[0], node.inputs[0]);
  return true;
}

// pointwise(expand(x), y) is pointwise(x, y) when the other operands alone give the shape.
Result<bool> pointwise_of_expand(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kPointwise) return false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Node* producer = view.graph().producer(node.inputs[i]);
    if (!producer || producer->op != &kExpand) continue;
    std::vector<ValueId> inputs = node.inputs;
    inputs[i] = producer->inputs[0];
    TN_ASSIGN(ValueId made, patch.add(kPointwise, std::move(inputs), node.attrs));
    if (patch.type(made) != view.output(0)) continue;  // the expansion decides the shape: it stays
    patch.replace(node.outputs[0], made);
    return true;
  }
  return false;
}

// pointwise(x, x) has x once.
Result<bool> merge_equal_operands(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kPointwise) return false;
  std::vector<ValueId> inputs;
  std::vector<uint8_t> slot;
  std::vector<DType> types;
  for (ValueId input : node.inputs) {
    auto found = std::find(inputs.begin(), inputs.end(), input);
    slot.push_back(static_cast<uint8_t>(found - inputs.begin()));
    if (found != inputs.end()) continue;
    inputs.push_back(input);
    types.push_back(view.graph().value(input).type.dtype);
  }
  if (inputs.size() == node.inputs.size()) return false;
  ProgramBuilder builder(types);
  uint8_t result = builder.inline_program(view.attrs().program("program"), slot);
  TN_ASSIGN(Program program, builder.finish(result));
  TN_ASSIGN(ValueId made, patch.add(kPointwise, std::move(inputs), {{"program", program}}));
  patch.replace(node.outputs[0], made);
  return true;
}

// pointwise(transpose(x), 2) is transpose(pointwise(x, 2)), and likewise for reshape: the computation moves up to
// whatever made x, the movement down to whatever reads it.
Result<bool> pointwise_of_movement(NodeView view, Patch& patch) {
  const Node& node = view.node();
  const Graph& graph = view.graph();
  if (node.op != &kPointwise) return false;
  size_t moved = node.inputs.size();
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (element_count(view.input(i).shape).is(1) && view.input(i).shape != view.output(0).shape) continue;
    if (moved != node.inputs.size()) return false;
    moved = i;
  }
  if (moved == node.inputs.size()) return false;
  ValueId result = node.inputs[moved];
  const Node* movement = graph.producer(result);
  if (!movement || (movement->op != &kTranspose && movement->op != &kReshape) || graph.users(result).size() != 1 ||
      graph.is_output(result))
    return false;
  std::vector<ValueId> inputs = node.inputs;
  inputs[moved] = movement->inputs[0];
  TN_ASSIGN(ValueId computed, patch.add(kPointwise, std::move(inputs), node.attrs));
  if (patch.type(computed).shape != graph.value(movement->inputs[0]).type.shape) return false;
  TN_ASSIGN(ValueId made, patch.add(*movement->op, {computed}, movement->attrs));
  if (patch.type(made) != view.output(0)) return false;
  patch.replace(node.outputs[0], made);
  return true;
}

bool same_dims(const Shape& a, size_t a_begin, const Shape& b, size_t b_begin, size_t count) {
  return std::equal(a.begin() + static_cast<int64_t>(a_begin), a.begin() + static_cast<int64_t>(a_begin + count),
                    b.begin() + static_cast<int64_t>(b_begin));
}

// Leading dims merged, the others transposed, the leading dims split again: one transpose of the whole.
Result<bool> transpose_of_merged_dims(NodeView view, Patch& patch) {
  const Node& split = view.node();
  const Graph& graph = view.graph();
  if (split.op != &kReshape) return false;
  const Node* transpose = graph.producer(split.inputs[0]);
  if (!transpose || transpose->op != &kTranspose) return false;
  const Node* merge = graph.producer(transpose->inputs[0]);
  if (!merge || merge->op != &kReshape) return false;
  const Shape& whole = graph.value(merge->inputs[0]).type.shape;
  const Shape& merged = graph.value(transpose->inputs[0]).type.shape;
  const Shape& moved = graph.value(split.inputs[0]).type.shape;
  const Shape& out = view.output(0).shape;
  std::vector<int64_t> perm = transpose->attrs.integers("perm");
  if (perm.empty() || perm[0] != 0 || whole.size() <= merged.size() || out.size() != whole.size()) return false;
  size_t lead = whole.size() - merged.size() + 1, rest = merged.size() - 1;
  if (!same_dims(whole, lead, merged, 1, rest) || !same_dims(out, 0, whole, 0, lead) ||
      !same_dims(out, lead, moved, 1, rest))
    return false;
  std::vector<int64_t> lifted;
  for (size_t i = 0; i < lead; ++i) lifted.push_back(static_cast<int64_t>(i));
  for (size_t i = 1; i < perm.size(); ++i) lifted.push_back(perm[i] + static_cast<int64_t>(lead) - 1);
  TN_ASSIGN(ValueId made, patch.add(kTranspose, {merge->inputs[0]}, {{"perm", std::move(lifted)}}));
  patch.replace(split.outputs[0], made);
  return true;
}

constexpr Rule kRules[] = {
    {"replace_by_content", replace_by_content},
    {"drop_identity_pointwise", drop_identity_pointwise},
    {"pointwise_of_expand", pointwise_of_expand},
    {"merge_equal_operands", merge_equal_operands},
    {"pointwise_of_movement", pointwise_of_movement},
    {"transpose_of_merged_dims", transpose_of_merged_dims},
};

Status run(Graph& graph, const PassContext&) { return rewrite(graph, kRules); }

}  // namespace

const Pass k_canonicalise{"canonicalise", run};

}  // namespace tenon
