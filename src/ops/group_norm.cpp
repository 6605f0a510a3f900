// group_norm: normalisation over groups of channels, and ONNX's InstanceNormalization and GroupNormalization.
#include "norm/params.h"

#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"groups", AttrKind::integer, true},
    {"epsilon", AttrKind::number, true},
    {"epilogue", AttrKind::program},
};

Result<Inferred> infer(NodeView view) {
  for (size_t i = 0; i < 3; ++i)
    if (!view.has_input(i)) return fail(Code::invalid_model, "input {} is absent", i);
  TensorType x{view.input(0).dtype, view.input(0).shape, kLinear};
  if (x.rank() < 2 || !is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_argument, "group_norm takes x [N,C,…] of f32, f64, f16 or bf16, not {}", print(x));
  int64_t groups = view.attrs().integer("groups");
  const Dim& channels = x.shape[1];
  if (groups < 1 || (channels.is_constant() && channels.value() % groups != 0))
    return fail(Code::invalid_argument, "group_norm with {} groups does not divide the channels of {}", groups, print(x));
  for (size_t i : {size_t{1}, size_t{2}}) {
    const TensorType& vector = view.input(i);
    if (vector.dtype != x.dtype || vector.rank() != 1 || always_equal(vector.shape[0], channels) == false)
      return fail(Code::invalid_model, "group_norm's {} must be {}[{}], it is {}", i == 1 ? "scale" : "bias",
                  name_of(x.dtype), channels.text(), print(vector));
  }
  TN_ASSIGN(TensorType out, apply_epilogue(view, 3, std::move(x)));
  return one_output(std::move(out));
}

Result<KernelCall> reference(NodeView view) {
  GroupNormParams params;
  params.groups = view.attrs().integer("groups");
  params.epsilon = static_cast<float>(view.attrs().number("epsilon"));
  params.epilogue = view.attrs().program("epilogue");
  return KernelCall::with("group_norm.reference", params);
}

// One value per group, repeated so that there is one per channel.
Result<ValueId> per_channel(Patch& patch, ValueId vector, int64_t groups, const Dim& channels) {
  TN_ASSIGN(ValueId column, reshape(patch, vector, {Dim(groups), Dim(1)}));
  TN_ASSIGN(ValueId wide, expand(patch, column, {Dim(groups), floordiv(channels, Dim(groups))}));
  return reshape(patch, wide, {channels});
}

// reshape(group_norm(reshape(x))), each channel of the reshaped x a group of x's channels, is a group_norm of x.
Result<bool> drop_group_reshapes(NodeView view, Patch& patch) {
  const Graph& graph = view.graph();
  const Node& node = view.node();
  const Node* before = graph.producer(node.inputs[0]);
  const ValueId result = node.outputs[0];
  if (!before || before->op != &kReshape || graph.users(result).size() != 1 || graph.is_output(result) ||
      node.inputs.size() != 3 || node.attrs.has("epilogue"))
    return false;
  const Node& after = graph.node(graph.users(result)[0]);
  const ValueId x = before->inputs[0];
  const Shape outer = graph.value(x).type.shape, inner = view.input(0).shape;
  const int64_t groups = node.attrs.integer("groups");
  if (after.op != &kReshape || graph.value(after.outputs[0]).type.shape != outer || outer.size() < 2 ||
      !(outer[0] == inner[0]) || !inner[1].is(groups) || !outer[1].is_constant() || outer[1].value() % groups != 0)
    return false;
  TN_ASSIGN(ValueId scale, per_channel(patch, node.inputs[1], groups, outer[1]));
  TN_ASSIGN(ValueId bias, per_channel(patch, node.inputs[2], groups, outer[1]));
  const Attrs attrs = node.attrs;
  const ValueId replaced = after.outputs[0];
  TN_ASSIGN(ValueId made, patch.add(kGroupNorm, {x, scale, bias}, attrs));
  patch.replace(replaced, made);
  return true;
}

constexpr Rule kRules[] = {{"drop_group_reshapes", drop_group_reshapes}};

// ---- ONNX

Status add(OnnxNode& node, int64_t groups, ValueId scale, ValueId bias) {
  TN_ASSIGN(ValueId y, node.add(kGroupNorm, {node.input(0), scale, bias},
                                {{"groups", groups}, {"epsilon", node.attrs().number("epsilon", 1e-5)}}));
  node.output(0, y);
  return {};
}

Status expect_inputs(OnnxNode& node, std::string_view op) {
  if (node.has(0) && node.has(1) && node.has(2) && node.rank(0) >= 2) return {};
  return fail(Code::invalid_model, "{} takes x of 2 dims or more, a scale and a bias", op);
}

Status expand_instance(OnnxNode& node) {
  TN_TRY(expect_inputs(node, "InstanceNormalization"));
  const Dim& channels = node.type(0).shape[1];
  const Dim& known = channels.is_constant() || node.rank(1) != 1 ? channels : node.type(1).shape[0];
  if (!known.is_constant() || known.value() < 1)
    return fail(Code::unsupported, "InstanceNormalization of {}: the number of channels must be constant",
                print(node.type(0)));
  return add(node, known.value(), node.input(1), node.input(2));
}

Status expand_group(OnnxNode& node) {
  TN_TRY(expect_inputs(node, "GroupNormalization"));
  int64_t groups = node.attrs().integer("num_groups");
  if (groups < 1) return fail(Code::invalid_model, "attribute num_groups must be at least 1, it is {}", groups);
  const Dim channels = node.type(0).shape[1];
  ValueId scale = node.input(1), bias = node.input(2);
  if (node.version() < 21 && node.type(1).shape != Shape{channels}) {
    TN_ASSIGN(scale, per_channel(node.build(), scale, groups, channels));
    TN_ASSIGN(bias, per_channel(node.build(), bias, groups, channels));
  }
  return add(node, groups, scale, bias);
}

constexpr OnnxRow kRows[] = {
    {"GroupNormalization", 18, expand_group},
    {"InstanceNormalization", 1, expand_instance},
};

}  // namespace

const OpDef kGroupNorm = {
    .name = "group_norm",
    .min_inputs = 3,
    .max_inputs = 3 + kMaxProgramInputs,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
    .rules = kRules,
};

extern const OpFile group_norm_ops = {&kGroupNorm, kRows};

}  // namespace tenon
