// slice: every step-th element between two positions. ONNX: Slice, Split.
#include "base/checked.h"
#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/slice_rules.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"starts", AttrKind::shape, true},
                               {"steps", AttrKind::integers, true},
                               {"sizes", AttrKind::shape, true}};

Content picked(const Content& content, const Shape& starts, const std::vector<int64_t>& steps, const Shape& sizes) {
  if (!content || starts.size() != 1 || !starts[0].is_constant() || !sizes[0].is_constant()) return std::nullopt;
  std::vector<Dim> out;
  for (int64_t i = 0; i < sizes[0].value(); ++i) {
    int64_t at = starts[0].value() + i * steps[0];
    if (at < 0 || at >= static_cast<int64_t>(content->size())) return std::nullopt;
    out.push_back((*content)[static_cast<size_t>(at)]);
  }
  return out;
}

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  Shape starts = view.attrs().shape("starts"), sizes = view.attrs().shape("sizes");
  std::vector<int64_t> steps = view.attrs().integers("steps");
  TN_TRY(expect_full_rank(x, starts.size(), "slice: starts"));
  TN_TRY(expect_full_rank(x, steps.size(), "slice: steps"));
  TN_TRY(expect_full_rank(x, sizes.size(), "slice: sizes"));
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (steps[d] == 0) return fail(Code::invalid_model, "slice: the step of dim {} is 0", d);
    if (sizes[d].is(0)) continue;
    Dim last = starts[d] + (sizes[d] - Dim(1)) * Dim(steps[d]);
    for (const Dim& at : {starts[d], last})
      if (at_least(Dim(-1) - at, 0) || at_least(at - x.shape[d], 0))
        return fail(Code::invalid_model, "slice: {} elements of dim {} from {} by steps of {} leave {}", sizes[d].text(), d,
                    starts[d].text(), steps[d], print(x));
  }
  Content content = picked(content_of(view, 0), starts, steps, sizes);
  return one_output({x.dtype, std::move(sizes), kLinear}, std::move(content));
}

Result<KernelCall> reference(NodeView view) {
  std::vector<int64_t> steps = view.attrs().integers("steps");
  SliceParams params;
  params.rank = static_cast<int64_t>(steps.size());
  std::copy(steps.begin(), steps.end(), params.steps);
  KernelCall call = KernelCall::with("slice.reference", params);
  set_dims(call, offsetof(SliceParams, starts), view.attrs().shape("starts"));
  return call;
}

bool is_whole(NodeView view) {
  for (const Dim& start : view.attrs().shape("starts"))
    if (!start.is(0)) return false;
  for (int64_t step : view.attrs().integers("steps"))
    if (step != 1) return false;
  return view.attrs().shape("sizes") == view.input(0).shape;
}

Result<bool> drop_whole(NodeView view, Patch& patch) {
  if (!is_whole(view)) return false;
  patch.replace(view.node().outputs[0], view.node().inputs[0]);
  return true;
}

Result<bool> merge(NodeView view, Patch& patch) {
  const Node* inner = view.graph().producer(view.node().inputs[0]);
  if (!inner || inner->op != &kSlice) return false;
  Shape starts = view.attrs().shape("starts"), first = inner->attrs.shape("starts");
  std::vector<int64_t> steps = view.attrs().integers("steps"), by = inner->attrs.integers("steps");
  for (size_t d = 0; d < steps.size(); ++d) {
    auto step = checked_mul(steps[d], by[d]);
    if (!step) return false;
    starts[d] = first[d] + starts[d] * Dim(by[d]);
    steps[d] = *step;
  }
  TN_ASSIGN(ValueId out, patch.add(kSlice, {inner->inputs[0]},
                                   {{"starts", starts}, {"steps", steps}, {"sizes", view.attrs().shape("sizes")}}));
  patch.replace(view.node().outputs[0], out);
  return true;
}

// slice(transpose(x)) is transpose(slice(x)): less is moved, and the transpose stands next to what reads it.
Result<bool> before_transpose(NodeView view, Patch& patch) {
  const ValueId moved = view.node().inputs[0];
  const Node* inner = view.graph().producer(moved);
  if (!inner || inner->op != &kTranspose || view.graph().is_output(moved)) return false;
  for (NodeId user : view.graph().users(moved))
    if (view.graph().node(user).op != &kSlice) return false;
  std::vector<int64_t> perm = inner->attrs.integers("perm"), by = view.attrs().integers("steps"), steps(by.size());
  Shape from = view.attrs().shape("starts"), to = view.attrs().shape("sizes"), starts(perm.size()), sizes(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) {
    const auto source = static_cast<size_t>(perm[d]);
    starts[source] = from[d];
    sizes[source] = to[d];
    steps[source] = by[d];
  }
  TN_ASSIGN(ValueId part, patch.add(kSlice, {inner->inputs[0]}, {{"starts", starts}, {"steps", steps}, {"sizes", sizes}}));
  TN_ASSIGN(ValueId out, transpose(patch, part, std::move(perm)));
  patch.replace(view.node().outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"slice_of_everything", drop_whole},
                           {"merge_slices", merge},
                           {"slice_before_transpose", before_transpose},
                           {"slice_before_reshape", slice_before_reshape},
                           {"slice_before_pointwise", slice_before_pointwise},
                           {"slice_before_matmul", slice_before_matmul}};

constexpr int64_t kFarEnd = INT32_MAX;  // exporters write this or more for "to the end"

// A position as ONNX writes it, brought into [low, high] of a dim: negative ones count from the end.
Result<Dim> position(Dim value, const Dim& dim, const Dim& low, const Dim& high, std::string_view what) {
  if (!dim.is_constant() && value.is_constant()) {
    if (value.value() >= kFarEnd) return high;
    if (value.value() <= -kFarEnd) return low;
  }
  if (value.is_constant() && dim.is_constant() && value.value() < 0) {
    int64_t sum = value.value() < -dim.value() ? -1 : value.value() + dim.value();
    return clamp(Dim(sum), low, high);
  }
  if (at_least(Dim(-1) - value, 0)) value = value + dim;
  else if (!at_least(value, 0))
    return fail(Code::unsupported, "Slice: {} {} of a dim of {} may be negative or not; its sign must be known", what,
                value.text(), dim.text());
  return clamp(value, low, high);
}

struct Range {
  Dim start, size;
};

Result<Range> resolve(const Dim& dim, const Dim& start, const Dim& end, int64_t step) {
  if (step == 0) return fail(Code::invalid_model, "Slice: a step is 0");
  if (step < 0 && dim.is(0)) return Range{Dim(0), Dim(0)};
  const Dim low = step > 0 ? Dim(0) : Dim(-1), high = step > 0 ? dim : dim - Dim(1);
  TN_ASSIGN(Dim first, position(start, dim, Dim(0), high, "start"));
  TN_ASSIGN(Dim last, position(end, dim, low, high, "end"));
  Dim size = step > 0 ? ceildiv(last - first, Dim(step)) : ceildiv(first - last, Dim(step == INT64_MIN ? INT64_MAX : -step));
  return Range{first, at_least(size, 0) ? size : max(size, Dim(0))};
}

Status slice_axes(OnnxNode& node, const std::vector<Dim>& begins, const std::vector<Dim>& ends,
                  const std::vector<int64_t>& axes, const std::vector<int64_t>& by) {
  if (begins.size() != ends.size() || begins.size() != axes.size() || begins.size() != by.size())
    return fail(Code::invalid_model, "Slice: {} starts, {} ends, {} axes, {} steps; there must be as many of each",
                begins.size(), ends.size(), axes.size(), by.size());
  Shape sizes = node.type(0).shape;
  Shape starts(sizes.size(), Dim(0));
  std::vector<int64_t> steps(sizes.size(), 1);
  std::vector<bool> named(sizes.size(), false);
  for (size_t i = 0; i < axes.size(); ++i) {
    TN_ASSIGN(int64_t axis, node.axis(axes[i], sizes.size()));
    const auto d = static_cast<size_t>(axis);
    if (named[d]) return fail(Code::invalid_model, "Slice: axis {} is named twice", axis);
    named[d] = true;
    TN_ASSIGN(Range range, resolve(sizes[d], begins[i], ends[i], by[i]));
    starts[d] = range.size.is(0) ? Dim(0) : range.start;
    sizes[d] = range.size;
    steps[d] = by[i];
  }
  ValueId out = node.input(0);
  if (sizes != node.type(0).shape || starts != Shape(sizes.size(), Dim(0)) ||
      steps != std::vector<int64_t>(sizes.size(), 1)) {
    TN_ASSIGN(out, node.add(kSlice, {out}, {{"starts", starts}, {"steps", steps}, {"sizes", sizes}}));
  }
  node.output(0, out);
  return {};
}

std::vector<int64_t> first_axes(size_t count) {
  std::vector<int64_t> axes(count);
  for (size_t i = 0; i < count; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

Status onnx_slice_attr(OnnxNode& node) {
  std::vector<int64_t> starts = node.attrs().integers("starts"), ends = node.attrs().integers("ends");
  std::vector<int64_t> axes = node.attrs().has("axes") ? node.attrs().integers("axes") : first_axes(starts.size());
  return slice_axes(node, {starts.begin(), starts.end()}, {ends.begin(), ends.end()}, axes,
                    std::vector<int64_t>(starts.size(), 1));
}

Status onnx_slice(OnnxNode& node) {
  TN_ASSIGN(std::vector<Dim> starts, node.dims(1, "starts"));
  TN_ASSIGN(std::vector<Dim> ends, node.dims(2, "ends"));
  std::vector<int64_t> axes = first_axes(starts.size()), steps(starts.size(), 1);
  if (node.has(3)) {
    TN_ASSIGN(axes, node.integers(3, "axes"));
  }
  if (node.has(4)) {
    TN_ASSIGN(steps, node.integers(4, "steps"));
  }
  return slice_axes(node, starts, ends, axes, steps);
}

// The sizes of the parts: given, or `count` equal ones of which (from op set 18 on) the last may be smaller.
Result<Shape> split_sizes(OnnxNode& node, const Dim& dim) {
  const size_t count = node.output_count();
  Shape sizes;
  if (node.version() < 13 && node.attrs().has("split")) {
    for (int64_t size : node.attrs().integers("split")) sizes.push_back(Dim(size));
  } else if (node.has(1)) {
    TN_ASSIGN(sizes, node.dims(1, "split"));
  } else {
    if (node.version() >= 18 && node.attrs().integer("num_outputs", static_cast<int64_t>(count)) != static_cast<int64_t>(count))
      return fail(Code::invalid_model, "Split: num_outputs is {}, the node has {} outputs",
                  node.attrs().integer("num_outputs"), count);
    const auto parts = static_cast<int64_t>(count);
    Dim part = ceildiv(dim, Dim(parts));
    if (node.version() < 18 && dim.is_constant() && dim.value() % parts != 0)
      return fail(Code::invalid_model, "Split: a dim of {} does not split into {} equal parts", dim.value(), parts);
    sizes.assign(count, part);
    sizes.back() = dim - part * Dim(parts - 1);
    if (dim.is_constant() && sizes.back().value() < 0)
      return fail(Code::invalid_model, "Split: a dim of {} does not split into {} parts of {}", dim.value(), parts,
                  part.value());
    return sizes;
  }
  if (sizes.size() != count)
    return fail(Code::invalid_model, "Split: {} sizes for {} outputs", sizes.size(), count);
  Dim sum;
  for (const Dim& size : sizes) {
    if (size.is_constant() && size.value() < 0) return fail(Code::invalid_model, "Split: a size is {}", size.value());
    sum = sum + size;
  }
  if (always_equal(sum, dim) == false)
    return fail(Code::invalid_model, "Split: the sizes {} add up to {}, the dim is {}", print(sizes), sum.text(),
                dim.text());
  return sizes;
}

Status onnx_split(OnnxNode& node) {
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  const auto d = static_cast<size_t>(axis);
  TN_ASSIGN(Shape sizes, split_sizes(node, node.type(0).shape[d]));
  Dim at;
  for (size_t i = 0; i < sizes.size(); ++i) {
    TN_ASSIGN(ValueId part, slice(node.build(), node.input(0), d, at, sizes[i]));
    node.output(i, part);
    at = at + sizes[i];
  }
  return {};
}

constexpr OnnxRow kRows[] = {{"Slice", 1, onnx_slice_attr}, {"Slice", 10, onnx_slice}, {"Split", 1, onnx_split}};

}  // namespace

const OpDef kSlice{.name = "slice", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                   .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile slice_ops{&kSlice, kRows};

}  // namespace tenon
