// Resize: known results, direct formulas, and the row kernels against the definition in every format.
#include <cmath>

#include "resize/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

Tensor random_floats(std::vector<int64_t> dims, std::mt19937& rng) {
  std::vector<float> values(static_cast<size_t>(count_of(dims)));
  for (float& v : values) v = std::uniform_real_distribution<float>(-2, 2)(rng);
  return Tensor::of(DType::f32, std::move(dims), values);
}

ResizeParams params_for(int64_t rank, ResizeMode mode, ResizeCoordinates coordinates) {
  ResizeParams params;
  params.rank = rank;
  params.mode = mode;
  params.coordinates = coordinates;
  return params;
}

// Bilinear interpolation of one image, as image libraries define it: pixel centres at half integers, edges repeated.
TEST(Resize, BilinearHalfPixel) {
  std::mt19937 rng(1);
  Tensor x = random_floats({2, 3, 5, 7}, rng);
  for (auto [h, w] : {std::pair<int64_t, int64_t>{10, 14}, {3, 4}, {11, 5}}) {
    for (const char* id : {"resize.reference", "resize.rows.f32"}) {
      Tensor out(DType::f32, {2, 3, h, w});
      run_ok(id, params_for(4, ResizeMode::linear, ResizeCoordinates::half_pixel), {&x}, {&out});
      for (int64_t plane = 0; plane < 6; ++plane)
        for (int64_t i = 0; i < h; ++i)
          for (int64_t j = 0; j < w; ++j) {
            auto weights = [](int64_t at, int64_t n, int64_t m, int64_t& low, int64_t& high) {
              double p = std::max(0.0, (static_cast<double>(at) + 0.5) * static_cast<double>(n) / static_cast<double>(m) - 0.5);
              low = std::min(static_cast<int64_t>(p), n - 1);
              high = std::min(low + 1, n - 1);
              return p - static_cast<double>(low);
            };
            int64_t i0, i1, j0, j1;
            double a = weights(i, 5, h, i0, i1), b = weights(j, 7, w, j0, j1);
            const float* p = x.as<float>() + plane * 35;
            double want = (1 - a) * ((1 - b) * p[i0 * 7 + j0] + b * p[i0 * 7 + j1]) +
                          a * ((1 - b) * p[i1 * 7 + j0] + b * p[i1 * 7 + j1]);
            ASSERT_NEAR(out.as<float>()[(plane * h + i) * w + j], want, 1e-5) << id << " " << i << " " << j;
          }
    }
  }
}

TEST(Resize, KnownRows) {
  Tensor x = Tensor::of(DType::f32, {4}, std::vector<float>{1, 2, 3, 4});
  auto resized = [&](ResizeParams params, int64_t n, const char* id) {
    Tensor out(DType::f32, {n});
    run_ok(id, params, {&x}, {&out});
    return out.values<float>();
  };
  auto near = [](const std::vector<float>& got, const std::vector<float>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5);
  };
  for (const char* id : {"resize.reference", "resize.rows.f32"}) {
    near(resized(params_for(1, ResizeMode::linear, ResizeCoordinates::align_corners), 7, id),
         {1, 1.5, 2, 2.5, 3, 3.5, 4});
    near(resized(params_for(1, ResizeMode::linear, ResizeCoordinates::asymmetric), 8, id),
         {1, 1.5, 2, 2.5, 3, 3.5, 4, 4});
    ResizeParams anti = params_for(1, ResizeMode::linear, ResizeCoordinates::half_pixel);
    anti.antialias = 1;  // weights 1/8 3/8 3/8 1/8: a triangle of radius 2, edges repeated
    near(resized(anti, 2, id), {1.625f, 3.375f});
    // Positions 0.5 and 2.5 between the elements: Keys' weights at one half with a = -0.75.
    const float far = -0.09375f, mid = 0.59375f;
    near(resized(params_for(1, ResizeMode::cubic, ResizeCoordinates::half_pixel), 2, id),
         {far * 1 + mid * 1 + mid * 2 + far * 3, far * 2 + mid * 3 + mid * 4 + far * 4});
  }
  for (const char* id : {"resize.reference", "resize.nearest_rows"}) {
    ResizeParams nearest = params_for(1, ResizeMode::nearest, ResizeCoordinates::asymmetric);
    nearest.nearest = ResizeNearest::floor;
    near(resized(nearest, 8, id), {1, 1, 2, 2, 3, 3, 4, 4});
    near(resized(nearest, 3, id), {1, 2, 3});
    nearest.nearest = ResizeNearest::ceil;
    near(resized(nearest, 8, id), {1, 2, 2, 3, 3, 4, 4, 4});
    nearest.nearest = ResizeNearest::round_prefer_floor;
    near(resized(nearest, 8, id), {1, 1, 2, 2, 3, 3, 4, 4});
    nearest.nearest = ResizeNearest::round_prefer_ceil;
    near(resized(nearest, 8, id), {1, 2, 2, 3, 3, 4, 4, 4});
  }
  // One element is the first, not what lies half an element before it: ONNX's text, of pytorch_half_pixel.
  ResizeParams one = params_for(1, ResizeMode::cubic, ResizeCoordinates::pytorch_half_pixel);
  near(resized(one, 1, "resize.reference"), {1});
  // Nine elements to 4.5, of which four are made: the first is at 1, exactly.
  Tensor nine = Tensor::of(DType::f32, {9}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8}), four(DType::f32, {4});
  ResizeParams symmetric = params_for(1, ResizeMode::nearest, ResizeCoordinates::half_pixel_symmetric);
  symmetric.nearest = ResizeNearest::ceil;
  symmetric.scales[0] = 0.5;
  run_ok("resize.reference", symmetric, {&nine}, {&four});
  EXPECT_EQ(four.values<float>(), (std::vector<float>{1, 3, 5, 7}));
  ResizeParams crop = params_for(1, ResizeMode::linear, ResizeCoordinates::tf_crop_and_resize);
  crop.extrapolation_value = -9;
  crop.roi[0] = 0;
  crop.roi[1] = 2;
  near(resized(crop, 3, "resize.reference"), {1, 4, -9});
}

TEST(Resize, RowKernelsInEveryFormat) {
  std::mt19937 rng(2);
  for (ResizeMode mode : {ResizeMode::nearest, ResizeMode::linear, ResizeMode::cubic})
    for (auto coordinates : {ResizeCoordinates::half_pixel, ResizeCoordinates::align_corners})
      for (int antialias : {0, 1})
        for (auto to : {std::vector<int64_t>{2, 11, 6, 9}, {2, 11, 3, 10}, {2, 11, 5, 4}}) {
          ResizeParams params = params_for(4, mode, coordinates);
          params.antialias = antialias && mode != ResizeMode::nearest;
          Tensor x = random_floats({2, 11, 5, 7}, rng), want(DType::f32, to);
          run_ok("resize.reference", params, {&x}, {&want});
          for (Format format : {kLinear, kChannelsLast, blocked(8), blocked(16)}) {
            Tensor in(DType::f32, x.dims(), format), out(DType::f32, to, format), got(DType::f32, to);
            run_ok("reformat.reference", {&x}, {&in});
            run_ok(mode == ResizeMode::nearest ? "resize.nearest_rows" : "resize.rows.f32", params, {&in}, {&out});
            run_ok("reformat.reference", {&out}, {&got});
            for (int64_t i = 0; i < count_of(to); ++i)
              ASSERT_NEAR(got.as<float>()[i], want.as<float>()[i], 2e-5) << name_of(format) << " element " << i;
          }
        }
}

TEST(Resize, ForgedParametersAreRefused) {
  Tensor x(DType::f32, {1, 1, 4}), out(DType::f32, {1, 1, 8});
  ResizeParams params = params_for(3, ResizeMode::linear, ResizeCoordinates::half_pixel);
  for (const char* id : {"resize.reference", "resize.rows.f32"}) {
    auto refused = [&](ResizeParams changed) { return !refusal(id, changed, {&x}, {&out}).empty(); };
    EXPECT_FALSE(refused(params));
    for (double scale : {-1.0, std::nan(""), static_cast<double>(INFINITY)}) {
      ResizeParams bad = params;
      bad.scales[2] = scale;
      EXPECT_TRUE(refused(bad)) << scale;
    }
    ResizeParams bad = params;
    bad.mode = static_cast<ResizeMode>(3);
    EXPECT_TRUE(refused(bad));
    bad = params;
    bad.coordinates = static_cast<ResizeCoordinates>(-1);
    EXPECT_TRUE(refused(bad));
    bad = params;
    bad.rank = 4;
    EXPECT_TRUE(refused(bad));
    bad = params;
    bad.antialias = 1;
    bad.scales[2] = 1e-9;
    EXPECT_TRUE(refused(bad));
    bad = params;
    bad.coordinates = ResizeCoordinates::tf_crop_and_resize;
    bad.roi[2] = bad.roi[5] = std::nan("");
    EXPECT_TRUE(refused(bad));
  }
}

}  // namespace
}  // namespace tenon::test
