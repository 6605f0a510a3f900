// resize: a tensor at another size, interpolated. ONNX: Resize, Upsample.
#include "resize/params.h"

#include <cmath>

#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"sizes", AttrKind::shape, true},       {"scales", AttrKind::numbers},
    {"mode", AttrKind::text, true},         {"coordinate_mode", AttrKind::text},
    {"nearest_mode", AttrKind::text},       {"cubic_coeff_a", AttrKind::number},
    {"exclude_outside", AttrKind::integer}, {"extrapolation_value", AttrKind::number},
    {"roi", AttrKind::numbers},             {"antialias", AttrKind::integer},
};

constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kCoordinates[] = {"half_pixel",         "pytorch_half_pixel",   "align_corners", "asymmetric",
                                             "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
constexpr std::string_view kNearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

template <class E>
Result<E> named(std::span<const std::string_view> names, std::string_view name, std::string_view what) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<E>(i);
    list += (i ? ", " : "") + std::string(names[i]);
  }
  return fail(Code::invalid_model, "resize: {} '{}' is none of {}", what, name, list);
}

Result<ResizeParams> params_of(NodeView view) {
  const Attrs& attrs = view.attrs();
  const size_t rank = view.input(0).rank();
  ResizeParams params;
  params.rank = static_cast<int64_t>(rank);
  TN_ASSIGN(params.mode, named<ResizeMode>(kModes, attrs.text("mode"), "mode"));
  TN_ASSIGN(params.coordinates, named<ResizeCoordinates>(kCoordinates, attrs.text("coordinate_mode", "half_pixel"),
                                                         "coordinate mode"));
  TN_ASSIGN(params.nearest,
            named<ResizeNearest>(kNearest, attrs.text("nearest_mode", "round_prefer_floor"), "nearest mode"));
  params.antialias = attrs.integer("antialias");
  params.exclude_outside = attrs.integer("exclude_outside");
  params.cubic_coeff_a = attrs.number("cubic_coeff_a", -0.75);
  params.extrapolation_value = attrs.number("extrapolation_value");
  auto scales = attrs.get<std::vector<double>>("scales"), roi = attrs.get<std::vector<double>>("roi");
  if (!scales.empty()) TN_TRY(expect_full_rank(view.input(0), scales.size(), "resize: scales"));
  for (size_t d = 0; d < scales.size(); ++d) {
    if (!(scales[d] >= 0) || !std::isfinite(scales[d]))
      return fail(Code::invalid_model, "resize: the scale of dim {} is {}", d, scales[d]);
    params.scales[d] = scales[d];
  }
  const bool crops = params.coordinates == ResizeCoordinates::tf_crop_and_resize;
  if (crops ? roi.size() != 2 * rank : !roi.empty() && roi.size() != 2 * rank)
    return fail(Code::invalid_model, "resize: roi has {} numbers, it needs two for each of the {} dims", roi.size(), rank);
  for (size_t i = 0; i < roi.size() && crops; ++i) params.roi[i] = roi[i];
  return params;
}

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  Shape sizes = view.attrs().shape("sizes");
  if (x.rank() > kMaxRank) return fail(Code::unsupported, "resize: {} has more than {} dims", print(x), kMaxRank);
  TN_TRY(expect_full_rank(x, sizes.size(), "resize: sizes"));
  TN_TRY(params_of(view));
  for (size_t d = 0; d < sizes.size(); ++d)
    if (at_least(Dim(-1) - sizes[d], 0))
      return fail(Code::invalid_model, "resize: the size of dim {} is {}", d, sizes[d].text());
  return one_output({x.dtype, std::move(sizes), kLinear});
}

Result<KernelCall> reference(NodeView view) {
  TN_ASSIGN(ResizeParams params, params_of(view));
  return KernelCall::with("resize.reference", params);
}

// floor(dim * scale), for a scale that is a fraction of small numbers; as float32, so that 10 * 0.7f is 7.
Result<Dim> scaled(const Dim& dim, double scale) {
  if (dim.is_constant())
    return Dim(static_cast<int64_t>(std::floor(static_cast<float>(dim.value()) * static_cast<float>(scale))));
  for (int64_t q = 1; q <= 1000; ++q) {
    const double p = std::round(scale * static_cast<double>(q));
    if (p >= 1 && static_cast<float>(p / static_cast<double>(q)) == static_cast<float>(scale))
      return floordiv(dim * Dim(static_cast<int64_t>(p)), Dim(q));
  }
  return fail(Code::unsupported, "Resize: dim {} by a scale of {}: the scale of a dynamic dim must be a fraction with a "
                                 "denominator up to 1000",
              dim.text(), scale);
}

// What the node's operands ask for, in full rank.
struct Request {
  Shape sizes;
  std::vector<double> scales, roi;
};

Result<std::vector<double>> numbers(OnnxNode& node, size_t i, std::string_view what) {
  if (!node.is_constant(i)) return fail(Code::unsupported, "Resize: {} must be constant", what);
  return use_numbers(node.graph(), node.input(i), fmt::format("{} of a resize", what));
}

bool holds_elements(OnnxNode& node, size_t i) {
  return node.has(i) && !element_count(node.type(i).shape).is(0);
}

Status by_scales(OnnxNode& node, const std::vector<size_t>& axes, const std::vector<double>& scales, Request& request) {
  if (scales.size() != axes.size())
    return fail(Code::invalid_model, "Resize: {} scales for {} axes", scales.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!(scales[i] > 0) || !(scales[i] < 1e9)) return fail(Code::invalid_model, "Resize: a scale is {}", scales[i]);
    TN_ASSIGN(request.sizes[axes[i]], scaled(node.type(0).shape[axes[i]], scales[i]));
    request.scales[axes[i]] = scales[i];
  }
  return {};
}

Status by_sizes(OnnxNode& node, const std::vector<size_t>& axes, const std::vector<Dim>& sizes, Request& request) {
  if (sizes.size() != axes.size())
    return fail(Code::invalid_model, "Resize: {} sizes for {} axes", sizes.size(), axes.size());
  const std::string policy = node.attrs().text("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") {
    for (size_t i = 0; i < axes.size(); ++i) {
      request.sizes[axes[i]] = sizes[i];
      request.scales[axes[i]] = 0;
    }
    return {};
  }
  if (policy != "not_larger" && policy != "not_smaller")
    return fail(Code::invalid_model, "Resize: keep_aspect_ratio_policy '{}' is none of stretch, not_larger, not_smaller",
                policy);
  double scale = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Dim& dim = node.type(0).shape[axes[i]];
    if (!dim.is_constant() || !sizes[i].is_constant() || dim.value() < 1)
      return fail(Code::unsupported, "Resize: keep_aspect_ratio_policy {} needs constant dims and sizes", policy);
    const double ratio = static_cast<double>(sizes[i].value()) / static_cast<double>(dim.value());
    scale = i == 0 ? ratio : policy == "not_larger" ? std::min(scale, ratio) : std::max(scale, ratio);
  }
  for (size_t axis : axes) {
    request.sizes[axis] =
        Dim(static_cast<int64_t>(scale * static_cast<double>(node.type(0).shape[axis].value()) + 0.5));
    request.scales[axis] = scale;
  }
  return {};
}

Result<std::vector<size_t>> axes_of(OnnxNode& node) {
  std::vector<size_t> axes;
  if (!node.attrs().has("axes")) {
    for (size_t d = 0; d < node.rank(0); ++d) axes.push_back(d);
    return axes;
  }
  for (int64_t value : node.attrs().integers("axes")) {
    TN_ASSIGN(int64_t axis, node.axis(value, node.rank(0)));
    axes.push_back(static_cast<size_t>(axis));
  }
  return axes;
}

Status finish(OnnxNode& node, const Request& request, std::string coordinate_mode) {
  const Attrs& given = node.attrs();
  std::string mode = given.text("mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  // Before op set 11 the nearest element is the one below, or above where the tensor shrinks; later ones say.
  auto shrinks = [](double scale) { return scale < 1; };
  const bool early = node.version() < 11, down = std::any_of(request.scales.begin(), request.scales.end(), shrinks);
  const std::string nearest = early ? (down ? "ceil" : "floor") : "round_prefer_floor";
  Attrs attrs{{"sizes", request.sizes},
              {"scales", request.scales},
              {"mode", mode},
              {"coordinate_mode", coordinate_mode},
              {"nearest_mode", given.text("nearest_mode", nearest)},
              {"cubic_coeff_a", given.number("cubic_coeff_a", -0.75)},
              {"exclude_outside", given.integer("exclude_outside")},
              {"extrapolation_value", given.number("extrapolation_value")},
              {"antialias", given.integer("antialias")}};
  if (coordinate_mode == "tf_crop_and_resize") attrs.set("roi", request.roi);
  TN_ASSIGN(ValueId out, node.add(kResize, {node.input(0)}, std::move(attrs)));
  node.output(0, out);
  return {};
}

Request same_size(OnnxNode& node) {
  const size_t rank = node.rank(0);
  Request request{node.type(0).shape, std::vector<double>(rank, 1), std::vector<double>(2 * rank, 0)};
  std::fill(request.roi.begin() + static_cast<ptrdiff_t>(rank), request.roi.end(), 1.0);
  return request;
}

Status onnx_resize(OnnxNode& node) {
  Request request = same_size(node);
  TN_ASSIGN(std::vector<size_t> axes, axes_of(node));
  const size_t rank = node.rank(0);
  std::string coordinate_mode = node.attrs().text("coordinate_transformation_mode", "half_pixel");
  if (coordinate_mode == "tf_crop_and_resize" && holds_elements(node, 1)) {
    TN_ASSIGN(std::vector<double> roi, numbers(node, 1, "roi"));
    if (roi.size() != 2 * axes.size())
      return fail(Code::invalid_model, "Resize: roi has {} numbers, it needs two for each of {} axes", roi.size(),
                  axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      request.roi[axes[i]] = roi[i];
      request.roi[rank + axes[i]] = roi[axes.size() + i];
    }
  }
  if (holds_elements(node, 3)) {
    TN_ASSIGN(std::vector<Dim> sizes, node.dims(3, "sizes"));
    TN_TRY(by_sizes(node, axes, sizes, request));
  } else if (holds_elements(node, 2)) {
    TN_ASSIGN(std::vector<double> scales, numbers(node, 2, "scales"));
    TN_TRY(by_scales(node, axes, scales, request));
  } else {
    return fail(Code::invalid_model, "Resize: neither scales nor sizes are given");
  }
  return finish(node, request, std::move(coordinate_mode));
}

// Op set 10, and Upsample 9: scales as the second operand.
Status onnx_resize_scales(OnnxNode& node) {
  Request request = same_size(node);
  TN_ASSIGN(std::vector<size_t> axes, axes_of(node));
  TN_ASSIGN(std::vector<double> scales, numbers(node, 1, "scales"));
  TN_TRY(by_scales(node, axes, scales, request));
  return finish(node, request, "asymmetric");
}

Status onnx_upsample_attr(OnnxNode& node) {
  Request request = same_size(node);
  TN_ASSIGN(std::vector<size_t> axes, axes_of(node));
  std::vector<double> scales = node.attrs().get<std::vector<double>>("scales");
  if (node.version() < 7)
    scales = {1, 1, node.attrs().number("height_scale", 1), node.attrs().number("width_scale", 1)};
  TN_TRY(by_scales(node, axes, scales, request));
  return finish(node, request, "asymmetric");
}

constexpr OnnxRow kRows[] = {{"Resize", 10, onnx_resize_scales},
                             {"Resize", 11, onnx_resize},
                             {"Upsample", 1, onnx_upsample_attr},
                             {"Upsample", 9, onnx_resize_scales}};

}  // namespace

const OpDef kResize{.name = "resize", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                    .reference = reference};
const OpFile resize_ops{&kResize, kRows};

}  // namespace tenon
