// pad: a border around a tensor (negative: cut off).
#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"mode", AttrKind::text, true},
                               {"begins", AttrKind::shape, true},
                               {"ends", AttrKind::shape, true}};

constexpr std::string_view kModes[] = {"constant", "reflect", "edge", "wrap"};

Result<PadMode> mode_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kModes); ++i)
    if (kModes[i] == name) return static_cast<PadMode>(i);
  return fail(Code::invalid_model, "pad: mode '{}' is none of constant, reflect, edge, wrap", name);
}

Result<Inferred> infer(NodeView view) {
  TensorType out = view.input(0);
  Shape begins = view.attrs().shape("begins"), ends = view.attrs().shape("ends");
  TN_TRY(mode_of(view.attrs().text("mode")));
  TN_TRY(expect_full_rank(out, begins.size(), "pad: begins"));
  TN_TRY(expect_full_rank(out, ends.size(), "pad: ends"));
  for (size_t d = 0; d < out.rank(); ++d) {
    out.shape[d] = out.shape[d] + begins[d] + ends[d];
    if (at_least(Dim(-1) - out.shape[d], 0))
      return fail(Code::invalid_model, "pad: {} and {} at dim {} of {} leave less than nothing", begins[d].text(),
                  ends[d].text(), d, print(view.input(0)));
  }
  if (view.has_input(1) &&
      (view.input(1).dtype != out.dtype || always_equal(element_count(view.input(1).shape), Dim(1)) == false))
    return fail(Code::invalid_model, "pad: the value is {}, it must be one element of {}", print(view.input(1)),
                name_of(out.dtype));
  out.format = kLinear;
  return one_output(std::move(out));
}

Result<KernelCall> reference(NodeView view) {
  PadParams params;
  TN_ASSIGN(params.mode, mode_of(view.attrs().text("mode")));
  params.rank = static_cast<int64_t>(view.input(0).rank());
  KernelCall call = KernelCall::with("pad.reference", params);
  set_dims(call, offsetof(PadParams, begins), view.attrs().shape("begins"));
  return call;
}

Result<bool> drop_nothing(NodeView view, Patch& patch) {
  for (const char* side : {"begins", "ends"})
    for (const Dim& width : view.attrs().shape(side))
      if (!width.is(0)) return false;
  patch.replace(view.node().outputs[0], view.node().inputs[0]);
  return true;
}

constexpr Rule kRules[] = {{"pad_by_nothing", drop_nothing}};

// x without what negative pads cut off; these become 0. What wraps around is what is left.
Result<ValueId> cut(OnnxNode& node, ValueId x, Shape& begins, Shape& ends) {
  const Shape shape = node.type(x).shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    const Dim front = max(Dim(0) - begins[d], Dim(0)), back = max(Dim(0) - ends[d], Dim(0));
    if (front.is(0) && back.is(0)) continue;
    const Dim size = shape[d] - front - back;
    if (at_least(Dim(-1) - size, 0))
      return fail(Code::invalid_model, "Pad: {} and {} cut more off dim {} of {} than there is", begins[d].text(), ends[d].text(), d,
                  print(node.type(x)));
    TN_ASSIGN(x, slice(node.build(), x, d, front, size));
    begins[d] = begins[d] + front;
    ends[d] = ends[d] + back;
  }
  return x;
}

Status pad(OnnxNode& node, const std::vector<Dim>& pads, const std::vector<int64_t>& axes, ValueId value) {
  const size_t rank = node.rank(0);
  if (pads.size() != 2 * axes.size())
    return fail(Code::invalid_model, "Pad: {} pads for {} axes; there must be two for each", pads.size(), axes.size());
  Shape begins(rank, Dim(0)), ends(rank, Dim(0));
  for (size_t i = 0; i < axes.size(); ++i) {
    TN_ASSIGN(int64_t axis, node.axis(axes[i], rank));
    begins[static_cast<size_t>(axis)] = pads[i];
    ends[static_cast<size_t>(axis)] = pads[axes.size() + i];
  }
  const std::string mode(node.attrs().text("mode", "constant"));
  ValueId x = node.input(0);
  if (mode == "wrap") {
    TN_ASSIGN(x, cut(node, x, begins, ends));
  }
  std::vector<ValueId> inputs{x};
  if (value.valid()) inputs.push_back(value);
  TN_ASSIGN(ValueId out, node.add(kPad, std::move(inputs), {{"mode", mode}, {"begins", begins}, {"ends", ends}}));
  node.output(0, out);
  return {};
}

std::vector<int64_t> all_axes(size_t rank) {
  std::vector<int64_t> axes(rank);
  for (size_t i = 0; i < rank; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

Status onnx_pad_attr(OnnxNode& node) {
  std::vector<int64_t> pads = node.attrs().integers(node.version() < 2 ? "paddings" : "pads");
  double number = node.attrs().number("value");
  ValueId value = number == 0 ? ValueId{} : node.build().scalar(node.type(0).dtype, number);
  return pad(node, {pads.begin(), pads.end()}, all_axes(node.rank(0)), value);
}

Status onnx_pad(OnnxNode& node) {
  TN_ASSIGN(std::vector<Dim> pads, node.dims(1, "pads"));
  std::vector<int64_t> axes = all_axes(node.rank(0));
  if (node.has(3)) {
    TN_ASSIGN(axes, node.integers(3, "axes"));
  }
  return pad(node, pads, axes, node.has(2) ? node.input(2) : ValueId{});
}

constexpr OnnxRow kRows[] = {{"Pad", 1, onnx_pad_attr}, {"Pad", 11, onnx_pad}};

}  // namespace

const OpDef kPad{.name = "pad", .min_inputs = 1, .max_inputs = 2, .attrs = kAttrs, .infer = infer,
                 .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile pad_ops{&kPad, kRows};

}  // namespace tenon
