#include "resize/taps.h"

#include <algorithm>
#include <cmath>

namespace tenon::resize {
namespace {

// The position in the input of output element y, and whether it lies outside it (tf_crop_and_resize only).
double position(const ResizeParams& params, int d, double y, double in, double out, double scale, bool& outside) {
  const double resized = scale * in;
  switch (params.coordinates) {
    case ResizeCoordinates::half_pixel: return (y + 0.5) / scale - 0.5;
    case ResizeCoordinates::pytorch_half_pixel: return resized == 1 ? 0 : (y + 0.5) / scale - 0.5;
    case ResizeCoordinates::align_corners: return resized == 1 ? 0 : y * (in - 1) / (resized - 1);
    case ResizeCoordinates::asymmetric: return y / scale;
    case ResizeCoordinates::tf_half_pixel_for_nn: return (y + 0.5) / scale;
    case ResizeCoordinates::half_pixel_symmetric:
      return (in - 1) / 2 + (y + 0.5 - out / 2) / scale;  // ONNX's formula with the centres first: it rounds once
    case ResizeCoordinates::tf_crop_and_resize: break;
  }
  const double start = params.roi[d], end = params.roi[params.rank + d];
  const double x = start * (in - 1) + (resized == 1 ? (end - start) * (in - 1) / 2
                                                    : y * (end - start) * (in - 1) / (resized - 1));
  outside = x < 0 || x > in - 1;
  return x;
}

double nearest(ResizeNearest mode, double x) {
  switch (mode) {
    case ResizeNearest::round_prefer_floor: return std::ceil(x - 0.5);
    case ResizeNearest::round_prefer_ceil: return std::floor(x + 0.5);
    case ResizeNearest::floor: return std::floor(x);
    case ResizeNearest::ceil: break;
  }
  return std::ceil(x);
}

// Keys' cubic convolution kernel.
double cubic(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// Taps around x: element floor(x) + first + k has weight kernel(distance), distances shrunk by `shrink` when several
// input elements fall on one output element and antialiasing wants them all.
struct Window {
  int64_t taps, first;
  double shrink;
};

Window window(const ResizeParams& params, double scale) {
  if (params.mode == ResizeMode::nearest) return {1, 0, 1};
  const double radius = params.mode == ResizeMode::linear ? 1 : 2;
  const double shrink = params.antialias ? std::min(scale, 1.0) : 1.0;
  constexpr double kFarthest = -(1 << 28);  // more terms than find_taps allows, whatever the scale
  const auto first = static_cast<int64_t>(std::max(std::floor(-radius / shrink) + 1, kFarthest));
  return {2 - 2 * first, first, shrink};
}

// Fills taps of element y; false if the position is no number.
bool fill(const ResizeParams& params, int d, double scale, const Window& window, int64_t y, Axis& axis) {
  bool outside = false;
  const double n = static_cast<double>(axis.in);
  const double x = position(params, d, static_cast<double>(y), n, static_cast<double>(axis.out), scale, outside);
  if (!std::isfinite(x)) return false;
  if (outside) {
    axis.outside.resize(static_cast<size_t>(axis.out), 0);
    axis.outside[static_cast<size_t>(y)] = 1;
  }
  auto clamped = [&](double at) { return static_cast<int32_t>(std::clamp(at, 0.0, n - 1)); };
  int32_t* index = axis.index.data() + y * axis.taps;
  double* weight = axis.weight.data() + y * axis.taps;
  if (params.mode == ResizeMode::nearest) {
    index[0] = clamped(nearest(params.nearest, x));
    weight[0] = 1;
    return true;
  }
  // A position on an element is the right end of its window: the element has all the weight.
  const double floor = std::floor(x) == x ? x - 1 : std::floor(x), ratio = x - floor;
  double sum = 0;
  for (int64_t k = 0; k < axis.taps; ++k) {
    const double offset = static_cast<double>(window.first + k), at = floor + offset;
    const double distance = (offset - ratio) * window.shrink;
    double w = params.mode == ResizeMode::linear ? std::max(0.0, 1 - std::fabs(distance))
                                                 : cubic(distance, params.cubic_coeff_a);
    if (params.exclude_outside && (at < 0 || at >= n)) w = 0;
    index[k] = clamped(at);
    weight[k] = w;
    sum += w;
  }
  if ((params.antialias || params.exclude_outside) && sum != 0)
    for (int64_t k = 0; k < axis.taps; ++k) weight[k] /= sum;
  return true;
}

Status find_taps(const ResizeParams& params, int d, Axis& axis) {
  if (axis.out == 0) {
    axis.identity = false;
    return {};
  }
  if (axis.in == 0) return fail(Code::out_of_range, "resize: dim {} of the input is empty", d);
  double scale = params.scales[d];
  if (scale == 0) scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
  if (!(scale > 0) || !std::isfinite(scale))
    return fail(Code::invalid_plan, "resize: the scale of dim {} is {}", d, params.scales[d]);
  const bool cropped = params.coordinates == ResizeCoordinates::tf_crop_and_resize &&
                       (params.roi[d] != 0 || params.roi[params.rank + d] != 1);
  if (axis.in == axis.out && std::fabs(scale - 1) < 1e-9 && !cropped) return {};
  axis.identity = false;
  const Window taps = window(params, scale);
  constexpr double kMost = 1 << 26;
  if (!(static_cast<double>(taps.taps) * static_cast<double>(axis.out) <= kMost) || axis.in > INT32_MAX)
    return fail(Code::limit_exceeded, "resize: dim {} goes from {} to {} by a scale of {}: too many terms", d, axis.in,
                axis.out, scale);
  axis.taps = taps.taps;
  axis.index.resize(static_cast<size_t>(axis.out * axis.taps));
  axis.weight.resize(axis.index.size());
  for (int64_t y = 0; y < axis.out; ++y)
    if (!fill(params, d, scale, taps, y, axis))
      return fail(Code::invalid_plan, "resize: element {} of dim {} has no position in the input", y, d);
  return {};
}

Status check(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<ResizeParams>();
  if (size_of(x.dtype) == 0 || x.dtype != out.dtype || x.format != out.format || !is_known(x.format))
    return fail(Code::invalid_plan, "resize: output {} must have the type and format of input {}", describe(out),
                describe(x));
  if (params.rank != x.rank || x.rank != out.rank || x.rank > kMaxRank)
    return fail(Code::invalid_plan, "resize: parameters for {} dims, input {}, output {}", params.rank, describe(x),
                describe(out));
  auto within = [](auto value, auto last) { return static_cast<uint64_t>(value) <= static_cast<uint64_t>(last); };
  if (!within(params.mode, ResizeMode::cubic) || !within(params.nearest, ResizeNearest::ceil) ||
      !within(params.coordinates, ResizeCoordinates::tf_half_pixel_for_nn))
    return fail(Code::invalid_plan, "resize: modes {}, {}, {} are unknown", static_cast<int64_t>(params.mode),
                static_cast<int64_t>(params.coordinates), static_cast<int64_t>(params.nearest));
  return {};
}

}  // namespace

Status prepare(const PrepareCall& call, std::vector<Axis>& axes) {
  TN_TRY(check(call));
  axes.resize(static_cast<size_t>(call.inputs[0].rank));
  for (int d = 0; d < call.inputs[0].rank; ++d) {
    Axis& axis = axes[static_cast<size_t>(d)];
    axis.in = call.inputs[0].dims[d];
    axis.out = call.outputs[0].dims[d];
    TN_TRY(find_taps(call.as<ResizeParams>(), d, axis));
  }
  return {};
}

}  // namespace tenon::resize
