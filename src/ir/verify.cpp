#include <algorithm>

#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon {
namespace {

AttrKind kind_of(const Attr& attr) {
  static constexpr AttrKind kKinds[] = {
      AttrKind::integer, AttrKind::number, AttrKind::text,    AttrKind::integers, AttrKind::numbers, AttrKind::texts,
      AttrKind::shape,   AttrKind::dtype,  AttrKind::program, AttrKind::constant, AttrKind::graph};
  static_assert(std::variant_size_v<Attr> == std::size(kKinds));
  return kKinds[attr.index()];
}

Status verify_attrs(const Node& node) {
  for (const AttrSpec& spec : node.op->attrs)
    if (spec.required && !node.attrs.has(spec.name))
      return fail(Code::internal, "attribute {} is missing", spec.name);
  for (const auto& [name, attr] : node.attrs) {
    auto spec = std::find_if(node.op->attrs.begin(), node.op->attrs.end(),
                             [&, &name = name](const AttrSpec& s) { return s.name == name; });
    if (spec == node.op->attrs.end()) return fail(Code::internal, "{} has no attribute {}", node.op->name, name);
    if (spec->kind != kind_of(attr)) return fail(Code::internal, "attribute {} is of the wrong kind", name);
    if (const auto* program = std::get_if<ProgramAttr>(&attr)) TN_TRY(verify(static_cast<const Program&>(*program)));
    if (const GraphPtr* graph = std::get_if<GraphPtr>(&attr); graph && *graph) TN_TRY(verify(**graph));
  }
  return {};
}

// What infer says now must agree with the types that the values carry. Dims may be written in different ways, so only
// constants that disagree are refused.
Status verify_types(const Graph& graph, const Node& node) {
  TN_TRY(check_takes_texts(NodeView(graph, node)));
  TN_ASSIGN(Inferred inferred, node.op->infer(NodeView(graph, node)));
  if (inferred.outputs.size() != node.outputs.size()) return fail(Code::internal, "wrong number of outputs");
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const TensorType& have = graph.value(node.outputs[i]).type;
    const TensorType& want = inferred.outputs[i];
    bool same = have.dtype == want.dtype && have.rank() == want.rank();
    for (size_t d = 0; same && d < have.rank(); ++d)
      same = !have.shape[d].is_constant() || !want.shape[d].is_constant() || have.shape[d] == want.shape[d];
    if (!same) return fail(Code::internal, "output {} is {}, it should be {}", i, print(have), print(want));
  }
  return {};
}

Status verify_node(const Graph& graph, const Node& node, const std::vector<bool>& defined) {
  for (ValueId input : node.inputs)
    if (input.valid() && !defined[input.index]) return fail(Code::internal, "an input is not defined before its use");
  if (node.op == &kOnnxOp) {
    if (graph.level == Level::network) return {};
    return fail(Code::internal, "an ONNX node is left above network level");
  }
  TN_TRY(verify_attrs(node));
  // Types of a chosen graph were inferred before operands were packed.
  if (graph.level != Level::core) return {};
  return verify_types(graph, node);
}

}  // namespace

Status verify(const Graph& graph) {
  std::vector<bool> defined(graph.value_count(), false);
  for (ValueId id : graph.inputs) defined[id.index] = true;
  for (uint32_t i = 0; i < graph.value_count(); ++i)
    if (graph.is_constant({i})) defined[i] = true;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.erased) return fail(Code::internal, "node {} is erased and still in order", node.name);
    if (auto status = verify_node(graph, node, defined); !status)
      return trail(std::move(status.error()), "in node {} = {}", node.name, print(graph, id));
    for (ValueId output : node.outputs) defined[output.index] = true;
  }
  if (graph.outputs.size() != graph.output_names.size())
    return fail(Code::internal, "{} outputs have {} names", graph.outputs.size(), graph.output_names.size());
  for (ValueId output : graph.outputs)
    if (!output.valid() || !defined[output.index]) return fail(Code::internal, "an output of the graph is not defined");
  return {};
}

const OpDef kOnnxOp{.name = "onnx", .min_inputs = 0, .max_inputs = -1, .min_outputs = 0, .max_outputs = -1,
                    .attrs = {}, .infer = nullptr, .reference = nullptr};

}  // namespace tenon
