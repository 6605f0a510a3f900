// Sampling between the places of a grid, and regions in bins, against formulas of their own.
#include <cmath>

#include "sample/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

// Element i of a line whose border is handled so; what is beyond zeros is 0.
double element(const std::vector<float>& line, int64_t i, const GridSampleParams& params) {
  const auto n = static_cast<int64_t>(line.size());
  if (i >= 0 && i < n) return line[static_cast<size_t>(i)];
  if (params.padding == SamplePadding::zeros) return 0;
  if (params.padding == SamplePadding::border) return line[static_cast<size_t>(i < 0 ? 0 : n - 1)];
  // Mirrored at centres the line repeats after 2(n-1) elements, at edges after 2n.
  const int64_t period = params.align_corners ? std::max<int64_t>(1, 2 * (n - 1)) : 2 * n;
  int64_t at = ((i % period) + period) % period;
  if (at >= n) at = params.align_corners ? period - at : period - 1 - at;
  return line[static_cast<size_t>(at)];
}

double keys(double x) {
  constexpr double a = -0.75;
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

// Each neighbour as the padding has it.
double sampled(const std::vector<float>& line, double place, const GridSampleParams& params) {
  if (params.mode == SampleMode::nearest) return element(line, static_cast<int64_t>(std::nearbyint(place)), params);
  const auto first = static_cast<int64_t>(std::floor(place));
  double sum = 0;
  for (int64_t i = first - 1; i <= first + 2; ++i) {
    const double distance = std::fabs(place - static_cast<double>(i));
    const double weight = params.mode == SampleMode::cubic ? keys(distance) : std::fmax(0, 1 - distance);
    sum += weight * element(line, i, params);
  }
  return sum;
}

TEST(GridSample, IsTheProductOfItsAxes) {
  std::mt19937 rng(11);
  const std::vector<float> rows = {1, -2, 4, 3}, columns = {2, 5, -1, 3, 7};
  std::vector<float> image;
  for (float r : rows)
    for (float c : columns) image.push_back(r * c);
  Tensor x = Tensor::of(DType::f32, {1, 1, 4, 5}, image);
  for (SampleMode mode : {SampleMode::nearest, SampleMode::linear, SampleMode::cubic})
    for (SamplePadding padding : {SamplePadding::zeros, SamplePadding::border, SamplePadding::reflection})
      for (int64_t align : {0, 1}) {
        std::vector<float> places;
        for (int i = 0; i < 50; ++i) {
          places.push_back(std::uniform_real_distribution<float>(-3, 7)(rng));
          places.push_back(std::uniform_real_distribution<float>(-3, 6)(rng));
        }
        const GridSampleParams params{mode, padding, align};
        Tensor grid = Tensor::of(DType::f32, {1, 10, 5, 2}, places), out(DType::f32, {1, 1, 10, 5});
        run_ok("grid_sample.reference", params, {&x, &grid}, {&out});
        for (size_t i = 0; i < 50; ++i)
          ASSERT_NEAR(out.as<float>()[i], sampled(columns, places[2 * i], params) * sampled(rows, places[2 * i + 1], params), 1e-4)
              << "mode " << static_cast<int>(mode) << " padding " << static_cast<int>(padding) << " align " << align;
      }
}

TEST(GridSample, WhatIsBeyondTheBorder) {
  Tensor x = Tensor::of(DType::f32, {1, 1, 3}, std::vector<float>{1, 2, 4});
  Tensor grid = Tensor::of(DType::f32, {1, 6, 1}, std::vector<float>{-1, -0.5f, 3, 2.5f, INFINITY, NAN});
  Tensor out(DType::f32, {1, 1, 6});
  auto taken = [&](SamplePadding padding, int64_t align) {
    run_ok("grid_sample.reference", GridSampleParams{SampleMode::linear, padding, align}, {&x, &grid}, {&out});
    return out.values<float>();
  };
  EXPECT_EQ(taken(SamplePadding::zeros, 0), (std::vector<float>{0, 0.5f, 0, 2, 0, 0}));
  EXPECT_EQ(taken(SamplePadding::border, 0), (std::vector<float>{1, 1, 4, 4, 4, 1}));
  const std::vector<float> edges = taken(SamplePadding::reflection, 0), centres = taken(SamplePadding::reflection, 1);
  EXPECT_EQ(std::vector<float>(edges.begin(), edges.begin() + 4), (std::vector<float>{1, 1, 4, 4}));
  EXPECT_EQ(std::vector<float>(centres.begin(), centres.begin() + 4), (std::vector<float>{2, 1.5f, 2, 3}));
}

TEST(GridSample, NearestMovesAnyElements) {
  Tensor x = Tensor::of(DType::i64, {1, 2, 2, 2}, std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  Tensor grid = Tensor::of(DType::f64, {1, 1, 2, 2}, std::vector<double>{1, 0, 0.2, 0.9}), out(DType::i64, {1, 2, 1, 2});
  run_ok("grid_sample.reference", GridSampleParams{SampleMode::nearest, SamplePadding::zeros, 0}, {&x, &grid}, {&out});
  EXPECT_EQ(out.values<int64_t>(), (std::vector<int64_t>{2, 3, 6, 7}));
}

TEST(GridSample, WhatDoesNotFitIsRefused) {
  Tensor x(DType::f32, {1, 2, 4, 4}), grid(DType::f32, {1, 3, 3, 2}), out(DType::f32, {1, 2, 3, 3}), integers(DType::i32, {1, 2, 4, 4});
  Tensor three(DType::f32, {1, 3, 3, 3}), other(DType::f32, {2, 3, 3, 2}), none(DType::f32, {1, 2, 0, 4});
  auto refused = [&](GridSampleParams params, Tensor& from, Tensor& places, Tensor& to) {
    return !refusal("grid_sample.reference", params, {&from, &places}, {&to}).empty();
  };
  const GridSampleParams good{SampleMode::linear, SamplePadding::zeros, 0};
  for (int64_t i = 0; i < 18; ++i) grid.as<float>()[i] = 1;
  EXPECT_FALSE(refused(good, x, grid, out));
  EXPECT_TRUE(refused(good, integers, grid, out));
  EXPECT_TRUE(refused(good, x, three, out));
  EXPECT_TRUE(refused(good, x, other, out));
  EXPECT_TRUE(refused(good, none, grid, out));
  EXPECT_TRUE(refused(good, x, grid, x));
  EXPECT_TRUE(refused({static_cast<SampleMode>(3), SamplePadding::zeros, 0}, x, grid, out));
  EXPECT_TRUE(refused({SampleMode::linear, static_cast<SamplePadding>(-1), 0}, x, grid, out));
}

// Of a plane the average over a bin is its middle, the maximum of the points at its far corner.
TEST(RoiAlign, OfAPlane) {
  std::vector<double> plane;
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) plane.push_back(3 * y + x);
  Tensor x = Tensor::of(DType::f64, {1, 1, 16, 16}, plane);
  Tensor regions = Tensor::of(DType::f64, {1, 4}, std::vector<double>{4, 6, 12, 26}), images = Tensor::of(DType::i64, {1}, std::vector<int64_t>{0});
  Tensor out(DType::f64, {1, 1, 2, 2});
  run_ok("roi_align.reference", RoiAlignParams{RoiPooling::average, 2, 0.5, 0}, {&x, &regions, &images}, {&out});
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      ASSERT_NEAR(out.as<double>()[2 * i + j], 3 * (3 + 5 * (i + 0.5)) + 2 + 2 * (j + 0.5), 1e-9);
  run_ok("roi_align.reference", RoiAlignParams{RoiPooling::average, 0, 0.5, 1}, {&x, &regions, &images}, {&out});
  ASSERT_NEAR(out.as<double>()[0], 3 * (2.5 + 2.5) + 1.5 + 1, 1e-9);
}

TEST(RoiAlign, WhatDoesNotFitIsRefused) {
  Tensor x(DType::f32, {2, 1, 4, 4}), regions(DType::f32, {1, 4}), out(DType::f32, {1, 1, 2, 2});
  Tensor images = Tensor::of(DType::i64, {1}, std::vector<int64_t>{1}), beyond = Tensor::of(DType::i64, {1}, std::vector<int64_t>{2});
  for (int i = 0; i < 4; ++i) regions.as<float>()[i] = static_cast<float>(i);
  auto refused = [&](RoiAlignParams params, Tensor& image) {
    return !refusal("roi_align.reference", params, {&x, &regions, &image}, {&out}).empty();
  };
  EXPECT_FALSE(refused({RoiPooling::max, 0, 1, 1}, images));
  EXPECT_TRUE(refused({RoiPooling::max, 0, 1, 1}, beyond));
  EXPECT_TRUE(refused({RoiPooling::max, -1, 1, 1}, images));
  EXPECT_TRUE(refused({RoiPooling::max, 0, NAN, 1}, images));
  EXPECT_TRUE(refused({static_cast<RoiPooling>(2), 0, 1, 1}, images));
  // A region that is enormous, or no region at all, ends.
  for (float edge : {1e30f, INFINITY, NAN})
    for (int64_t ratio : {0, 2}) {
      regions.as<float>()[2] = regions.as<float>()[3] = edge;
      EXPECT_FALSE(refused({RoiPooling::average, ratio, 1, 1}, images));
      EXPECT_FALSE(refused({RoiPooling::max, ratio, 1, 1}, images));
    }
}

}  // namespace
}  // namespace tenon::test
