// The definition of roi_align: each region [x1, y1, x2, y2] of an image in bins, each the average or maximum of points
// within it, which are interpolated.
#include <algorithm>
#include <cmath>

#include "common/element.h"
#include "common/kernel.h"
#include "sample/params.h"

namespace tenon {
namespace {

// A fixed number of points along a bin's sides is at most this; one that follows the region's extent has no bound, but only
// points inside the image take time.
constexpr int64_t kMostPoints = 1 << 10;

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 3, 3, 1));
  const Arg &x = call.inputs[0], &rois = call.inputs[1], &images = call.inputs[2], &out = call.outputs[0];
  const auto& params = call.as<RoiAlignParams>();
  if (params.pooling < RoiPooling::average || params.pooling > RoiPooling::max || params.sampling_ratio < 0 ||
      params.sampling_ratio > kMostPoints || !std::isfinite(params.spatial_scale))
    return fail(Code::invalid_plan, "roi_align: pooling {}, sampling ratio {}, scale {}", static_cast<int64_t>(params.pooling),
                params.sampling_ratio, params.spatial_scale);
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_plan, "roi_align: elements of {} cannot be interpolated", describe(x));
  TN_TRY(expect_type(rois, x.dtype, "regions"));
  TN_TRY(expect_type(out, x.dtype, "roi_align output"));
  TN_TRY(expect_type(images, DType::i64, "batch indices"));
  TN_TRY(expect_rank(x, 4, 4, "roi_align input"));
  TN_TRY(expect_rank(out, 4, 4, "roi_align output"));
  for (const Arg* arg : {&x, &rois, &images, &out}) TN_TRY(expect_format(*arg, kLinear, "roi_align tensor"));
  const int64_t count = out.dims[0], region[] = {count, 4};
  TN_TRY(expect_shape(rois, region, "regions"));
  TN_TRY(expect_shape(images, {region, 1}, "batch indices"));
  if (out.dims[1] != x.dims[1] || (out.count() > 0 && x.count() == 0))
    return fail(Code::out_of_range, "roi_align: {} from {}", describe(out), describe(x));
  return {};
}

// Between which two elements a point is, and how far from the first; nothing for a point that is outside.
struct Between {
  bool inside;
  int64_t low, high;
  double part;
};

Between between(double at, int64_t size) {
  if (!(at >= -1 && at <= static_cast<double>(size))) return {false, 0, 0, 0};
  at = std::max(at, 0.0);
  const auto low = static_cast<int64_t>(at);
  if (low >= size - 1) return {true, size - 1, size - 1, 0};
  return {true, low, low + 1, at - static_cast<double>(low)};
}

struct Bins {
  double begin, size;   // of the region; of a bin
  int64_t points;       // in a bin
  double point(int64_t bin, int64_t i) const {
    return begin + static_cast<double>(bin) * size + (static_cast<double>(i) + 0.5) * size / static_cast<double>(points);
  }
};

// Points first … end - 1 of a bin, those outside of which lie outside of an image of `size`.
struct Points {
  int64_t first, end;
};

Points near(const Bins& bins, int64_t bin, int64_t size) {
  const double step = bins.size / static_cast<double>(bins.points), begin = bins.point(bin, 0);
  if (!(step > 0)) return {0, bins.points};
  if (!std::isfinite(step) || !std::isfinite(begin)) return {0, 0};
  const auto most = static_cast<double>(bins.points);
  const double first = std::floor((-1 - begin) / step), last = std::ceil((static_cast<double>(size) - begin) / step);
  return {static_cast<int64_t>(std::clamp(first, 0.0, most)), static_cast<int64_t>(std::clamp(last + 1, 0.0, most))};
}

Bins bins_of(double begin, double end, int64_t count, const RoiAlignParams& params) {
  const double shift = params.half_pixel ? 0.5 : 0;
  begin = begin * params.spatial_scale - shift;
  end = end * params.spatial_scale - shift;
  double extent = end - begin;
  if (!params.half_pixel) extent = std::max(extent, 1.0);
  const double size = extent / static_cast<double>(count);
  // A region far larger than any image needs no more points.
  constexpr double kMost = 1 << 20;
  const double points = params.sampling_ratio > 0 ? static_cast<double>(params.sampling_ratio) : std::ceil(size);
  return {begin, size, points > 0 ? static_cast<int64_t>(std::min(points, kMost)) : 0};
}

template <class E>
double pooled(const typename E::Storage* image, int64_t height, int64_t width, const Bins& rows, const Bins& columns,
              int64_t row, int64_t column, RoiPooling pooling) {
  const Points down = near(rows, row, height), across = near(columns, column, width);
  double result = 0;
  // Points outside count as 0.
  bool first = down.end - down.first == rows.points && across.end - across.first == columns.points;
  for (int64_t i = down.first; i < down.end; ++i) {
    const Between y = between(rows.point(row, i), height);
    for (int64_t j = across.first; j < across.end; ++j) {
      const Between x = between(columns.point(column, j), width);
      double parts[4] = {};
      if (y.inside && x.inside) {
        parts[0] = (1 - y.part) * (1 - x.part) * E::load(image[y.low * width + x.low]);
        parts[1] = (1 - y.part) * x.part * E::load(image[y.low * width + x.high]);
        parts[2] = y.part * (1 - x.part) * E::load(image[y.high * width + x.low]);
        parts[3] = y.part * x.part * E::load(image[y.high * width + x.high]);
      }
      if (pooling == RoiPooling::average) {
        result += parts[0] + parts[1] + parts[2] + parts[3];
        continue;
      }
      const double largest = *std::max_element(parts, parts + 4);
      result = first ? largest : std::max(result, largest);
      first = false;
    }
  }
  const int64_t points = rows.points * columns.points;
  return pooling == RoiPooling::average && points > 0 ? result / static_cast<double>(points) : result;
}

template <class E>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const Arg &x = call.inputs[0], &rois = call.inputs[1], &out = call.outputs[0];
  const auto& params = call.as<RoiAlignParams>();
  const int64_t channels = x.dims[1], height = x.dims[2], width = x.dims[3], down = out.dims[2], across = out.dims[3];
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t n = at / channels, c = at % channels;
      const T* region = rois.as<const T>() + n * 4;
      const Bins columns = bins_of(E::load(region[0]), E::load(region[2]), across, params);
      const Bins rows = bins_of(E::load(region[1]), E::load(region[3]), down, params);
      const T* image = x.as<const T>() + (call.inputs[2].as<const int64_t>()[n] * channels + c) * height * width;
      T* to = out.as<T>() + at * down * across;
      for (int64_t i = 0; i < down; ++i)
        for (int64_t j = 0; j < across; ++j)
          to[i * across + j] = E::store(pooled<E>(image, height, width, rows, columns, i, j, params.pooling));
    }
  };
  if (out.count() > 0) call.team->parallel_for(out.dims[0] * channels, body);
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &images = call.inputs[2];
  for (int64_t i = 0; i < images.dims[0]; ++i)
    if (int64_t image = images.as<const int64_t>()[i]; image < 0 || image >= x.dims[0])
      return fail(Code::out_of_range, "roi_align: region {} is of image {}, there are {}", i, image, x.dims[0]);
  with_float(x.dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kRoiAlignReference{"roi_align.reference", sizeof(RoiAlignParams), 0, 0, prepare, launch};

}  // namespace tenon
