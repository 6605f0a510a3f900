// reshape: the same elements under other dims. ONNX: Reshape, Flatten, Squeeze, Unsqueeze.
#include <algorithm>

#include "base/limits.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"shape", AttrKind::shape, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  Shape shape = view.attrs().shape("shape");
  if (always_equal(element_count(x.shape), element_count(shape)) == false)
    return fail(Code::invalid_model, "{} cannot be reshaped to {}: it has {} elements, not {}", print(x), print(shape),
                element_count(x.shape).text(), element_count(shape).text());
  Content content = content_of(view, 0);
  if (shape.size() > 1) content.reset();
  return one_output({x.dtype, std::move(shape), x.format}, std::move(content));
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("copy.linear"); }

Result<bool> drop_same(NodeView view, Patch& patch) {
  if (view.input(0).shape != view.attrs().shape("shape")) return false;
  patch.replace(view.node().outputs[0], view.node().inputs[0]);
  return true;
}

Result<bool> merge(NodeView view, Patch& patch) {
  const Node* inner = view.graph().producer(view.node().inputs[0]);
  if (!inner || inner->op != &kReshape) return false;
  TN_ASSIGN(ValueId merged, reshape(patch, inner->inputs[0], view.attrs().shape("shape")));
  patch.replace(view.node().outputs[0], merged);
  return true;
}

// A reshape that only drops dims of 1 goes before a transpose, which then stands next to what reads it.
Result<bool> before_transpose(NodeView view, Patch& patch) {
  const ValueId moved = view.node().inputs[0];
  const Node* inner = view.graph().producer(moved);
  if (!inner || inner->op != &kTranspose || view.graph().is_output(moved) || view.graph().users(moved).size() != 1)
    return false;
  const Shape before = view.input(0).shape, after = view.attrs().shape("shape");
  const std::vector<int64_t> perm = inner->attrs.integers("perm");
  std::vector<bool> kept(before.size(), true);  // of the transpose's input
  size_t next = 0;
  for (size_t d = 0; d < before.size(); ++d) {
    if (next < after.size() && before[d] == after[next]) ++next;
    else if (before[d].is(1)) kept[static_cast<size_t>(perm[d])] = false;
    else return false;
  }
  if (next != after.size() || after.size() == before.size()) return false;
  std::vector<int64_t> number(before.size(), 0), order;
  Shape shape;
  const Shape source = view.graph().value(inner->inputs[0]).type.shape;
  for (size_t d = 0; d < source.size(); ++d) {
    number[d] = static_cast<int64_t>(shape.size());
    if (kept[d]) shape.push_back(source[d]);
  }
  for (int64_t p : perm)
    if (kept[static_cast<size_t>(p)]) order.push_back(number[static_cast<size_t>(p)]);
  TN_ASSIGN(ValueId dropped, reshape(patch, inner->inputs[0], std::move(shape)));
  TN_ASSIGN(ValueId out, transpose(patch, dropped, std::move(order)));
  patch.replace(view.node().outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"reshape_to_same_shape", drop_same},
                           {"merge_reshapes", merge},
                           {"drop_dims_before_transpose", before_transpose}};

// The dims that ONNX's shape operand asks for: 0 keeps a dim (unless allowzero), one -1 takes what is left.
Result<Shape> resolve(const Shape& x, std::vector<Dim> wanted, bool allow_zero) {
  std::optional<size_t> free;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].is(-1)) {
      if (free) return fail(Code::invalid_model, "Reshape: the shape {} has more than one -1", print(wanted));
      free = i;
    } else if (wanted[i].is(0) && !allow_zero) {
      if (i >= x.size())
        return fail(Code::invalid_model, "Reshape: entry {} of shape {} is 0, the input {} has no dim {}", i,
                    print(wanted), print(x), i);
      wanted[i] = x[i];
    } else if (wanted[i].is_constant() && wanted[i].value() < 0) {
      return fail(Code::invalid_model, "Reshape: entry {} of shape {} is negative", i, print(wanted));
    }
  }
  if (!free) return wanted;
  Shape rest = wanted;
  rest.erase(rest.begin() + static_cast<ptrdiff_t>(*free));
  if (element_count(rest).is(0))
    return fail(Code::invalid_model, "Reshape: the -1 of shape {} cannot be found: the other dims are 0", print(wanted));
  wanted[*free] = quotient(x, rest);
  return wanted;
}

Status finish(OnnxNode& node, Shape shape) {
  TN_ASSIGN(ValueId out, reshape(node.build(), node.input(0), std::move(shape)));
  node.output(0, out);
  return {};
}

Status onnx_reshape_attr(OnnxNode& node) {
  std::vector<int64_t> wanted = node.attrs().integers("shape");
  TN_ASSIGN(Shape shape, resolve(node.type(0).shape, {wanted.begin(), wanted.end()}, false));
  return finish(node, std::move(shape));
}

Status onnx_reshape(OnnxNode& node) {
  TN_ASSIGN(std::vector<Dim> wanted, node.dims(1, "shape"));
  TN_ASSIGN(Shape shape, resolve(node.type(0).shape, std::move(wanted), node.attrs().integer("allowzero") != 0));
  return finish(node, std::move(shape));
}

Status onnx_flatten(OnnxNode& node) {
  const Shape& x = node.type(0).shape;
  int64_t axis = node.attrs().integer("axis", 1), rank = static_cast<int64_t>(x.size());
  if (axis < -rank || axis > rank)
    return fail(Code::invalid_model, "Flatten: axis {} is outside [{}, {}]", axis, -rank, rank);
  auto split = x.begin() + (axis < 0 ? axis + rank : axis);
  return finish(node, {element_count({x.begin(), split}), element_count({split, x.end()})});
}

// Whether a dim is to go, by the axes operand or attribute; without one, dims of 1 go. A rank does not depend on the run: dims
// that are not known to be 1 stay, which the build report says.
Result<std::vector<bool>> squeezed(OnnxNode& node) {
  const Shape& x = node.type(0).shape;
  std::vector<bool> out(x.size(), false);
  const bool given = node.version() >= 13 ? node.has(1) : node.attrs().has("axes");
  if (!given) {
    for (size_t d = 0; d < x.size(); ++d) {
      out[d] = x[d].is(1);
      if (!x[d].is_constant())
        node.note(fmt::format("squeeze dim {}", d), fmt::format("{} is not known to be 1, and the node names no axes: it stays", x[d].text()));
    }
    return out;
  }
  std::vector<int64_t> axes = node.attrs().integers("axes");
  if (node.version() >= 13) {
    TN_ASSIGN(axes, node.integers(1, "axes"));
  }
  for (int64_t value : axes) {
    TN_ASSIGN(int64_t axis, node.axis(value, x.size()));
    out[static_cast<size_t>(axis)] = true;
  }
  return out;
}

Status onnx_squeeze(OnnxNode& node) {
  const Shape& x = node.type(0).shape;
  TN_ASSIGN(std::vector<bool> gone, squeezed(node));
  Shape shape;
  for (size_t d = 0; d < x.size(); ++d) {
    if (!gone[d]) shape.push_back(x[d]);
    else if (x[d].is_constant() && !x[d].is(1))
      return fail(Code::invalid_model, "Squeeze: dim {} of {} is not 1", d, print(x));
  }
  return finish(node, std::move(shape));
}

Status onnx_unsqueeze(OnnxNode& node) {
  Shape shape = node.type(0).shape;
  std::vector<int64_t> named = node.attrs().integers("axes");
  if (node.version() >= 13) {
    TN_ASSIGN(named, node.integers(1, "axes"));
  }
  if (shape.size() + named.size() > kMaxRank)
    return fail(Code::unsupported, "Unsqueeze: {} dims and {} more are above the limit of {}", shape.size(),
                named.size(), kMaxRank);
  std::vector<size_t> axes;
  for (int64_t value : named) {
    TN_ASSIGN(int64_t axis, node.axis(value, shape.size() + named.size()));
    axes.push_back(static_cast<size_t>(axis));
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return fail(Code::invalid_model, "Unsqueeze: an axis is named twice");
  for (size_t axis : axes) shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), Dim(1));
  return finish(node, std::move(shape));
}

constexpr OnnxRow kRows[] = {
    {"Reshape", 1, onnx_reshape_attr}, {"Reshape", 5, onnx_reshape},       {"Flatten", 1, onnx_flatten},
    {"Squeeze", 1, onnx_squeeze},      {"Unsqueeze", 1, onnx_unsqueeze},
};

}  // namespace

const OpDef kReshape{.name = "reshape", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                     .reference = reference, .rules = kRules, .is_view = true, .takes_texts = true};
const OpFile reshape_ops{&kReshape, kRows};

}  // namespace tenon
