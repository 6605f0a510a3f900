// expand: dims of 1 repeated. ONNX: Expand, ConstantOfShape, Tile (an expand between two reshapes).
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"shape", AttrKind::shape, true}};

Content repeated(const Content& content, const Shape& shape) {
  if (!content || shape.size() > 1) return std::nullopt;
  Dim count = element_count(shape);
  if (!count.is_constant() || count.value() > kMaxContent) return std::nullopt;
  if (content->size() == static_cast<size_t>(count.value())) return content;
  if (content->size() != 1) return std::nullopt;
  return std::vector<Dim>(static_cast<size_t>(count.value()), (*content)[0]);
}

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  Shape shape = view.attrs().shape("shape");
  if (shape.size() < x.rank())
    return fail(Code::invalid_model, "{} cannot be expanded to {}: it has more dims", print(x), print(shape));
  const size_t lead = shape.size() - x.rank();
  for (size_t d = 0; d < x.rank(); ++d)
    if (!x.shape[d].is(1) && x.shape[d].is_constant() && shape[lead + d].is_constant() && x.shape[d] != shape[lead + d])
      return fail(Code::invalid_model, "{} cannot be expanded to {}: dim {} is neither 1 nor {}", print(x), print(shape), d,
                  shape[lead + d].text());
  Content content = repeated(content_of(view, 0), shape);
  return one_output({x.dtype, std::move(shape), kLinear}, std::move(content));
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("expand.reference"); }

// Where nothing is repeated, only dims of 1 come in front.
Result<bool> as_reshape(NodeView view, Patch& patch) {
  const Shape& from = view.input(0).shape;
  Shape to = view.attrs().shape("shape");
  const size_t lead = to.size() - from.size();
  for (size_t d = 0; d < to.size(); ++d)
    if (d < lead ? !to[d].is(1) : to[d] != from[d - lead]) return false;
  TN_ASSIGN(ValueId out, reshape(patch, view.node().inputs[0], std::move(to)));
  patch.replace(view.node().outputs[0], out);
  return true;
}

Result<bool> merge(NodeView view, Patch& patch) {
  const Node* inner = view.graph().producer(view.node().inputs[0]);
  if (!inner || inner->op != &kExpand) return false;
  TN_ASSIGN(ValueId out, expand(patch, inner->inputs[0], view.attrs().shape("shape")));
  patch.replace(view.node().outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"expand_as_reshape", as_reshape}, {"merge_expands", merge}};

Status onnx_expand(OnnxNode& node) {
  const Shape x = node.type(0).shape;
  TN_ASSIGN(Shape wanted, node.dims(1, "shape"));
  Shape shape(std::max(x.size(), wanted.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    Dim a = i < x.size() ? x[x.size() - 1 - i] : Dim(1);
    Dim b = i < wanted.size() ? wanted[wanted.size() - 1 - i] : Dim(1);
    auto dim = broadcast(a, b);
    if (!dim) return fail(Code::invalid_model, "Expand: {} does not broadcast with {}", print(x), print(wanted));
    shape[shape.size() - 1 - i] = *dim;
  }
  TN_ASSIGN(ValueId out, expand(node.build(), node.input(0), std::move(shape)));
  node.output(0, out);
  return {};
}

Status onnx_constant_of_shape(OnnxNode& node) {
  TN_ASSIGN(Shape shape, node.dims(0, "shape"));
  for (const Dim& dim : shape)
    if (dim.is_constant() && dim.value() < 0)
      return fail(Code::invalid_model, "ConstantOfShape: the shape {} has a negative dim", print(shape));
  ValueId value;
  if (auto constant = node.attrs().get<std::shared_ptr<const Constant>>("value")) {
    if (!element_count(constant->type.shape).is(1))
      return fail(Code::invalid_model, "ConstantOfShape: the value is {}, it must be one element", print(constant->type));
    TN_ASSIGN(value, reshape(node.build(), node.graph().add_constant("", constant), {}));
  } else {
    value = node.build().scalar(DType::f32, 0);
  }
  TN_ASSIGN(ValueId out, expand(node.build(), value, std::move(shape)));
  node.output(0, out);
  return {};
}

// Repeats along one axis: [a, d, b] → [a, 1, d, b] → [a, r, d, b] → [a, r*d, b].
Result<ValueId> repeat(Patch& patch, ValueId x, size_t axis, const Dim& times) {
  const Shape from = patch.type(x).shape;
  if (times.is(1)) return x;
  Shape to = from;
  to[axis] = to[axis] * times;
  if (from[axis].is(1)) return expand(patch, x, to);
  const auto at = static_cast<ptrdiff_t>(axis);
  Shape split{element_count({from.begin(), from.begin() + at}), Dim(1),
              element_count({from.begin() + at, from.end()})};
  TN_ASSIGN(ValueId rows, reshape(patch, x, split));
  split[1] = times;
  TN_ASSIGN(rows, expand(patch, rows, split));
  return reshape(patch, rows, to);
}

Status tile(OnnxNode& node, const std::vector<Dim>& repeats) {
  ValueId out = node.input(0);
  if (repeats.size() != node.rank(0))
    return fail(Code::invalid_model, "Tile: {} repeats of {}", repeats.size(), print(node.type(0)));
  // From the last axis on, while the tensor is small.
  for (size_t d = repeats.size(); d-- > 0;) {
    if (repeats[d].is_constant() && repeats[d].value() < 0)
      return fail(Code::invalid_model, "Tile: dim {} is to be repeated {} times", d, repeats[d].value());
    TN_ASSIGN(out, repeat(node.build(), out, d, repeats[d]));
  }
  node.output(0, out);
  return {};
}

// Op set 1: one axis and one count, as tensors.
Status onnx_tile_axis(OnnxNode& node) {
  TN_ASSIGN(std::vector<Dim> tiles, node.dims(1, "tiles"));
  TN_ASSIGN(std::vector<int64_t> axis, node.integers(2, "axis"));
  if (tiles.size() != 1 || axis.size() != 1) return fail(Code::invalid_model, "Tile: tiles and axis must be scalars");
  TN_ASSIGN(int64_t at, node.axis(axis[0], node.rank(0)));
  std::vector<Dim> repeats(node.rank(0), Dim(1));
  repeats[static_cast<size_t>(at)] = tiles[0];
  return tile(node, repeats);
}

Status onnx_tile(OnnxNode& node) {
  TN_ASSIGN(std::vector<Dim> repeats, node.dims(1, "repeats"));
  return tile(node, repeats);
}

constexpr OnnxRow kRows[] = {
    {"Expand", 8, onnx_expand}, {"ConstantOfShape", 9, onnx_constant_of_shape},
    {"Tile", 1, onnx_tile_axis}, {"Tile", 6, onnx_tile},
};

}  // namespace

const OpDef kExpand{.name = "expand", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                    .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile expand_ops{&kExpand, kRows};

}  // namespace tenon
