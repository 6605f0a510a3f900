// Elementwise and reducing kernels on channel-blocked tensors against the references on linear ones.
#include "pointwise/params.h"
#include "reduce/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

const DType kF32x4[4] = {DType::f32, DType::f32, DType::f32, DType::f32};

Format format_of(const std::string& isa) { return blocked(isa == "avx512" ? 16 : 8); }

TEST(Blocked, PointwiseEqualsReference) {
  std::mt19937 random(1);
  ProgramBuilder b(kF32x4);
  // exp makes the program non-zero at zero: padding lanes must be zero all the same.
  const uint8_t sum = b.binary(ExprOp::add, b.binary(ExprOp::mul, 0, 1), b.binary(ExprOp::mul, 2, 3));
  PointwiseParams params;
  params.program = *b.finish(b.unary(ExprOp::exp, sum));
  for (int64_t channels : {16, 21, 3, 40})
    for (int64_t size : {1, 7, 13}) {
      const std::vector<int64_t> dims = {2, channels, size, size + 1};
      Tensor x(DType::f32, dims), item(DType::f32, {2, channels, 1, 1}),
          channel(DType::f32, {channels, 1, 1}), scalar(DType::f32, {}), expected(DType::f32, dims);
      for (Tensor* t : {&x, &item, &channel, &scalar}) t->random(random);
      ASSERT_TRUE(run("pointwise.reference", params, {&x, &item, &channel, &scalar}, {&expected}));
      for (const std::string& isa : instruction_sets()) {
        const Format format = format_of(isa);
        const Tensor from = x.in(format), vector = item.in(format);
        for (const Tensor* per_item : {static_cast<const Tensor*>(&item), &vector})
          for (int threads : {1, 3}) {
            Tensor out(DType::f32, dims, format);
            EXPECT_OK(run("pointwise.blocked.f32." + isa, params, {&from, per_item, &channel, &scalar},
                          {&out}, threads));
            EXPECT_LT(distance(out, expected.in(format)), 1e-6);
            EXPECT_TRUE(out.padding_is_zero());
          }
      }
    }
}

TEST(Blocked, PointwiseRefusesOtherBroadcasts) {
  ProgramBuilder b({kF32x4, 2});
  PointwiseParams params;
  params.program = *b.finish(b.binary(ExprOp::add, 0, 1));
  for (const std::string& isa : instruction_sets()) {
    const Format format = format_of(isa);
    Tensor x(DType::f32, {1, 16, 3, 3}, format), row(DType::f32, {3}), out(DType::f32, {1, 16, 3, 3}, format),
        linear(DType::f32, {1, 16, 3, 3});
    EXPECT_FALSE(run("pointwise.blocked.f32." + isa, params, {&x, &row}, {&out}));
    EXPECT_FALSE(run("pointwise.blocked.f32." + isa, params, {&x, &linear}, {&out}));
    EXPECT_FALSE(run("pointwise.blocked.f32." + isa, params, {&x, &x}, {&linear}));
  }
}

TEST(Blocked, ReduceEqualsReference) {
  std::mt19937 random(2);
  for (ReduceKind kind : {ReduceKind::sum, ReduceKind::mean, ReduceKind::max})
    for (int32_t keep : {0, 1})
      for (int64_t channels : {16, 21})
        for (int64_t size : {1, 5, 17}) {
          ReduceParams params;
          params.kind = kind;
          params.keep_dims = keep;
          params.axes = 12;
          std::vector<int64_t> dims = {2, channels};
          if (keep) dims.insert(dims.end(), {1, 1});
          Tensor x(DType::f32, {2, channels, size, size}), expected(DType::f32, dims);
          x.random(random);
          ASSERT_TRUE(run("reduce.reference", params, {&x}, {&expected}));
          for (const std::string& isa : instruction_sets()) {
            const Tensor from = x.in(format_of(isa));
            Tensor linear(DType::f32, dims);
            EXPECT_OK(run("reduce.blocked.f32." + isa, params, {&from}, {&linear}, 2));
            EXPECT_LT(distance(linear, expected), 1e-6);
            if (!keep) continue;
            Tensor in_blocks(DType::f32, dims, format_of(isa));
            EXPECT_OK(run("reduce.blocked.f32." + isa, params, {&from}, {&in_blocks}, 2));
            EXPECT_LT(distance(in_blocks, expected.in(format_of(isa))), 1e-6);
            EXPECT_TRUE(in_blocks.padding_is_zero());
          }
        }
}

}  // namespace
}  // namespace tenon::guarded
