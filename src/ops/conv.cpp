// conv and conv_transpose, and the ONNX operators Conv, ConvTranspose, ConvInteger and QLinearConv.
#include "ops/conv.h"

#include <cstddef>

#include "ops/composite/parts.h"
#include "ops/composite/quantize.h"
#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/window.h"

namespace tenon {
namespace {

Status check_operands(NodeView view) {
  const TensorType &x = view.input(0), &w = view.input(1);
  const bool number = is_integer(x.dtype) || x.dtype == DType::f32 || x.dtype == DType::f64 ||
                      x.dtype == DType::f16 || x.dtype == DType::bf16;
  if (!number || x.dtype != w.dtype || (view.has_input(2) && view.input(2).dtype != x.dtype))
    return fail(Code::invalid_model, "x, w and bias must have one number type, x is {}, w {}", print(x),
                print(w));
  if (x.rank() < 3 || x.rank() > 2 + kMaxSpatial || w.rank() != x.rank())
    return fail(Code::invalid_model, "x must have 3 to {} dims and w as many, they are {} and {}",
                2 + kMaxSpatial, print(x), print(w));
  const int64_t group = view.attrs().integer("group", 1);
  if (group < 1) return fail(Code::invalid_model, "group must be at least 1, it is {}", group);
  return {};
}

Status check_bias(NodeView view, const Dim& channels) {
  if (!view.has_input(2)) return {};
  const TensorType& bias = view.input(2);
  if (bias.rank() == 1 && always_equal(bias.shape[0], channels) != false) return {};
  return fail(Code::invalid_model, "bias must have dims [{}], it is {}", channels.text(), print(bias));
}

Status expect_dim(const Dim& found, const Dim& wanted, std::string_view what) {
  if (always_equal(found, wanted) != false) return {};
  return fail(Code::invalid_model, "{} must be {}, it is {}", what, wanted.text(), found.text());
}

Result<Inferred> infer_conv(NodeView view) {
  TN_TRY(check_operands(view));
  TN_ASSIGN(WindowAttrs window, window_attrs(view.attrs(), view.input(0).rank() - 2));
  TN_ASSIGN(TensorType out, conv_result(view.input(0), view.input(1), view.attrs().integer("group", 1), window));
  TN_TRY(check_bias(view, out.shape[1]));
  TN_ASSIGN(out, apply_epilogue(view, 3, std::move(out)));
  return Inferred{{std::move(out)}, {}};
}

Result<Inferred> infer_transpose(NodeView view) {
  TN_TRY(check_operands(view));
  const TensorType &x = view.input(0), &w = view.input(1);
  const size_t spatial = x.rank() - 2;
  TN_ASSIGN(WindowAttrs window, window_attrs(view.attrs(), spatial, true));
  TN_TRY(expect_dim(w.shape[0], x.shape[1], "w's first dim"));
  const Dim channels = w.shape[1] * Dim(view.attrs().integer("group", 1));
  TN_TRY(check_bias(view, channels));
  std::vector<int64_t> extra = view.attrs().integers("output_padding");
  if (extra.empty()) extra.assign(spatial, 0);
  if (extra.size() != spatial)
    return fail(Code::invalid_model, "output_padding must have {} entries", spatial);
  TensorType out{x.dtype, {x.shape[0], channels}, {}};
  for (size_t i = 0; i < spatial; ++i) {
    const Dim d = Dim(window.strides[i]) * (x.shape[2 + i] - Dim(1)) + Dim(extra[i]) +
                  window_extent(w.shape[2 + i], window.dilations[i]) - window.pads_begin[i] -
                  window.pads_end[i];
    if (extra[i] < 0 || (d.is_constant() && d.value() < 0))
      return fail(Code::invalid_model, "spatial dim {} of the result would be {}", i, d.text());
    out.shape.push_back(d);
  }
  TN_ASSIGN(out, apply_epilogue(view, 3, std::move(out)));
  return Inferred{{std::move(out)}, {}};
}

Result<KernelCall> reference(NodeView view, const char* kernel) {
  std::vector<KernelCall::DimParam> dims;
  TN_ASSIGN(ConvParams params, conv_params(view, dims));
  KernelCall call = KernelCall::with(kernel, params);
  call.dims = std::move(dims);
  return call;
}

Result<KernelCall> conv_reference(NodeView view) { return reference(view, "conv.reference"); }
Result<KernelCall> transpose_reference(NodeView view) { return reference(view, "conv_transpose.reference"); }

// Each element of the output, of a transposed convolution's input, meets the weights of one filter.
Dim products(const TensorType& each, const TensorType& w) {
  return element_count(each.shape) * element_count({w.shape.begin() + 1, w.shape.end()});
}
Dim conv_multiply_adds(NodeView view) { return products(view.output(0), view.input(1)); }
Dim transpose_multiply_adds(NodeView view) { return products(view.input(0), view.input(1)); }

constexpr AttrSpec kAttrs[] = {
    {"strides", AttrKind::integers}, {"dilations", AttrKind::integers},      {"pads", AttrKind::shape},
    {"group", AttrKind::integer},    {"output_padding", AttrKind::integers}, {"epilogue", AttrKind::program}};
constexpr std::span<const AttrSpec> kTransposeAttrs = kAttrs;

// --- ONNX ---

struct OnnxConv {
  size_t spatial = 0;
  std::vector<Dim> in, kernel;
  std::vector<int64_t> strides, dilations;
};

// Of a node whose weights are input `weights`.
Result<OnnxConv> read_conv(OnnxNode& node, size_t weights = 1) {
  if (node.rank(0) < 3 || node.rank(weights) != node.rank(0))
    return fail(Code::invalid_model, "x must have at least 3 dims and w as many, they are {} and {}",
                print(node.type(0)), print(node.type(weights)));
  OnnxConv out;
  out.spatial = node.rank(0) - 2;
  const Shape &x = node.type(0).shape, &w = node.type(weights).shape;
  out.in.assign(x.begin() + 2, x.end());
  out.kernel.assign(w.begin() + 2, w.end());
  const std::vector<int64_t> declared = node.attrs().integers("kernel_shape");
  for (size_t i = 0; i < declared.size(); ++i)
    if (declared.size() != out.spatial || always_equal(out.kernel[i], Dim(declared[i])) == false)
      return fail(Code::invalid_model, "kernel_shape does not agree with w {}", print(node.type(weights)));
  TN_ASSIGN(out.strides, onnx_steps(node.attrs(), "strides", out.spatial, 1));
  TN_ASSIGN(out.dilations, onnx_steps(node.attrs(), "dilations", out.spatial, 1));
  for (size_t i = 0; i < out.spatial; ++i)
    if (out.strides[i] < 1 || out.dilations[i] < 1)
      return fail(Code::invalid_model, "strides and dilations must be at least 1");
  return out;
}

Attrs core_attrs(const OnnxNode& node, const OnnxConv& conv, Shape pads) {
  return {{"strides", conv.strides},
          {"dilations", conv.dilations},
          {"pads", std::move(pads)},
          {"group", node.attrs().integer("group", 1)}};
}

Status expand_conv(OnnxNode& node) {
  TN_ASSIGN(OnnxConv conv, read_conv(node));
  TN_ASSIGN(Shape pads, onnx_pads(node.attrs(), conv.in, conv.kernel, conv.strides, conv.dilations));
  std::vector<ValueId> inputs = {node.input(0), node.input(1)};
  if (node.has(2)) inputs.push_back(node.input(2));
  TN_ASSIGN(ValueId out, node.add(kConv, std::move(inputs), core_attrs(node, conv, std::move(pads))));
  node.output(0, out);
  return {};
}

// Where the output's dims are given (output_shape, or SAME: input * stride), the pads follow from them.
Result<Shape> transpose_pads(OnnxNode& node, const OnnxConv& conv, std::span<const int64_t> output_padding) {
  const std::string mode = node.attrs().text("auto_pad", "NOTSET");
  std::vector<int64_t> wanted = node.attrs().integers("output_shape");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (wanted.empty() && !same)
    return onnx_pads(node.attrs(), conv.in, conv.kernel, conv.strides, conv.dilations);
  if (wanted.size() > conv.spatial)
    wanted.erase(wanted.begin(), wanted.end() - static_cast<ptrdiff_t>(conv.spatial));
  if (!wanted.empty() && wanted.size() != conv.spatial)
    return fail(Code::invalid_model, "output_shape must have {} entries", conv.spatial);
  Shape pads(2 * conv.spatial, Dim(0));
  for (size_t i = 0; i < conv.spatial; ++i) {
    const Dim stride(conv.strides[i]);
    const Dim out = wanted.empty() ? conv.in[i] * stride : Dim(wanted[i]);
    const Dim total = stride * (conv.in[i] - Dim(1)) + Dim(output_padding[i]) +
                      window_extent(conv.kernel[i], conv.dilations[i]) - out;
    const Dim positive = max(total, Dim(0)), half = floordiv(positive, Dim(2));
    pads[i] = mode == "SAME_UPPER" ? half : positive - half;
    pads[conv.spatial + i] = total - pads[i];
  }
  return pads;
}

Status expand_transpose(OnnxNode& node) {
  TN_ASSIGN(OnnxConv conv, read_conv(node));
  TN_ASSIGN(std::vector<int64_t> output_padding, onnx_steps(node.attrs(), "output_padding", conv.spatial, 0));
  TN_ASSIGN(Shape pads, transpose_pads(node, conv, output_padding));
  std::vector<ValueId> inputs = {node.input(0), node.input(1)};
  if (node.has(2)) inputs.push_back(node.input(2));
  Attrs attrs = core_attrs(node, conv, std::move(pads));
  attrs.set("output_padding", output_padding);
  TN_ASSIGN(ValueId out, node.add(kConvTranspose, std::move(inputs), std::move(attrs)));
  node.output(0, out);
  return {};
}

// A scalar, or a vector of one number per filter, so that it broadcasts with filters along `axis`.
Result<ValueId> along_filters(OnnxNode& node, size_t i, size_t axis) {
  if (element_count(node.type(i).shape).is(1)) return reshape(node.build(), node.input(i), {});
  if (node.rank(i) == 1) return along(node, node.input(i), axis, node.rank(0));
  return fail(Code::invalid_model, "input {} must be a scalar or [filters], it is {}", i, print(node.type(i)));
}

// The inputs of a convolution of 8-bit integers: x and w with their zero points.
struct IntegerConv {
  size_t x, zero_x, w, zero_w;
};

// (x - its zero point) * (w - its zero point), exact in i32; what is padded is 0 after the subtraction.
Result<ValueId> integer_conv(OnnxNode& node, const IntegerConv& at, ValueId bias = {}) {
  TN_ASSIGN(OnnxConv conv, read_conv(node, at.w));
  TN_ASSIGN(Shape pads, onnx_pads(node.attrs(), conv.in, conv.kernel, conv.strides, conv.dilations));
  ValueId zero_x, zero_w;
  if (node.has(at.zero_x)) {
    TN_ASSIGN(zero_x, reshape(node.build(), node.input(at.zero_x), {}));
  }
  if (node.has(at.zero_w)) {
    TN_ASSIGN(zero_w, along_filters(node, at.zero_w, 0));
  }
  TN_ASSIGN(ValueId x, centred(node, node.input(at.x), zero_x));
  TN_ASSIGN(ValueId w, centred(node, node.input(at.w), zero_w));
  std::vector<ValueId> inputs = {x, w};
  if (bias.valid()) inputs.push_back(bias);
  return node.add(kConv, std::move(inputs), core_attrs(node, conv, std::move(pads)));
}

Status expand_conv_integer(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId out, integer_conv(node, {0, 2, 1, 3}));
  node.output(0, out);
  return {};
}

// The bias has the scale of x times w, so that it is added to the integers.
Status expand_qlinear_conv(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 8));
  TN_ASSIGN(ValueId sum, integer_conv(node, {0, 2, 3, 5}, node.input(8)));
  TN_ASSIGN(ValueId scale_x, reshape(node.build(), node.input(1), {}));
  TN_ASSIGN(ValueId scale_w, along_filters(node, 4, 1));
  TN_ASSIGN(ValueId scale_y, reshape(node.build(), node.input(6), {}));
  TN_ASSIGN(ValueId zero_y, reshape(node.build(), node.input(7), {}));
  TN_ASSIGN(ValueId y, quantized(node, "mul(cast(x0):f32, div(mul(x1, x2), x3))", {sum, scale_x, scale_w, scale_y}, zero_y,
                                 node.type(7).dtype));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kConvRows[] = {
    {"Conv", 1, expand_conv}, {"ConvInteger", 10, expand_conv_integer}, {"QLinearConv", 10, expand_qlinear_conv}};
constexpr OnnxRow kTransposeRows[] = {{"ConvTranspose", 1, expand_transpose}};

}  // namespace

Result<TensorType> conv_result(const TensorType& x, const TensorType& w, int64_t group, const WindowAttrs& window) {
  TN_TRY(expect_dim(x.shape[1], w.shape[1] * Dim(group), "x's channels (group * w's second dim)"));
  if (w.shape[0].is_constant() && w.shape[0].value() % group != 0)
    return fail(Code::invalid_model, "w {} has a first dim that is not a multiple of {} groups", print(w), group);
  TensorType out{x.dtype, {x.shape[0], w.shape[0]}, {}};
  for (size_t i = 0; i + 2 < x.rank(); ++i) {
    const Dim room =
        x.shape[2 + i] + window.pads_begin[i] + window.pads_end[i] - window_extent(w.shape[2 + i], window.dilations[i]);
    if (room.is_constant() && room.value() < 0)
      return fail(Code::invalid_model, "spatial dim {} of x {} is smaller than the window of w {}", i, print(x), print(w));
    out.shape.push_back(floordiv(room, Dim(window.strides[i])) + Dim(1));
  }
  return out;
}

Result<ConvParams> conv_params(NodeView view, std::vector<KernelCall::DimParam>& dims) {
  const size_t spatial = view.input(0).rank() - 2;
  TN_ASSIGN(WindowAttrs window, window_attrs(view.attrs(), spatial, true));
  ConvParams params;
  write_window(window,
               {params.strides, params.dilations, params.pads_begin, params.pads_end,
                offsetof(ConvParams, pads_begin), offsetof(ConvParams, pads_end)},
               dims);
  const std::vector<int64_t> extra = view.attrs().integers("output_padding");
  for (size_t i = 0; i < extra.size() && i < spatial; ++i) params.output_padding[i] = extra[i];
  params.group = view.attrs().integer("group", 1);
  params.epilogue = view.attrs().program("epilogue");
  return params;
}

const OpDef kConv{.name = "conv",
                  .min_inputs = 2,
                  .max_inputs = 2 + kMaxProgramInputs,
                  .attrs = std::span(kAttrs),
                  .infer = infer_conv,
                  .reference = conv_reference,
                  .multiply_adds = conv_multiply_adds};
const OpDef kConvTranspose{.name = "conv_transpose",
                           .min_inputs = 2,
                           .max_inputs = 2 + kMaxProgramInputs,
                           .attrs = kTransposeAttrs,
                           .infer = infer_transpose,
                           .reference = transpose_reference,
                           .multiply_adds = transpose_multiply_adds};

extern const OpFile conv_ops{&kConv, kConvRows};
extern const OpFile conv_transpose_ops{&kConvTranspose, kTransposeRows};

}  // namespace tenon
