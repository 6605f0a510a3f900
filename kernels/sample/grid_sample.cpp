// The definition of grid_sample: x [N, C, spatial…] at the places that grid [N, out…, r] says, in elements, the last
// spatial dim first.
#include <cmath>
#include <cstring>

#include "common/element.h"
#include "common/index.h"
#include "common/kernel.h"
#include "sample/params.h"

namespace tenon {
namespace {

constexpr int kMaxSpatial = kMaxRank - 2;

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  const Arg &x = call.inputs[0], &grid = call.inputs[1], &out = call.outputs[0];
  const auto& params = call.as<GridSampleParams>();
  if (params.mode < SampleMode::nearest || params.mode > SampleMode::cubic || params.padding < SamplePadding::zeros ||
      params.padding > SamplePadding::reflection)
    return fail(Code::invalid_plan, "grid_sample: mode {} or padding {} is unknown", static_cast<int64_t>(params.mode),
                static_cast<int64_t>(params.padding));
  const bool moves = params.mode == SampleMode::nearest;
  if (size_of(x.dtype) == 0 || (!moves && (!is_float(x.dtype) || size_of(x.dtype) < 2)))
    return fail(Code::invalid_plan, "grid_sample: elements of {} cannot be interpolated", describe(x));
  if (!is_float(grid.dtype) || size_of(grid.dtype) < 2)
    return fail(Code::invalid_plan, "grid_sample: places {} are no floats", describe(grid));
  TN_TRY(expect_type(out, x.dtype, "grid_sample output"));
  TN_TRY(expect_rank(x, 3, kMaxRank, "grid_sample input"));
  TN_TRY(expect_rank(grid, x.rank, x.rank, "grid_sample grid"));
  for (const Arg* arg : {&x, &grid, &out}) TN_TRY(expect_format(*arg, kLinear, "grid_sample tensor"));
  if (grid.dims[0] != x.dims[0] || grid.dims[x.rank - 1] != x.rank - 2)
    return fail(Code::invalid_plan, "grid_sample: grid {} does not fit {}", describe(grid), describe(x));
  int64_t dims[kMaxRank] = {x.dims[0], x.dims[1]};
  for (int d = 2; d < x.rank; ++d) dims[d] = grid.dims[d - 1];
  TN_TRY(expect_shape(out, {dims, static_cast<size_t>(x.rank)}, "grid_sample output"));
  if (out.count() > 0 && x.count() == 0)
    return fail(Code::out_of_range, "grid_sample: {} has no elements to take", describe(x));
  return {};
}

double reflect(double at, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  double beyond = at < low ? low - at : at > high ? at - high : -1;
  if (beyond < 0) return at;
  const double turns = std::floor(beyond / range), rest = beyond - turns * range;
  const bool even = std::fmod(turns, 2) == 0;
  return (at < low) == even ? low + rest : high - rest;
}

// One spatial dim at one place: the elements that count there and their weights; -1 for one that counts as zero.
struct Taps {
  int count = 0;
  int64_t index[4];
  double weight[4];
};

class Axis {
 public:
  Axis(const GridSampleParams& params, int64_t size)
      : params_(params), size_(size), low_(params.align_corners ? 0 : -0.5),
        high_(static_cast<double>(size) - (params.align_corners ? 1 : 0.5)) {}

  Taps at(double place) const {
    // What is no number, and what is too far to be counted in elements, is beyond the border.
    constexpr double kFar = 1e15;
    if (!(std::fabs(place) < kFar)) place = place > 0 ? kFar : -kFar;
    if (params_.mode == SampleMode::nearest) place = std::nearbyint(place);
    if (place < low_ || place > high_) {
      // Of a cubic, each neighbour is taken from the border, as PyTorch and ONNX Runtime do.
      const bool moves = params_.padding == SamplePadding::border && params_.mode != SampleMode::cubic;
      if (moves) place = std::fmin(std::fmax(place, 0), static_cast<double>(size_ - 1));
      if (params_.padding == SamplePadding::reflection) place = reflect(place, low_, high_);
    }
    Taps taps;
    if (params_.mode == SampleMode::nearest) {
      add(taps, static_cast<int64_t>(place), 1);
      return taps;
    }
    const double floor = std::floor(place), t = place - floor;
    const auto first = static_cast<int64_t>(floor);
    if (params_.mode == SampleMode::linear) {
      add(taps, first, 1 - t);
      add(taps, first + 1, t);
      return taps;
    }
    for (int k = 0; k < 4; ++k) add(taps, first + k - 1, cubic(std::fabs(t - (k - 1))));
    return taps;
  }

 private:
  // Keys' kernel with a = -0.75.
  static double cubic(double x) {
    constexpr double a = -0.75;
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  }

  void add(Taps& taps, int64_t index, double weight) const {
    if (index < 0 || index >= size_) {
      switch (params_.padding) {
        case SamplePadding::zeros: index = -1; break;
        case SamplePadding::border: index = index < 0 ? 0 : size_ - 1; break;
        case SamplePadding::reflection: {
          const auto mirrored = static_cast<int64_t>(reflect(static_cast<double>(index), low_, high_));
          index = mirrored < 0 ? 0 : mirrored >= size_ ? size_ - 1 : mirrored;
          break;
        }
      }
    }
    taps.index[taps.count] = index;
    taps.weight[taps.count++] = weight;
  }

  const GridSampleParams& params_;
  int64_t size_;
  double low_, high_;
};

// Calls visit(position in a channel, weight) for each combination of taps.
template <class F>
void for_each_tap(const Taps* taps, const int64_t* sizes, int spatial, int d, int64_t at, double weight, F& visit) {
  if (d == spatial) {
    visit(at, weight);
    return;
  }
  for (int k = 0; k < taps[d].count; ++k)
    if (taps[d].index[k] >= 0)
      for_each_tap(taps, sizes, spatial, d + 1, at * sizes[d] + taps[d].index[k], weight * taps[d].weight[k], visit);
}

template <class G>
void run(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &grid = call.inputs[1], &out = call.outputs[0];
  const auto& params = call.as<GridSampleParams>();
  const int spatial = x.rank - 2;
  const int64_t* sizes = x.dims + 2;
  const int64_t channels = x.dims[1], from = product(x.shape().subspan(2)), to = product(out.shape().subspan(2));
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t n = at / to, place = at % to;
      Taps taps[kMaxSpatial];
      const auto* places = grid.as<const typename G::Storage>() + at * spatial;
      for (int d = 0; d < spatial; ++d) taps[d] = Axis(params, sizes[d]).at(G::load(places[spatial - 1 - d]));
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t source = (n * channels + c) * from, target = (n * channels + c) * to + place;
        if (params.mode == SampleMode::nearest) {
          std::memset(out.as<char>() + target * static_cast<int64_t>(size_of(x.dtype)), 0, size_of(x.dtype));
          auto copy = [&](int64_t e, double) { copy_element(out.data, target, x.data, source + e, size_of(x.dtype)); };
          for_each_tap(taps, sizes, spatial, 0, 0, 1, copy);
          continue;
        }
        with_float(x.dtype, [&](auto element) {
          using E = decltype(element);
          double sum = 0;
          auto add = [&](int64_t e, double weight) {
            sum += weight * E::load(x.as<const typename E::Storage>()[source + e]);
          };
          for_each_tap(taps, sizes, spatial, 0, 0, 1, add);
          out.as<typename E::Storage>()[target] = E::store(sum);
        });
      }
    }
  };
  if (out.count() > 0) call.team->parallel_for(x.dims[0] * to, body);
}

Status launch(const LaunchCall& call) {
  with_float(call.inputs[1].dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kGridSampleReference{"grid_sample.reference", sizeof(GridSampleParams), 0, 0, prepare, launch};

}  // namespace tenon
