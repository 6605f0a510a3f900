// Kernels that move elements, against index formulas: the reference and the fast ones take the same tests.
#include "base/program.h"
#include "move/params.h"
#include "pointwise/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

// Element `flat` of `out` must be element `from` of `x`, byte by byte; from < 0: all bytes of `fill`.
void expect_element(const Tensor& out, int64_t flat, const Tensor& x, int64_t from) {
  const size_t size = size_of(x.arg.dtype);
  ASSERT_EQ(std::memcmp(out.data() + static_cast<size_t>(flat) * size, x.data() + static_cast<size_t>(from) * size, size),
            0)
      << "element " << flat << " of " << describe(out.arg) << " is not element " << from << " of " << describe(x.arg);
}

constexpr DType kTypes[] = {DType::f32, DType::i64, DType::f16, DType::u8};

class Move : public testing::TestWithParam<int> {
 protected:
  std::mt19937 rng{static_cast<uint32_t>(GetParam()) * 7919u + 1};
  DType dtype() { return kTypes[rng() % 4]; }
};

void check_transpose(const char* id, const Tensor& x, const std::vector<int64_t>& perm) {
  Tensor input = x;
  TransposeParams params;
  params.rank = static_cast<int64_t>(perm.size());
  std::copy(perm.begin(), perm.end(), params.perm);
  std::vector<int64_t> dims;
  for (int64_t p : perm) dims.push_back(x.arg.dims[p]);
  Tensor out(x.arg.dtype, dims);
  run_ok(id, params, {&input}, {&out});
  for (int64_t flat = 0; flat < count_of(dims); ++flat) {
    std::vector<int64_t> to = unravel(flat, dims), from(perm.size());
    for (size_t d = 0; d < perm.size(); ++d) from[static_cast<size_t>(perm[d])] = to[d];
    expect_element(out, flat, x, ravel(from, x.dims()));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST_P(Move, Transpose) {
  std::vector<int64_t> dims = random_dims(rng, rng() % 6, GetParam() % 3 ? 9 : 23), perm(dims.size());
  for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
  std::shuffle(perm.begin(), perm.end(), rng);
  if (!dims.empty() && rng() % 8 == 0) dims[rng() % dims.size()] = 0;
  Tensor x = Tensor::random(dtype(), dims, rng);
  for (const char* id : {"transpose.reference", "transpose.strided"}) check_transpose(id, x, perm);
}

TEST_P(Move, Slice) {
  std::vector<int64_t> dims = random_dims(rng, 1 + rng() % 4, 17), sizes;
  SliceParams params;
  params.rank = static_cast<int64_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    int64_t n = dims[d], start = static_cast<int64_t>(rng() % static_cast<uint64_t>(n));
    int64_t step = static_cast<int64_t>(rng() % 4) - 2;
    if (step == 0) step = 1;
    int64_t room = step > 0 ? (n - start + step - 1) / step : start / -step + 1;
    params.starts[d] = start;
    params.steps[d] = step;
    sizes.push_back(static_cast<int64_t>(rng() % static_cast<uint64_t>(room + 1)));
  }
  Tensor x = Tensor::random(dtype(), dims, rng);
  for (const char* id : {"slice.reference", "slice.strided"}) {
    Tensor out(x.arg.dtype, sizes);
    run_ok(id, params, {&x}, {&out});
    for (int64_t flat = 0; flat < count_of(sizes); ++flat) {
      std::vector<int64_t> index = unravel(flat, sizes);
      for (size_t d = 0; d < dims.size(); ++d) index[d] = params.starts[d] + index[d] * params.steps[d];
      expect_element(out, flat, x, ravel(index, dims));
    }
  }
}

TEST_P(Move, Expand) {
  std::vector<int64_t> to = random_dims(rng, 1 + rng() % 4, 12), from(to.begin() + static_cast<ptrdiff_t>(rng() % 2), to.end());
  for (int64_t& d : from)
    if (rng() % 2) d = 1;
  Tensor x = Tensor::random(dtype(), from, rng);
  for (const char* id : {"expand.reference", "expand.strided"}) {
    Tensor out(x.arg.dtype, to);
    run_ok(id, {&x}, {&out});
    for (int64_t flat = 0; flat < count_of(to); ++flat) {
      std::vector<int64_t> index = unravel(flat, to);
      index.erase(index.begin(), index.end() - static_cast<ptrdiff_t>(from.size()));
      for (size_t d = 0; d < from.size(); ++d)
        if (from[d] == 1) index[d] = 0;
      expect_element(out, flat, x, ravel(index, from));
    }
  }
}

TEST_P(Move, Concat) {
  std::vector<int64_t> dims = random_dims(rng, 1 + rng() % 4, GetParam() % 2 ? 40 : 7);
  const size_t axis = rng() % dims.size(), count = 1 + rng() % 4;
  DType type = dtype();
  std::vector<Tensor> parts;
  int64_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    dims[axis] = static_cast<int64_t>(rng() % 9);
    sum += dims[axis];
    parts.push_back(Tensor::random(type, dims, rng));
  }
  dims[axis] = sum;
  std::vector<Tensor*> inputs;
  for (Tensor& part : parts) inputs.push_back(&part);
  for (const char* id : {"concat.reference", "concat.rows"}) {
    Tensor out(type, dims);
    run_ok(id, ConcatParams{static_cast<int64_t>(axis)}, inputs, {&out});
    for (int64_t flat = 0; flat < count_of(dims); ++flat) {
      std::vector<int64_t> index = unravel(flat, dims);
      size_t part = 0;
      while (index[axis] >= parts[part].arg.dims[axis]) index[axis] -= parts[part++].arg.dims[axis];
      expect_element(out, flat, parts[part], ravel(index, parts[part].dims()));
    }
  }
}

// numpy.pad's own way: a mirrored dim is walked step by step, turning at the borders.
int64_t mirrored(int64_t i, int64_t n) {
  int64_t at = 0, direction = i < 0 ? -1 : 1;
  if (n == 1) return 0;
  for (int64_t step = 0; step < std::abs(i); ++step) {
    if (at + direction < 0 || at + direction >= n) direction = -direction;
    at += direction;
  }
  return at;
}

TEST_P(Move, Pad) {
  std::vector<int64_t> dims = random_dims(rng, 1 + rng() % 4, 6), to;
  PadParams params;
  params.mode = static_cast<PadMode>(rng() % 4);
  params.rank = static_cast<int64_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    params.begins[d] = static_cast<int64_t>(rng() % 9) - 2;
    to.push_back(std::max<int64_t>(0, dims[d] + params.begins[d] + static_cast<int64_t>(rng() % 9) - 2));
  }
  DType type = dtype();
  Tensor x = Tensor::random(type, dims, rng), value = Tensor::random(type, {}, rng);
  for (const char* id : {"pad.reference", "pad.rows"}) {
    Tensor out(type, to);
    run_ok(id, params, {&x, &value}, {&out});
    for (int64_t flat = 0; flat < count_of(to); ++flat) {
      std::vector<int64_t> index = unravel(flat, to);
      bool outside = false;
      for (size_t d = 0; d < dims.size(); ++d) {
        int64_t i = index[d] - params.begins[d], n = dims[d];
        outside |= i < 0 || i >= n;
        switch (params.mode) {
          case PadMode::constant: break;
          case PadMode::edge: i = std::clamp<int64_t>(i, 0, n - 1); break;
          case PadMode::wrap: while (i < 0) i += n; while (i >= n) i -= n; break;
          case PadMode::reflect: i = mirrored(i, n); break;
        }
        index[d] = i;
      }
      if (outside && params.mode == PadMode::constant) expect_element(out, flat, value, 0);
      else expect_element(out, flat, x, ravel(index, dims));
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Move, testing::Range(0, 40));

TEST(MoveLarge, TransposesOfAttentionAndImages) {
  std::mt19937 rng(5);
  check_transpose("transpose.strided", Tensor::random(DType::f32, {2, 33, 5, 64}, rng), {0, 2, 1, 3});
  check_transpose("transpose.strided", Tensor::random(DType::f32, {2, 33, 5, 67}, rng), {0, 2, 3, 1});
  check_transpose("transpose.strided", Tensor::random(DType::f32, {2, 70, 19, 21}, rng), {0, 2, 3, 1});
  check_transpose("transpose.strided", Tensor::random(DType::f32, {130, 131}, rng), {1, 0});
  check_transpose("transpose.strided", Tensor::random(DType::i64, {130, 131}, rng), {1, 0});
}

TEST(MoveLarge, ConcatOfFewLongRows) {
  std::mt19937 rng(6);
  Tensor a = Tensor::random(DType::f32, {1, 40000}, rng), b = Tensor::random(DType::f32, {1, 70001}, rng);
  Tensor out(DType::f32, {1, 110001});
  run_ok("concat.rows", ConcatParams{1}, {&a, &b}, {&out});
  EXPECT_EQ(std::memcmp(out.data(), a.data(), 160000), 0);
  EXPECT_EQ(std::memcmp(out.data() + 160000, b.data(), 280004), 0);
}

TEST(MoveRefusals, ForgedParametersAreRefused) {
  std::mt19937 rng(7);
  Tensor x = Tensor::random(DType::f32, {3, 4}, rng), out(DType::f32, {4, 3});
  EXPECT_NE(refusal("transpose.strided", TransposeParams{2, {1, 1}}, {&x}, {&out}), "");
  EXPECT_NE(refusal("transpose.strided", TransposeParams{2, {1, 7}}, {&x}, {&out}), "");
  EXPECT_NE(refusal("transpose.strided", TransposeParams{2, {0, 1}}, {&x}, {&out}), "");
  EXPECT_NE(refusal("transpose.strided", TransposeParams{3, {0, 1, 2}}, {&x}, {&out}), "");
  Tensor part(DType::f32, {3, 2});
  EXPECT_NE(refusal("slice.strided", SliceParams{2, {0, 3}, {1, 1}}, {&x}, {&part}), "");
  EXPECT_NE(refusal("slice.strided", SliceParams{2, {0, -1}, {1, 1}}, {&x}, {&part}), "");
  EXPECT_NE(refusal("slice.strided", SliceParams{2, {0, 0}, {1, 0}}, {&x}, {&part}), "");
  EXPECT_NE(refusal("slice.strided", SliceParams{2, {0, 1}, {1, INT64_MAX}}, {&x}, {&part}), "");
  EXPECT_EQ(refusal("slice.strided", SliceParams{2, {0, 3}, {1, -2}}, {&x}, {&part}), "");
  EXPECT_NE(refusal("concat.rows", ConcatParams{2}, {&x}, {&out}), "");
  EXPECT_NE(refusal("concat.rows", ConcatParams{0}, {&x, &x}, {&out}), "");
  EXPECT_NE(refusal("pad.rows", PadParams{PadMode::reflect, 1, {0}}, {&x}, {&out}), "");
  EXPECT_NE(refusal("pad.rows", PadParams{PadMode::constant, 2, {INT64_MIN, 0}}, {&x}, {&out}), "");
  EXPECT_NE(refusal("pad.rows", PadParams{static_cast<PadMode>(9), 2, {0, 0}}, {&x}, {&out}), "");
}

int64_t stored_at(const Tensor& t, int64_t n, int64_t c, int64_t s, int64_t channels, int64_t positions) {
  const int64_t block = t.arg.format.block;
  switch (t.arg.format.layout) {
    case Layout::linear: return (n * channels + c) * positions + s;
    case Layout::channels_last: return (n * positions + s) * channels + c;
    case Layout::blocked: break;
  }
  return ((n * ((channels + block - 1) / block) + c / block) * positions + s) * block + c % block;
}

TEST(Reformat, EveryPairOfFormats) {
  std::mt19937 rng(8);
  const Format formats[] = {kLinear, kChannelsLast, blocked(8), blocked(16)};
  for (int64_t channels : {1, 3, 8, 13, 16, 24, 40})
    for (int64_t width : {1, 5, 23})
      for (Format from : formats)
        for (Format to : formats) {
          const std::vector<int64_t> dims{2, channels, 3, width};
          const int64_t positions = 3 * width;
          Tensor x = Tensor::random(DType::f32, dims, rng, from);
          for (const char* id : {"reformat.reference", "reformat.tiles"}) {
            Tensor out(DType::f32, dims, to);
            run_ok(id, {&x}, {&out});
            std::vector<uint32_t> values = out.values<uint32_t>(), seen(values.size(), 0);
            for (int64_t n = 0; n < 2; ++n)
              for (int64_t c = 0; c < channels; ++c)
                for (int64_t s = 0; s < positions; ++s) {
                  auto at = static_cast<size_t>(stored_at(out, n, c, s, channels, positions));
                  seen[at] = 1;
                  ASSERT_EQ(values[at], x.as<uint32_t>()[stored_at(x, n, c, s, channels, positions)])
                      << id << " " << describe(x.arg) << " to " << describe(out.arg);
                }
            for (size_t i = 0; i < values.size(); ++i)
              if (!seen[i]) {
                ASSERT_EQ(values[i], 0u) << id << ": padding lane " << i << " of " << describe(out.arg);
              }
          }
        }
}

TEST(Cast, NarrowsAsTheReferenceDoes) {
  const DType f32 = DType::f32;
  for (DType to : {DType::f16, DType::bf16}) {
    ProgramBuilder builder({&f32, 1});
    auto program = builder.finish(builder.cast(to, 0));
    ASSERT_TRUE(program.has_value());
    for (int64_t count : {1, 7, 8, 9, 100003}) {
      Tensor x(f32, {count}), want(to, {count}), out(to, {count});
      std::mt19937 rng(4);
      // Every exponent and sign, subnormals, infinities, NaN, and ties of both types among all bit patterns.
      for (int64_t i = 0; i < count; ++i) {
        const auto bits = static_cast<uint32_t>(rng());
        x.as<uint32_t>()[i] = i % 3 == 0 ? bits : i % 3 == 1 ? (bits & 0xffff0000u) | 0x8000u : (bits & 0xffffe000u) | 0x1000u;
      }
      run_ok("pointwise.reference", PointwiseParams{*program}, {&x}, {&want});
      run_ok("cast.narrow", {&x}, {&out});
      EXPECT_EQ(out.bytes(), want.bytes()) << name_of(to) << " of " << count;
    }
  }
  Tensor x(f32, {2, 5, 3, 3}, kChannelsLast), out(DType::f16, {2, 5, 3, 3}), other(DType::f16, {2, 5, 3}, kChannelsLast);
  EXPECT_NE(refusal("cast.narrow", {&x}, {&out}), "");
  EXPECT_NE(refusal("cast.narrow", {&x}, {&other}), "");
  EXPECT_NE(refusal("cast.narrow", {&out}, {&other}), "");
}

TEST(Concat, ChannelsOfBlockedAndChannelsLast) {
  std::mt19937 rng(9);
  for (Format format : {kChannelsLast, blocked(8), blocked(16)})
    for (int64_t axis : {0, 1, 2, 3}) {
      std::vector<int64_t> da{2, 16, 3, 5}, db = da, dy = da;
      db[static_cast<size_t>(axis)] = axis == 1 ? 32 : 4;
      dy[static_cast<size_t>(axis)] += db[static_cast<size_t>(axis)];
      Tensor a = Tensor::random(DType::f32, da, rng), b = Tensor::random(DType::f32, db, rng), want(DType::f32, dy);
      run_ok("concat.reference", ConcatParams{axis}, {&a, &b}, {&want});
      Tensor fa(DType::f32, da, format), fb(DType::f32, db, format), fy(DType::f32, dy, format), y(DType::f32, dy);
      run_ok("reformat.reference", {&a}, {&fa});
      run_ok("reformat.reference", {&b}, {&fb});
      run_ok("concat.rows", ConcatParams{axis}, {&fa, &fb}, {&fy});
      run_ok("reformat.reference", {&fy}, {&y});
      EXPECT_EQ(y.bytes(), want.bytes()) << name_of(format) << " axis " << axis;
    }
  Tensor odd(DType::f32, {1, 12, 2, 2}, blocked(8)), y(DType::f32, {1, 24, 2, 2}, blocked(8));
  EXPECT_NE(refusal("concat.rows", ConcatParams{1}, {&odd, &odd}, {&y}), "");
}

TEST(Iota, NumbersOfEachType) {
  Tensor i64(DType::i64, {4}), f32(DType::f32, {3}), i16(DType::i16, {2});
  run_ok("iota.reference", IotaParams{2, -3, 10}, {}, {&i64});
  EXPECT_EQ(i64.values<int64_t>(), (std::vector<int64_t>{12, 9, 6, 3}));
  run_ok("iota.reference", IotaParams{0.5, 0.25, 0}, {}, {&f32});
  EXPECT_EQ(f32.values<float>(), (std::vector<float>{0.5f, 0.75f, 1.0f}));
  run_ok("iota.reference", IotaParams{-1, 1, 0}, {}, {&i16});
  EXPECT_EQ(i16.values<int16_t>(), (std::vector<int16_t>{-1, 0}));
  EXPECT_NE(refusal("iota.reference", IotaParams{1e300, 1, 0}, {}, {&i64}), "");
}

TEST(ShapeValue, VectorsAndScalars) {
  Tensor vector(DType::i64, {3}), scalar(DType::i64, {});
  run_ok("shape_value.reference", ShapeValueParams{3, {5, 0, -7}}, {}, {&vector});
  EXPECT_EQ(vector.values<int64_t>(), (std::vector<int64_t>{5, 0, -7}));
  run_ok("shape_value.reference", ShapeValueParams{1, {9}}, {}, {&scalar});
  EXPECT_EQ(scalar.values<int64_t>(), (std::vector<int64_t>{9}));
  EXPECT_NE(refusal("shape_value.reference", ShapeValueParams{2, {1, 2}}, {}, {&vector}), "");
  EXPECT_NE(refusal("shape_value.reference", ShapeValueParams{1000, {}}, {}, {&vector}), "");
}

}  // namespace
}  // namespace tenon::test
