// grid_sample: elements from between the places of a grid. ONNX: GridSample, DeformConv.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/window.h"
#include "sample/params.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"mode", AttrKind::text, true}, {"padding", AttrKind::text, true}, {"align_corners", AttrKind::integer}};
constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kPaddings[] = {"zeros", "border", "reflection"};

Result<int64_t> place_of(std::string_view name, std::string_view attribute, std::span<const std::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<int64_t>(i);
  return fail(Code::invalid_model, "attribute {} must be {}, {} or {}, it is '{}'", attribute, names[0], names[1], names[2],
              name);
}

Result<GridSampleParams> params_of(const Attrs& attrs) {
  TN_ASSIGN(int64_t mode, place_of(attrs.text("mode"), "mode", kModes));
  TN_ASSIGN(int64_t padding, place_of(attrs.text("padding"), "padding", kPaddings));
  return GridSampleParams{static_cast<SampleMode>(mode), static_cast<SamplePadding>(padding),
                          attrs.integer("align_corners") != 0};
}

Result<Inferred> infer(NodeView view) {
  const TensorType &x = view.input(0), &grid = view.input(1);
  TN_ASSIGN(GridSampleParams params, params_of(view.attrs()));
  const bool moves = params.mode == SampleMode::nearest;
  if (size_of(x.dtype) == 0 || (!moves && (!is_float(x.dtype) || is_only_stored(x.dtype))))
    return fail(Code::unsupported, "elements of {} are not interpolated; floats are, and others are taken with mode nearest",
                print(x));
  if (x.rank() < 3 || grid.rank() != x.rank() || !is_float(grid.dtype) || is_only_stored(grid.dtype) ||
      always_equal(grid.shape[0], x.shape[0]) == false ||
      always_equal(grid.shape.back(), Dim(static_cast<int64_t>(x.rank()) - 2)) == false)
    return fail(Code::invalid_model, "the grid must be floats [N, out…, number of spatial dims] for [N, C, spatial…]; they are {} "
                                     "and {}", print(grid), print(x));
  Shape shape = {x.shape[0], x.shape[1]};
  shape.insert(shape.end(), grid.shape.begin() + 1, grid.shape.end() - 1);
  return one_output({x.dtype, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView view) {
  TN_ASSIGN(GridSampleParams params, params_of(view.attrs()));
  return KernelCall::with("grid_sample.reference", params);
}

// From op set 20 on modes have other names.
std::string mode_of(const OnnxNode& node) {
  const std::string mode = node.attrs().text("mode", node.version() < 20 ? "bilinear" : "linear");
  if (node.version() >= 20) return mode;
  return mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode;
}

// The grid's numbers go from -1 to 1 over each dim; in elements, the last dim first.
Result<ValueId> in_elements(OnnxNode& node, ValueId grid, const Shape& spatial, bool align_corners) {
  const Shape sizes(spatial.rbegin(), spatial.rend());
  const DType type = node.type(grid).dtype, inner = type == DType::f64 ? DType::f64 : DType::f32;
  TN_ASSIGN(grid, cast(node, grid, inner));
  TN_ASSIGN(ValueId size, node.add(kShapeValue, {}, {{"values", sizes}}));
  TN_ASSIGN(size, cast(node, size, inner));
  return add_formula(node, align_corners ? "mul(mul(add(x0, 1), 0.5), sub(x1, 1))" : "mul(sub(mul(add(x0, 1), x1), 1), 0.5)",
                     {grid, size});
}

Status expand_grid_sample(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const TensorType x = node.type(0);
  if (x.rank() < 3 || !is_float(node.type(1).dtype))
    return fail(Code::invalid_model, "GridSample takes [N, C, spatial…] and a grid of floats; they are {} and {}", print(x),
                print(node.type(1)));
  const int64_t align_corners = node.attrs().integer("align_corners") != 0;
  TN_ASSIGN(ValueId grid, in_elements(node, node.input(1), {x.shape.begin() + 2, x.shape.end()}, align_corners != 0));
  TN_ASSIGN(ValueId y, node.add(kGridSample, {node.input(0), grid},
                                {{"mode", mode_of(node)},
                                 {"padding", node.attrs().text("padding_mode", "zeros")},
                                 {"align_corners", align_corners}}));
  node.output(0, y);
  return {};
}

// ---- DeformConv: elements taken where the kernel's points are moved to, then a product with the weights.

struct Deformed {
  int64_t group, offset_group;
  Dim points;                      // of the kernel
  Shape kernel, out;               // spatial dims
  std::vector<int64_t> strides, dilations, pads;
};

Result<Deformed> read_deformed(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  const TensorType &x = node.type(0), &w = node.type(1), &offset = node.type(2);
  Deformed out;
  out.group = node.attrs().integer("group", 1);
  out.offset_group = node.attrs().integer("offset_group", 1);
  if (x.rank() < 3 || w.rank() != x.rank() || offset.rank() != x.rank() || out.group < 1 || out.offset_group < 1)
    return fail(Code::invalid_model, "DeformConv: x {}, w {} and offset {} must have the same number of dims, 3 or more, and "
                                     "group {} and offset_group {} must be above 0", print(x), print(w), print(offset),
                out.group, out.offset_group);
  const size_t spatial = x.rank() - 2;
  constexpr size_t kMostSpatial = 3;  // kernel and output dims of the offsets are split
  if (spatial > kMostSpatial)
    return fail(Code::unsupported, "DeformConv with {} spatial dims is not supported; up to {} are", spatial, kMostSpatial);
  out.kernel.assign(w.shape.begin() + 2, w.shape.end());
  out.points = element_count(out.kernel);
  const std::vector<int64_t> declared = node.attrs().integers("kernel_shape");
  for (size_t i = 0; i < declared.size(); ++i)
    if (declared.size() != spatial || always_equal(out.kernel[i], Dim(declared[i])) == false)
      return fail(Code::invalid_model, "kernel_shape does not agree with w {}", print(w));
  TN_ASSIGN(out.strides, onnx_steps(node.attrs(), "strides", spatial, 1));
  TN_ASSIGN(out.dilations, onnx_steps(node.attrs(), "dilations", spatial, 1));
  out.pads = node.attrs().integers("pads");
  if (out.pads.empty()) out.pads.resize(2 * spatial);
  if (out.pads.size() != 2 * spatial) return fail(Code::invalid_model, "pads must have {} entries", 2 * spatial);
  for (size_t i = 0; i < spatial; ++i) {
    if (out.strides[i] < 1 || out.dilations[i] < 1) return fail(Code::invalid_model, "strides and dilations must be at least 1");
    for (int64_t pad : {out.pads[i], out.pads[spatial + i]})
      if (pad < INT32_MIN || pad > INT32_MAX) return fail(Code::invalid_model, "pads holds {}, beyond {} to {}", pad, INT32_MIN, INT32_MAX);
    out.out.push_back(floordiv(x.shape[2 + i] + Dim(out.pads[i] + out.pads[spatial + i]) -
                                   window_extent(out.kernel[i], out.dilations[i]), Dim(out.strides[i])) + Dim(1));
    if (always_equal(out.out[i], offset.shape[2 + i]) == false)
      return fail(Code::invalid_model, "spatial dim {} of the offsets {} must be {}", i, print(offset), out.out[i].text());
  }
  const Dim moved = out.points * Dim(out.offset_group) * Dim(static_cast<int64_t>(spatial));
  if (always_equal(offset.shape[1], moved) == false || !x.shape[1].is_constant() || !w.shape[0].is_constant() ||
      x.shape[1].value() % out.offset_group != 0 || w.shape[0].value() % out.group != 0 ||
      always_equal(w.shape[1] * Dim(out.group), x.shape[1]) == false)
    return fail(Code::invalid_model, "DeformConv: x {}, w {} and offset {} do not fit with group {} and offset_group {}", print(x),
                print(w), print(offset), out.group, out.offset_group);
  return out;
}

// Where each point of the kernel goes at each place of the output: [N * offset groups, points, out…, spatial], the last
// spatial dim first.
Result<ValueId> moved_points(OnnxNode& node, const Deformed& d, const Dim& batches) {
  const size_t spatial = d.kernel.size(), rank = 2 * spatial + 1;  // [batches, kernel…, out…]
  Shape split = {batches};
  split.insert(split.end(), d.kernel.begin(), d.kernel.end());
  split.push_back(Dim(static_cast<int64_t>(spatial)));
  split.insert(split.end(), d.out.begin(), d.out.end());
  TN_ASSIGN(ValueId offset, reshape(node.build(), node.input(2), split));
  std::vector<ValueId> coordinates;
  for (size_t i = spatial; i-- > 0;) {
    TN_ASSIGN(ValueId by, slice(node.build(), offset, 1 + spatial, Dim(static_cast<int64_t>(i)), Dim(1)));
    Shape without = split;
    without.erase(without.begin() + static_cast<ptrdiff_t>(1 + spatial));
    TN_ASSIGN(by, reshape(node.build(), by, without));
    TN_ASSIGN(by, cast(node, by, node.type(2).dtype == DType::f64 ? DType::f64 : DType::f32));
    TN_ASSIGN(ValueId point, positions(node, d.kernel[i], 1 + i, rank));
    TN_ASSIGN(ValueId place, positions(node, d.out[i], 1 + spatial + i, rank));
    const std::string text = fmt::format("add(cast(sub(add(mul(x1, {}), mul(x2, {})), {})):{}, x0)", d.dilations[i],
                                         d.strides[i], d.pads[i], name_of(node.type(by).dtype));
    TN_ASSIGN(ValueId at, add_formula(node, text, {by, point, place}));
    Shape flat = {batches, d.points};
    flat.insert(flat.end(), d.out.begin(), d.out.end());
    flat.push_back(Dim(1));
    TN_ASSIGN(at, reshape(node.build(), at, flat));
    coordinates.push_back(at);
  }
  return concat(node, std::move(coordinates), static_cast<int64_t>(spatial) + 2);
}

Status expand_deform_conv(OnnxNode& node) {
  TN_ASSIGN(Deformed d, read_deformed(node));
  const Shape x = node.type(0).shape, w = node.type(1).shape;
  const Dim batches = x[0] * Dim(d.offset_group), places = element_count(d.out);
  Shape parts = {batches, Dim(x[1].value() / d.offset_group)};
  parts.insert(parts.end(), x.begin() + 2, x.end());
  TN_ASSIGN(ValueId image, reshape(node.build(), node.input(0), parts));
  TN_ASSIGN(ValueId grid, moved_points(node, d, batches));
  Shape merged = {batches, d.points * d.out[0]};
  merged.insert(merged.end(), d.out.begin() + 1, d.out.end());
  merged.push_back(Dim(static_cast<int64_t>(d.out.size())));
  TN_ASSIGN(grid, reshape(node.build(), grid, merged));
  TN_ASSIGN(ValueId columns, node.add(kGridSample, {image, grid},
                                      {{"mode", std::string("linear")}, {"padding", std::string("zeros")},
                                       {"align_corners", int64_t{1}}}));
  if (node.has(4)) {
    TN_ASSIGN(columns, reshape(node.build(), columns, {batches, parts[1], d.points, places}));
    TN_ASSIGN(ValueId mask, reshape(node.build(), node.input(4), {batches, Dim(1), d.points, places}));
    TN_ASSIGN(columns, add_formula(node, "mul(x0, x1)", {columns, mask}));
  }
  const Dim groups(d.group), inner = w[1] * d.points;
  TN_ASSIGN(columns, reshape(node.build(), columns, {x[0], groups, inner, places}));
  TN_ASSIGN(ValueId weights, reshape(node.build(), node.input(1), {groups, Dim(w[0].value() / d.group), inner}));
  TN_ASSIGN(ValueId y, node.add(kMatmul, {weights, columns}));
  Shape shape = {x[0], w[0]};
  shape.insert(shape.end(), d.out.begin(), d.out.end());
  TN_ASSIGN(y, reshape(node.build(), y, shape));
  if (node.has(3)) {
    TN_ASSIGN(ValueId bias, along(node, node.input(3), 1, shape.size()));
    TN_ASSIGN(y, add_formula(node, "add(x0, x1)", {y, bias}));
  }
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"GridSample", 16, expand_grid_sample}, {"DeformConv", 19, expand_deform_conv}};

}  // namespace

const OpDef kGridSample{.name = "grid_sample", .min_inputs = 2, .max_inputs = 2, .attrs = kAttrs, .infer = infer,
                        .reference = reference};
const OpFile grid_sample_ops{&kGridSample, kRows};

}  // namespace tenon
