// Pooling, softmax and layer normalisation of the oneDNN module, against the reference kernels or sums in double.
#include "onednn/params.h"
#include "unit/onednn_harness.h"

namespace tenon::testing {
namespace {

using Dims = std::vector<int64_t>;

Dims dims(int64_t n, int64_t c, int spatial, int64_t size) {
  Dims out{n, c};
  out.insert(out.end(), static_cast<size_t>(spatial), size);
  return out;
}

TEST(OnednnPool, AgreesWithReference) {
  TN_NEED_ONEDNN();
  Random random(11);
  for (int i = 0; i < 300; ++i) {
    const int spatial = static_cast<int>(random.integer(1, 3));
    PoolParams p;
    p.kind = random.one_of({PoolKind::max, PoolKind::average});
    const int64_t kernel = random.integer(1, 4), stride = random.integer(1, 3), pad = random.integer(0, kernel - 1);
    const int64_t dilation = p.kind == PoolKind::max ? random.integer(1, 2) : 1;
    p.ceil_mode = random.integer(0, 1);
    p.count_include_pad = p.ceil_mode ? 0 : random.integer(0, 1);
    for (int d = 0; d < spatial; ++d) {
      p.kernel[d] = kernel;
      p.strides[d] = stride;
      p.dilations[d] = dilation;
      p.pads_begin[d] = p.pads_end[d] = pad;
    }
    const int64_t size = dilation * (kernel - 1) + 1 + random.integer(0, 6);
    const int64_t room = size + 2 * pad - dilation * (kernel - 1) - 1;
    const int64_t out = p.ceil_mode ? std::min(ceil_div(room, stride) + 1, ceil_div(size + pad, stride)) : room / stride + 1;
    const int64_t n = random.integer(1, 3), c = random.integer(1, 40);
    const Format format = random.one_of({kLinear, kChannelsLast, blocked(8), blocked(16)});
    const int threads = static_cast<int>(random.integer(1, 2));
    SCOPED_TRACE(fmt::format("{}d n{} c{} size{} k{} s{} d{} p{} ceil{} include{} kind{} {} threads{}", spatial, n, c, size,
                             kernel, stride, dilation, pad, p.ceil_mode, p.count_include_pad, static_cast<int>(p.kind),
                             name_of(format), threads));
    const Tensor x = random.tensor(dims(n, c, spatial, size)), formatted = x.to(format);
    formatted.memory->freeze();
    Tensor expected = Tensor::make(DType::f32, dims(n, c, spatial, out));
    Tensor actual = Tensor::make(DType::f32, dims(n, c, spatial, out), format);
    Status status = run("pool.reference", p, {x}, {expected});
    ASSERT_TRUE(status) << text(status);
    status = run("onednn.pool.f32", p, {formatted}, {actual}, threads);
    ASSERT_TRUE(status) << text(status);
    EXPECT_LE(difference(actual, expected), 1e-6);
    EXPECT_TRUE(actual.padding_is_zero());
  }
}

TEST(OnednnPool, Global) {
  TN_NEED_ONEDNN();
  Random random(12);
  for (int spatial : {1, 2, 3})
    for (int64_t c : {16, 21, 64})
      for (Format format : {kLinear, kChannelsLast, blocked(8), blocked(16)})
        for (PoolKind kind : {PoolKind::max, PoolKind::average})
          for (bool same_format : {true, false}) {
            const bool padded = format.layout == Layout::blocked && c % format.block != 0;
            if (padded && !same_format) continue;
            SCOPED_TRACE(fmt::format("{}d c{} {} kind{}", spatial, c, name_of(format), static_cast<int>(kind)));
            const Tensor x = random.tensor(dims(2, c, spatial, 7)), formatted = x.to(format);
            Tensor actual = Tensor::make(DType::f32, dims(2, c, spatial, 1), same_format ? format : kLinear);
            const Status status = run("onednn.global_pool.f32", OnednnGlobalPoolParams{kind}, {formatted}, {actual}, 2);
            ASSERT_TRUE(status) << text(status);
            const int64_t size = x.arg.count() / (2 * c);
            for (int64_t i = 0; i < 2 * c; ++i) {
              const float* from = x.arg.as<float>() + i * size;
              double sum = 0;
              for (int64_t j = 0; j < size; ++j) sum += from[j];
              const double want = kind == PoolKind::max ? *std::max_element(from, from + size) : sum / static_cast<double>(size);
              ASSERT_NEAR(actual.arg.as<float>()[place_of(actual.arg, i)], want, 1e-6);
            }
            EXPECT_TRUE(actual.padding_is_zero());
          }
}

TEST(OnednnPool, ForgedCalls) {
  TN_NEED_ONEDNN();
  Random random(1);
  const Tensor x = random.tensor({1, 8, 9, 9}), y = Tensor::make(DType::f32, {1, 8, 4, 4});
  PoolParams good;
  good.kernel[0] = good.kernel[1] = 3;
  good.strides[0] = good.strides[1] = 2;
  ASSERT_TRUE(run("onednn.pool.f32", good, {x}, {y}));
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{100}, int64_t{1} << 40, INT64_MIN, INT64_MAX}) {
    const auto refuse = [&](auto change) {
      PoolParams p = good;
      change(p);
      EXPECT_FALSE(run("onednn.pool.f32", p, {x}, {y})) << value;
    };
    refuse([&](auto& p) { p.kernel[0] = value; });
    refuse([&](auto& p) { p.strides[1] = value; });
    refuse([&](auto& p) { p.dilations[0] = value; });
    if (value != 0) refuse([&](auto& p) { p.pads_begin[0] = value; });
    if (value != 0 && value != -1) refuse([&](auto& p) { p.kind = static_cast<PoolKind>(value); });
  }
  EXPECT_FALSE(run("onednn.pool.f32", good, {x}, {Tensor::make(DType::f32, {1, 8, 4, 5})}));
  EXPECT_FALSE(run("onednn.pool.f32", good, {x}, {Tensor::make(DType::f32, {1, 8, 4, 4}, kChannelsLast)}));
  const OnednnGlobalPoolParams mean;
  EXPECT_FALSE(run("onednn.global_pool.f32", mean, {x}, {Tensor::make(DType::f32, {1, 9})}));
  EXPECT_FALSE(run("onednn.global_pool.f32", mean, {x}, {Tensor::make(DType::f32, {8})}));
  EXPECT_FALSE(run("onednn.global_pool.f32", mean, {random.tensor({1, 5, 3, 3}).to(blocked(8))}, {Tensor::make(DType::f32, {1, 5})}));
  EXPECT_FALSE(run("onednn.global_pool.f32", mean, {random.tensor({1, 8, 3, 3}).to(blocked(8))}, {Tensor::make(DType::f32, {1, 8}, blocked(8))}));
}

// Rows of `count` elements, `step` apart, beginning at each of `begins`.
template <class F>
void for_rows(const Dims& dims, int64_t axis, F&& f) {
  int64_t before = 1, after = 1;
  for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); ++i)
    if (i != axis) (i < axis ? before : after) *= dims[static_cast<size_t>(i)];
  const int64_t n = dims[static_cast<size_t>(axis)];
  for (int64_t b = 0; b < before; ++b)
    for (int64_t a = 0; a < after; ++a) f(b * n * after + a, after, n);
}

TEST(OnednnSoftmax, AgreesWithDouble) {
  TN_NEED_ONEDNN();
  Random random(13);
  for (const Dims& shape : {Dims{7}, Dims{3, 1}, Dims{5, 17}, Dims{2, 3, 64}, Dims{2, 5, 3, 33}, Dims{1, 1000}, Dims{2, 33, 1, 5}})
    for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); ++axis)
      for (int64_t log : {0, 1})
        for (int threads : {1, 2}) {
          SCOPED_TRACE(fmt::format("[{}] axis {} log {}", fmt::join(shape, ","), axis, log));
          const Tensor x = random.tensor(shape);
          for (int64_t i = 0; i < x.arg.count(); ++i) x.arg.as<float>()[i] *= 10;
          x.memory->freeze();
          Tensor y = Tensor::make(DType::f32, shape);
          const Status status = run("onednn.softmax.f32", OnednnSoftmaxParams{axis, log}, {x}, {y}, threads);
          ASSERT_TRUE(status) << text(status);
          for_rows(shape, axis, [&](int64_t begin, int64_t step, int64_t n) {
            double most = -1e30, sum = 0;
            for (int64_t i = 0; i < n; ++i) most = std::max<double>(most, x.arg.as<float>()[begin + i * step]);
            for (int64_t i = 0; i < n; ++i) sum += std::exp(x.arg.as<float>()[begin + i * step] - most);
            for (int64_t i = 0; i < n; ++i) {
              const double l = x.arg.as<float>()[begin + i * step] - most - std::log(sum);
              ASSERT_NEAR(y.arg.as<float>()[begin + i * step], log ? l : std::exp(l), log ? 1e-5 : 1e-6);
            }
          });
        }
  const Tensor x = random.tensor({2, 3});
  for (int64_t axis : {int64_t{-1}, int64_t{2}, INT64_MIN, INT64_MAX})
    EXPECT_FALSE(run("onednn.softmax.f32", OnednnSoftmaxParams{axis, 0}, {x}, {Tensor::make(DType::f32, {2, 3})}));
  EXPECT_FALSE(run("onednn.softmax.f32", OnednnSoftmaxParams{0, 0}, {x}, {Tensor::make(DType::f32, {3, 2})}));
}

TEST(OnednnLayerNorm, AgreesWithDouble) {
  TN_NEED_ONEDNN();
  Random random(14);
  for (const Dims& shape : {Dims{7}, Dims{3, 1}, Dims{5, 17}, Dims{2, 3, 64}, Dims{2, 5, 3, 33}, Dims{4, 768}})
    for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); ++axis)
      for (int threads : {1, 2}) {
        SCOPED_TRACE(fmt::format("[{}] axis {}", fmt::join(shape, ","), axis));
        const Dims own(shape.begin() + axis, shape.end());
        const Tensor x = random.tensor(shape), scale = random.tensor(own), bias = random.tensor(own);
        for (const Tensor* t : {&x, &scale, &bias}) t->memory->freeze();
        Tensor y = Tensor::make(DType::f32, shape);
        const Status status = run("onednn.layer_norm.f32", OnednnLayerNormParams{axis, 1e-5}, {x, scale, bias}, {y}, threads);
        ASSERT_TRUE(status) << text(status);
        const int64_t n = scale.arg.count();
        for (int64_t r = 0; r < x.arg.count() / n; ++r) {
          const float* row = x.arg.as<float>() + r * n;
          double mean = 0, variance = 0;
          for (int64_t i = 0; i < n; ++i) mean += row[i] / static_cast<double>(n);
          for (int64_t i = 0; i < n; ++i) variance += (row[i] - mean) * (row[i] - mean) / static_cast<double>(n);
          for (int64_t i = 0; i < n; ++i)
            ASSERT_NEAR(y.arg.as<float>()[r * n + i],
                        (row[i] - mean) / std::sqrt(variance + 1e-5) * scale.arg.as<float>()[i] + bias.arg.as<float>()[i], 1e-5);
        }
      }
  const Tensor x = random.tensor({2, 3}), s = random.tensor({3}), y = Tensor::make(DType::f32, {2, 3});
  for (int64_t axis : {int64_t{-1}, int64_t{0}, int64_t{2}, INT64_MAX})
    EXPECT_FALSE(run("onednn.layer_norm.f32", OnednnLayerNormParams{axis, 1e-5}, {x, s, s}, {y}));
  EXPECT_FALSE(run("onednn.layer_norm.f32", OnednnLayerNormParams{1, -1}, {x, s, s}, {y}));
  EXPECT_FALSE(run("onednn.layer_norm.f32", OnednnLayerNormParams{1, 1e-5}, {x, s, Tensor::absent()}, {y}));
}

}  // namespace
}  // namespace tenon::testing
