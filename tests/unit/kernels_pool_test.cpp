// Pooling kernels: the reference by hand, the vector kernels against the reference.
#include "pool/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

struct Case {
  std::vector<int64_t> x, kernel, strides, dilations, pads;
  bool ceil;
};

PoolParams params_of(const Case& c, PoolKind kind, bool include_pad) {
  PoolParams p;
  p.kind = kind;
  p.ceil_mode = c.ceil;
  p.count_include_pad = include_pad;
  for (size_t i = 0; i < c.kernel.size(); ++i) {
    p.kernel[i] = c.kernel[i];
    p.strides[i] = c.strides[i];
    p.dilations[i] = c.dilations[i];
    p.pads_begin[i] = c.pads[i];
    p.pads_end[i] = c.pads[c.kernel.size() + i];
  }
  return p;
}

std::vector<int64_t> out_dims(const Case& c) {
  std::vector<int64_t> dims = {c.x[0], c.x[1]};
  for (size_t i = 0; i < c.kernel.size(); ++i) {
    const int64_t room =
        c.x[2 + i] + c.pads[i] + c.pads[c.kernel.size() + i] - c.dilations[i] * (c.kernel[i] - 1) - 1;
    int64_t d = room / c.strides[i] + 1;
    if (c.ceil) {
      d = (room + c.strides[i] - 1) / c.strides[i] + 1;
      if ((d - 1) * c.strides[i] >= c.x[2 + i] + c.pads[i]) --d;
    }
    dims.push_back(d);
  }
  return dims;
}

const Case kCases[] = {
    {{1, 20, 15, 17}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
    {{2, 16, 8, 9}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, true},
    {{1, 5, 13, 12}, {3, 2}, {1, 3}, {2, 2}, {2, 0, 1, 1}, true},
    {{2, 3, 40}, {5}, {3}, {1}, {2, 2}, false},
    {{1, 9, 5, 6, 7}, {2, 3, 3}, {1, 2, 2}, {1, 1, 2}, {0, 1, 1, 1, 1, 0}, true},
    {{2, 18, 9, 33}, {3, 3}, {2, 2}, {1, 1}, {0, 0, 0, 0}, false},
    {{1, 17, 12, 30}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, true},
    {{1, 16, 7, 21}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, false},
    {{1, 9, 6, 27}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, true},
    {{2, 20, 41, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},  // rows enough for threads to divide
    {{0, 20, 41, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
};

TEST(Pool, ReferenceYieldsMaximaAndIndices) {
  Tensor x(DType::f32, {1, 1, 2, 3}), y(DType::f32, {1, 1, 1, 2}), i(DType::i64, {1, 1, 1, 2});
  const float values[] = {1, 5, 2, 4, 3, 6};
  std::copy(values, values + 6, x.as<float>());
  PoolParams p;
  p.kernel[0] = p.kernel[1] = 2;
  ASSERT_TRUE(run("pool.reference", p, {&x}, {&y, &i}));
  EXPECT_EQ(y.as<float>()[0], 5);
  EXPECT_EQ(y.as<float>()[1], 6);
  EXPECT_EQ(i.as<int64_t>()[0], 1);
  EXPECT_EQ(i.as<int64_t>()[1], 5);
  p.storage_order = 1;  // columns first
  ASSERT_TRUE(run("pool.reference", p, {&x}, {&y, &i}));
  EXPECT_EQ(i.as<int64_t>()[0], 2);
  p.kind = PoolKind::average;
  ASSERT_TRUE(run("pool.reference", p, {&x}, {&y}));
  EXPECT_EQ(y.as<float>()[0], 3.25f);
  p.kind = PoolKind::lp;
  ASSERT_TRUE(run("pool.reference", p, {&x}, {&y}));
  EXPECT_FLOAT_EQ(y.as<float>()[0], std::sqrt(51.0f));
}

TEST(Pool, RowsEqualReference) {
  std::mt19937 random(3);
  for (const Case& c : kCases)
    for (PoolKind kind : {PoolKind::max, PoolKind::average})
      for (bool include_pad : {false, true}) {
        const PoolParams params = params_of(c, kind, include_pad);
        Tensor x = Tensor(DType::f32, c.x).random(random), expected(DType::f32, out_dims(c));
        ASSERT_TRUE(run("pool.reference", params, {&x}, {&expected}));
        for (const std::string& isa : instruction_sets()) {
          const Format block = blocked(isa == "avx512" ? 16 : 8);
          Tensor linear(DType::f32, out_dims(c)), in_blocks(DType::f32, out_dims(c), block);
          EXPECT_OK(run("pool.linear.f32." + isa, params, {&x}, {&linear}, 2));
          EXPECT_LT(distance(linear, expected), 1e-6);
          const Tensor from = x.in(block);
          EXPECT_OK(run("pool.blocked.f32." + isa, params, {&from}, {&in_blocks}, 2));
          EXPECT_LT(distance(in_blocks, expected.in(block)), 1e-6);
          for (int threads : {1, 3}) {
            Tensor other(DType::f32, out_dims(c), block);
            EXPECT_OK(run("pool.blocked.f32." + isa, params, {&from}, {&other}, threads));
            EXPECT_TRUE(same_bytes(other, in_blocks)) << "threads change the result";
          }
        }
      }
}

TEST(Pool, MaximumKeepsNan) {
  for (const std::string& isa : instruction_sets())
    for (int64_t where = 0; where < 4; ++where) {
      Tensor x(DType::f32, {1, 1, 2, 2}), y(DType::f32, {1, 1, 1, 1});
      for (int64_t i = 0; i < 4; ++i) x.as<float>()[i] = i == where ? NAN : 1.0f;
      PoolParams p;
      p.kernel[0] = p.kernel[1] = 2;
      ASSERT_TRUE(run("pool.reference", p, {&x}, {&y}));
      EXPECT_TRUE(std::isnan(y.as<float>()[0]));
      EXPECT_OK(run("pool.linear.f32." + isa, p, {&x}, {&y}));
      EXPECT_TRUE(std::isnan(y.as<float>()[0]));
      const Format block = blocked(isa == "avx512" ? 16 : 8);
      Tensor z(DType::f32, {1, 1, 1, 1}, block), from = x.in(block);
      EXPECT_OK(run("pool.blocked.f32." + isa, p, {&from}, {&z}));
      EXPECT_TRUE(std::isnan(z.as<float>()[0]));
    }
}

// Also in rows of many outputs, and beside infinities.
TEST(Pool, MaximumKeepsNanInWideRows) {
  const Case cases[] = {{{1, 3, 4, 13}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
                        {{1, 3, 4, 9}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false},
                        {{1, 3, 4, 13}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, false}};
  for (const std::string& isa : instruction_sets())
    for (const Case& c : cases) {
      const PoolParams params = params_of(c, PoolKind::max, false);
      const Format block = blocked(isa == "avx512" ? 16 : 8);
      const int64_t plane = c.x[2] * c.x[3];
      for (int64_t where = 0; where < plane; ++where) {
        Tensor x(DType::f32, c.x), expected(DType::f32, out_dims(c)), y(DType::f32, out_dims(c), block);
        for (int64_t i = 0; i < 3 * plane; ++i)
          x.as<float>()[i] = i % 4 ? static_cast<float>(i % 11) : i % 8 ? -INFINITY : INFINITY;
        x.as<float>()[plane + where] = NAN;
        ASSERT_TRUE(run("pool.reference", params, {&x}, {&expected}));
        const Tensor from = x.in(block);
        EXPECT_OK(run("pool.blocked.f32." + isa, params, {&from}, {&y}));
        const Tensor linear = y.in(kLinear);
        for (int64_t i = 0; i < expected.arg().count(); ++i) {
          const float want = expected.as<float>()[i], got = linear.as<float>()[i];
          EXPECT_TRUE(want == got || (std::isnan(want) && std::isnan(got))) << isa << " " << where << " " << i;
        }
      }
    }
}

TEST(Pool, RefusesWrongDims) {
  Tensor x(DType::f32, {1, 1, 4, 4}), y(DType::f32, {1, 1, 3, 3}), wrong(DType::f32, {1, 1, 3, 4});
  PoolParams p;
  p.kernel[0] = p.kernel[1] = 2;
  EXPECT_OK(run("pool.reference", p, {&x}, {&y}));
  EXPECT_FALSE(run("pool.reference", p, {&x}, {&wrong}));
  p.strides[0] = 0;
  EXPECT_FALSE(run("pool.reference", p, {&x}, {&y}));
}

}  // namespace
}  // namespace tenon::guarded
