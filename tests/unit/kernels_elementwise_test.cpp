// pointwise, reduce, softmax and norm kernels: references by hand, fast kernels against the references.
#include "norm/params.h"
#include "pointwise/params.h"
#include "reduce/params.h"
#include "softmax/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

std::vector<std::string> fast(const std::string& family) {
  std::vector<std::string> out;
  if (cpu_features() & kAvx2) out.push_back(family + ".avx2");
  if (cpu_features() & kAvx512) out.push_back(family + ".avx512");
  return out;
}

Program program(const char* text, size_t inputs) {
  static constexpr DType kTypes[16] = {DType::f32, DType::f32, DType::f32, DType::f32};
  auto parsed = parse_program(text, {kTypes, inputs});
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

void expect_near(const Tensor& got, const Tensor& want, float bound, const std::string& what) {
  for (int64_t i = 0, n = want.arg().count(); i < n; ++i) {
    const float a = got.as<float>()[i], b = want.as<float>()[i];
    if ((std::isnan(a) && std::isnan(b)) || a == b) continue;
    ASSERT_NEAR(a, b, bound * std::fmax(1.0f, std::fabs(b))) << what << " element " << i;
  }
}

// Both kernels on the same inputs; every fast one at 1 and 3 threads, which must agree bit for bit.
template <class P>
void compare(const std::string& reference, const std::string& family, const P& params, const std::vector<Tensor>& inputs,
             const std::vector<int64_t>& out_dims, float bound, const std::string& what) {
  std::vector<const Tensor*> in;
  for (const Tensor& t : inputs) in.push_back(t.arg().present() ? &t : nullptr);
  Tensor want(DType::f32, out_dims);
  auto done = run(reference, params, in, {&want});
  ASSERT_TRUE(done) << what << ": " << done.error().text();
  for (const std::string& id : fast(family)) {
    Tensor one(DType::f32, out_dims), three(DType::f32, out_dims);
    done = run(id, params, in, {&one});
    ASSERT_TRUE(done) << what << " " << id << ": " << done.error().text();
    ASSERT_TRUE(run(id, params, in, {&three}, 3));
    expect_near(one, want, bound, what + " " + id);
    EXPECT_EQ(std::memcmp(one.as<float>(), three.as<float>(), one.bytes()), 0) << what << " " << id;
  }
}

Tensor made(std::mt19937& random, std::vector<int64_t> dims) { return Tensor(DType::f32, std::move(dims)).random(random); }

TEST(Pointwise, BroadcastsLikeTheReference) {
  std::mt19937 random(std::random_device{}());
  struct Case { std::vector<int64_t> a, b, c, out; };
  const Case cases[] = {
      {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}}, {{2, 7, 9, 5}, {7, 1, 1}, {}, {2, 7, 9, 5}},
      {{3, 1, 5}, {4, 1}, {1, 4, 5}, {3, 4, 5}},                {{}, {}, {}, {}},
      {{1, 50, 33}, {33}, {50, 1}, {1, 50, 33}},                {{2, 0, 3}, {3}, {}, {2, 0, 3}},
      {{64, 1}, {1, 65}, {1}, {64, 65}},                        {{2, 1, 3, 1, 2, 1, 2, 3}, {2, 1}, {1}, {2, 1, 3, 1, 2, 1, 2, 3}},
  };
  for (const Case& shape : cases) {
    std::vector<Tensor> in = {made(random, shape.a), made(random, shape.b), made(random, shape.c)};
    for (const char* text : {"add(mul(x0, x1), x2)", "where(gt(x0, x1), tanh(x2), x0)", "max(add(add(x0, x1), x2), 0)"})
      compare("pointwise.reference", "pointwise.tile", PointwiseParams{program(text, 3)}, in, shape.out, 1e-5f,
              fmt::format("{} case {}", text, &shape - cases));
  }
}

TEST(Pointwise, ReferenceByHand) {
  Tensor a(DType::i64, {2, 1}), b(DType::i64, {3}), y(DType::i64, {2, 3});
  a.as<int64_t>()[0] = 10, a.as<int64_t>()[1] = 20;
  for (int i = 0; i < 3; ++i) b.as<int64_t>()[i] = i;
  const DType types[] = {DType::i64, DType::i64};
  ASSERT_TRUE(run("pointwise.reference", PointwiseParams{*parse_program("sub(x0, x1)", types)}, {&a, &b}, {&y}));
  const int64_t want[] = {10, 9, 8, 20, 19, 18};
  EXPECT_EQ(std::memcmp(y.as<int64_t>(), want, sizeof want), 0);
}

TEST(Pointwise, RefusesWhatDoesNotFit) {
  Tensor a(DType::f32, {2, 3}), b(DType::f32, {4}), y(DType::f32, {2, 3}), half(DType::f16, {3});
  const PointwiseParams params{program("add(x0, x1)", 2)};
  for (const char* id : {"pointwise.reference", "pointwise.tile.avx2"}) {
    EXPECT_FALSE(run(id, params, {&a, &b}, {&y}));
    EXPECT_FALSE(run(id, params, {&a, &half}, {&y}));
    EXPECT_FALSE(run(id, params, {&a}, {&y}));
    EXPECT_FALSE(run(id, params, {&a, &a}, {&b}));
    PointwiseParams forged = params;
    forged.program.code[0].b = 77;
    EXPECT_FALSE(run(id, forged, {&a, &a}, {&y}));
  }
}

TEST(Reduce, KindsAxesAndPrograms) {
  std::mt19937 random(std::random_device{}());
  const std::vector<std::vector<int64_t>> shapes = {{3, 5, 7, 9}, {2, 130, 49}, {4, 1, 700}, {5000}, {2, 3, 1, 600}, {6, 0, 4}};
  for (const auto& dims : shapes) {
    const auto rank = static_cast<int>(dims.size());
    for (uint64_t axes = 0; axes < (1u << rank); ++axes) {
      for (int kind = 0; kind <= static_cast<int>(ReduceKind::log_sum); ++kind) {
        ReduceParams params;
        params.kind = static_cast<ReduceKind>(kind);
        params.axes = axes;
        params.keep_dims = kind % 2;
        std::vector<int64_t> out, vector(1, dims.back());
        for (int i = 0; i < rank; ++i)
          if (!(axes >> i & 1) || params.keep_dims) out.push_back(axes >> i & 1 ? 1 : dims[static_cast<size_t>(i)]);
        std::vector<Tensor> in = {made(random, dims)};
        if (axes & 1) {
          params.prologue = program(params.kind == ReduceKind::log_sum ? "abs(mul(x0, x1))" : "mul(x0, x1)", 2);
          in.push_back(made(random, vector));
        } else if (params.kind == ReduceKind::log_sum) {
          params.prologue = program("abs(x0)", 1);
        }
        if (axes & 2) {
          params.epilogue = program("sub(mul(x0, 2), x1)", 2);
          in.push_back(made(random, {}));
        }
        compare("reduce.reference", "reduce.rows.f32", params, in, out, 2e-4f,
                fmt::format("kind {} axes {} rank {} of {}", kind, axes, rank, dims[0]));
      }
    }
  }
}

TEST(Reduce, ReferenceByHand) {
  Tensor x(DType::i32, {2, 3}), y(DType::i32, {2}), index(DType::i64, {1, 3});
  const int32_t values[] = {4, -2, 9, 9, 5, -2};
  std::copy(values, values + 6, x.as<int32_t>());
  auto reduced = [&](ReduceKind kind) {
    ReduceParams params;
    params.kind = kind;
    params.axes = 2;
    params.keep_dims = 0;
    EXPECT_TRUE(run("reduce.reference", params, {&x}, {&y}));
    return std::vector<int32_t>(y.as<int32_t>(), y.as<int32_t>() + 2);
  };
  EXPECT_EQ(reduced(ReduceKind::sum), (std::vector<int32_t>{11, 12}));
  EXPECT_EQ(reduced(ReduceKind::mean), (std::vector<int32_t>{3, 4}));
  EXPECT_EQ(reduced(ReduceKind::max), (std::vector<int32_t>{9, 9}));
  EXPECT_EQ(reduced(ReduceKind::min), (std::vector<int32_t>{-2, -2}));
  EXPECT_EQ(reduced(ReduceKind::prod), (std::vector<int32_t>{-72, -90}));
  EXPECT_EQ(reduced(ReduceKind::l1), (std::vector<int32_t>{15, 16}));
  ReduceParams params;
  params.kind = ReduceKind::arg_max_last;
  params.axes = 1;
  ASSERT_TRUE(run("reduce.reference", params, {&x}, {&index}));
  EXPECT_EQ(index.as<int64_t>()[0], 1);
  EXPECT_EQ(index.as<int64_t>()[1], 1);
  EXPECT_EQ(index.as<int64_t>()[2], 0);
  params.axes = 3;
  EXPECT_FALSE(run("reduce.reference", params, {&x}, {&index}));
}

TEST(Reduce, NaNWins) {
  std::mt19937 random(1);
  Tensor x = made(random, {3, 100}), want(DType::f32, {3});
  x.as<float>()[150] = NAN;
  for (ReduceKind kind : {ReduceKind::max, ReduceKind::min, ReduceKind::sum}) {
    ReduceParams params;
    params.kind = kind;
    params.axes = 2;
    params.keep_dims = 0;
    std::vector<std::string> ids = fast("reduce.rows.f32");
    ids.push_back("reduce.reference");
    for (const std::string& id : ids) {
      ASSERT_TRUE(run(id, params, {&x}, {&want}));
      EXPECT_FALSE(std::isnan(want.as<float>()[0])) << id;
      EXPECT_TRUE(std::isnan(want.as<float>()[1])) << id;
      EXPECT_FALSE(std::isnan(want.as<float>()[2])) << id;
    }
  }
}

TEST(Softmax, AxesAndPrograms) {
  std::mt19937 random(std::random_device{}());
  const std::vector<std::vector<int64_t>> shapes = {{2, 3, 50}, {7, 1, 33}, {4, 20, 300}, {1, 17, 16}, {3, 5000, 1}};
  for (const auto& dims : shapes) {
    for (int axis = 0; axis < 3; ++axis) {
      for (int log = 0; log < 2; ++log) {
        SoftmaxParams params;
        params.axis = axis;
        params.log = log;
        std::vector<Tensor> in = {made(random, dims)};
        compare("softmax.reference", "softmax.rows.f32", params, in, dims, 2e-6f, fmt::format("axis {} log {}", axis, log));
        params.prologue = program("add(mul(x0, 8), x1)", 2);
        in.push_back(made(random, {dims[0], 1, dims[2]}));
        params.epilogue = program("mul(x0, x1)", 2);
        in.push_back(made(random, {dims[1], 1}));
        compare("softmax.reference", "softmax.rows.f32", params, in, dims, 4e-6f,
                fmt::format("axis {} log {} programs", axis, log));
      }
    }
  }
}

TEST(Norm, LayerNormWithAndWithoutVectors) {
  std::mt19937 random(std::random_device{}());
  for (const auto& dims : std::vector<std::vector<int64_t>>{{2, 3, 768}, {5, 7, 33}, {1, 9000, 1}, {4, 1, 1}}) {
    for (int axis = 0; axis < 3; ++axis) {
      for (int given = 0; given < 4; ++given) {
        LayerNormParams params;
        params.axis = axis;
        params.epsilon = 1e-5f;
        const std::vector<int64_t> row(dims.begin() + axis, dims.end());
        std::vector<Tensor> in = {made(random, dims), given & 1 ? made(random, row) : Tensor(),
                                  given & 2 ? made(random, row) : Tensor()};
        compare("layer_norm.reference", "layer_norm.rows.f32", params, in, dims, 2e-5f, fmt::format("axis {}", axis));
        params.epilogue = program("add(x0, x1)", 2);
        in.push_back(made(random, dims));
        compare("layer_norm.reference", "layer_norm.rows.f32", params, in, dims, 2e-5f, fmt::format("axis {} epilogue", axis));
      }
    }
  }
}

TEST(Norm, LayerNormStatistics) {
  std::mt19937 random(std::random_device{}());
  Tensor x = made(random, {3, 40}), scale = made(random, {40});
  LayerNormParams params;
  params.axis = 1;
  params.epsilon = 1e-5f;
  Tensor y0(DType::f32, {3, 40}), mean0(DType::f32, {3, 1}), inverse0(DType::f32, {3, 1});
  ASSERT_TRUE(run("layer_norm.reference", params, {&x, &scale, nullptr}, {&y0, &mean0, &inverse0}));
  double sum = 0;
  for (int i = 0; i < 40; ++i) sum += x.as<float>()[40 + i];
  EXPECT_NEAR(mean0.as<float>()[1], sum / 40, 1e-6);
  for (const std::string& id : fast("layer_norm.rows.f32")) {
    Tensor y(DType::f32, {3, 40}), mean(DType::f32, {3, 1}), inverse(DType::f32, {3, 1});
    ASSERT_TRUE(run(id, params, {&x, &scale, nullptr}, {&y, &mean, &inverse}));
    expect_near(y, y0, 2e-5f, id);
    expect_near(mean, mean0, 1e-6f, id);
    expect_near(inverse, inverse0, 1e-5f, id);
  }
}

TEST(Norm, GroupNorm) {
  std::mt19937 random(std::random_device{}());
  for (const auto& dims : std::vector<std::vector<int64_t>>{{2, 6, 5, 7}, {1, 12, 100}, {3, 4}}) {
    for (int64_t groups : {int64_t{1}, int64_t{2}, dims[1]}) {
      if (dims.size() == 2 && groups == dims[1]) continue;  // one number has no variance
      GroupNormParams params;
      params.groups = groups;
      params.epsilon = 1e-3f;
      std::vector<Tensor> in = {made(random, dims), made(random, {dims[1]}), made(random, {dims[1]})};
      compare("group_norm.reference", "group_norm.rows.f32", params, in, dims, 1e-4f, fmt::format("{} groups", groups));
      params.epilogue = program("mul(x0, sigmoid(x0))", 1);
      compare("group_norm.reference", "group_norm.rows.f32", params, in, dims, 1e-4f, fmt::format("{} groups", groups));
    }
  }
  GroupNormParams params;
  params.groups = 4;
  Tensor x = made(random, {1, 6, 2}), v = made(random, {6}), y(DType::f32, {1, 6, 2});
  EXPECT_FALSE(run("group_norm.reference", params, {&x, &v, &v}, {&y}));
}

TEST(Norm, GroupNormOfBlockedTensors) {
  std::mt19937 random(std::random_device{}());
  struct Case { std::vector<int64_t> dims; int64_t groups; };
  const Case cases[] = {{{2, 32, 5, 7}, 8}, {{1, 64, 9, 300}, 2}, {{2, 12, 3, 3}, 3}, {{1, 20, 4, 4}, 20}, {{1, 48, 6, 6}, 3}};
  for (const std::string& isa : instruction_sets()) {
    const Format format = blocked(isa == "avx512" ? 16 : 8);
    for (const Case& c : cases) {
      GroupNormParams params;
      params.groups = c.groups;
      params.epsilon = 1e-3f;
      Tensor x = made(random, c.dims), scale = made(random, {c.dims[1]}), bias = made(random, {c.dims[1]});
      Tensor vector = made(random, {c.dims[1], 1, 1}), full = made(random, c.dims), want(DType::f32, c.dims);
      Tensor in = x.in(format), full_in = full.in(format), got(DType::f32, c.dims, format);
      ASSERT_TRUE(run("group_norm.reference", params, {&x, &scale, &bias}, {&want}));
      EXPECT_OK(run("group_norm.blocked.f32." + isa, params, {&in, &scale, &bias}, {&got}, 2));
      EXPECT_LT(distance(got, want.in(format)), 1e-5) << isa << " " << c.dims[1];
      EXPECT_TRUE(got.padding_is_zero());
      params.epilogue = program("add(sigmoid(mul(x0, x1)), add(x2, 1))", 3);
      ASSERT_TRUE(run("group_norm.reference", params, {&x, &scale, &bias, &vector, &full}, {&want}));
      EXPECT_OK(run("group_norm.blocked.f32." + isa, params, {&in, &scale, &bias, &vector, &full_in}, {&got}, 2));
      EXPECT_LT(distance(got, want.in(format)), 1e-5) << isa << " " << c.dims[1];
      EXPECT_TRUE(got.padding_is_zero());
    }
    GroupNormParams params;
    params.groups = 2;
    Tensor x(DType::f32, {1, 10, 2, 2}, format), v = made(random, {10}), y(DType::f32, {1, 10, 2, 2}, format);
    EXPECT_FALSE(run("group_norm.blocked.f32." + isa, params, {&x, &v, &v}, {&y}));  // groups of 5
  }
}

}  // namespace
}  // namespace tenon::guarded
