// The separable convolution: its reference against three convolutions, the vector kernels against the reference and, bit for
// bit, against the kernels of its parts.
#include "conv/layout.h"
#include "conv/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

struct Case {
  int64_t n, c, wide, o;            // channels of x, between, of the output; c or o 0: without that product
  std::vector<int64_t> in, kernel;  // of the depthwise convolution
  std::vector<int64_t> strides, dilations, pads;
};

enum class Fused { none, clamp, silu, channel, scaled, residual };

Program program_of(Fused fused) {
  const bool extra = fused == Fused::channel || fused == Fused::scaled || fused == Fused::residual;
  const DType f32[] = {DType::f32, DType::f32};
  ProgramBuilder b({f32, static_cast<size_t>(extra ? 2 : 1)});
  switch (fused) {
    case Fused::none: return {};
    // A lower bound above zero: padding lanes must stay zero all the same.
    case Fused::clamp:
      return *b.finish(b.binary(ExprOp::min, b.binary(ExprOp::max, 0, b.constant(DType::f32, 0.1)), b.constant(DType::f32, 2)));
    case Fused::silu: return *b.finish(b.binary(ExprOp::mul, 0, b.unary(ExprOp::sigmoid, 0)));
    case Fused::channel:
    case Fused::residual: return *b.finish(b.binary(ExprOp::max, b.binary(ExprOp::add, 0, 1), b.constant(DType::f32, -0.2)));
    case Fused::scaled: return *b.finish(b.binary(ExprOp::add, b.binary(ExprOp::mul, 0, 1), b.constant(DType::f32, 0.5)));
  }
  return {};
}

// The three convolutions with their weights, and what lies between them by the reference.
struct Problem {
  struct Stage {
    bool present = false;
    ConvParams params;
    Tensor w, bias, out;
    std::vector<Tensor> extras;
    bool biased = false;

    std::vector<const Tensor*> inputs(const Tensor* x, const Tensor* weight, const std::vector<Tensor>& more) const {
      std::vector<const Tensor*> all;
      if (x) all.push_back(x);
      all.push_back(weight);
      all.push_back(biased ? &bias : nullptr);
      for (const Tensor& e : more) all.push_back(&e);
      return all;
    }
  };
  Tensor x;
  Stage stage[kSeparableStages];

  Problem(const Case& c, Fused fused, bool with_bias) {
    std::mt19937 random(static_cast<uint32_t>(c.wide + c.in[0]));
    std::vector<int64_t> dims = {c.n, c.c ? c.c : c.wide};
    dims.insert(dims.end(), c.in.begin(), c.in.end());
    x = Tensor(DType::f32, dims).random(random);
    const Tensor* from = &x;
    for (int i = 0; i < kSeparableStages; ++i) {
      Stage& s = stage[i];
      s.present = i == kDepthwiseStage || (i == kExpandStage ? c.c : c.o) > 0;
      if (!s.present) continue;
      const bool plane = i == kDepthwiseStage, last = i == kProjectStage || (plane && c.o == 0);
      const int64_t o = i == kProjectStage ? c.o : c.wide;
      s.params.group = plane ? o : 1;
      std::vector<int64_t> w = {o, plane ? 1 : dims[1]};
      dims[1] = o;
      for (size_t d = 0; d < c.in.size(); ++d) {
        w.push_back(plane ? c.kernel[d] : 1);
        if (!plane) continue;
        s.params.strides[d] = c.strides.empty() ? 1 : c.strides[d];
        s.params.dilations[d] = c.dilations.empty() ? 1 : c.dilations[d];
        s.params.pads_begin[d] = c.pads.empty() ? 0 : c.pads[d];
        s.params.pads_end[d] = c.pads.empty() ? 0 : c.pads[c.in.size() + d];
        dims[2 + d] = (c.in[d] + s.params.pads_begin[d] + s.params.pads_end[d] - s.params.dilations[d] * (c.kernel[d] - 1) - 1) /
                          s.params.strides[d] +
                      1;
      }
      s.w = Tensor(DType::f32, w).random(random);
      s.bias = Tensor(DType::f32, {o}).random(random);
      s.biased = with_bias;
      const Fused own = fused == Fused::residual && !last ? Fused::clamp : fused;
      s.params.epilogue = program_of(own);
      std::vector<int64_t> channel(dims.size(), 1);
      channel[1] = o;
      if (own == Fused::scaled) channel[0] = c.n;
      if (own == Fused::channel || own == Fused::scaled) s.extras.push_back(Tensor(DType::f32, channel));
      if (own == Fused::residual) s.extras.push_back(Tensor(DType::f32, dims));
      for (Tensor& e : s.extras) e.random(random);
      s.out = Tensor(DType::f32, dims);
      EXPECT_OK(run("conv.reference", s.params, s.inputs(from, &s.w, s.extras), {&s.out}));
      from = &s.out;
    }
  }

  const Tensor& expected() const { return stage[stage[kProjectStage].present ? kProjectStage : kDepthwiseStage].out; }
};

// The problem as a vector kernel takes it.
struct Packed {
  SeparableParams params;
  Tensor x, weights[kSeparableStages];
  std::vector<Tensor> extras[kSeparableStages];
  std::vector<const Tensor*> inputs;
  Format block;

  Packed(const Problem& p, const std::string& isa, int64_t vectors, int64_t rows) {
    const int64_t lanes = isa == "avx512" ? 16 : 8;
    block = blocked(static_cast<uint8_t>(lanes));
    params.rows = rows;
    x = p.x.in(block);
    inputs.push_back(&x);
    for (int i = 0; i < kSeparableStages; ++i) {
      const Problem::Stage& s = p.stage[i];
      if (!s.present) continue;
      ConvPackedParams& to = params.stage[i];
      const bool plane = i == kDepthwiseStage;
      const ConvLayout layout = plane ? ConvLayout::depthwise : ConvLayout::blocked;
      to.conv = s.params;
      to.w_rank = s.w.arg().rank;
      std::copy(s.w.arg().dims, s.w.arg().dims + to.w_rank, to.w_dims);
      to.vectors = plane ? 1 : vectors;
      to.cache = (vectors + rows) % 2 ? kUsualCache : kLeastCache;
      ConvWeight weight{s.params.group, to.w_dims[0] / s.params.group, to.w_dims[1], 1};
      for (int64_t d = 2; d < to.w_rank; ++d) weight.taps *= to.w_dims[d];
      weights[i] = Tensor(DType::u8, {*conv_packed_bytes(layout, weight, lanes)});
      EXPECT_OK(run("conv.pack.f32." + isa, ConvPackParams{s.params.group, layout, to.vectors}, {&s.w}, {&weights[i]}));
      for (const Tensor& e : s.extras) extras[i].push_back(e.arg().count() == s.out.arg().count() ? e.in(block) : e);
      const auto own = s.inputs(nullptr, &weights[i], extras[i]);
      params.operands[i] = static_cast<int64_t>(own.size());
      inputs.insert(inputs.end(), own.begin(), own.end());
    }
  }

  Tensor output(const Tensor& like) const {
    return Tensor(DType::f32, {like.arg().dims, like.arg().dims + like.arg().rank}, block);
  }
};

// The kernels of its parts, one after the other.
Tensor apart(const Problem& p, const Packed& packed, const std::string& isa) {
  Tensor x = packed.x;
  for (int i = 0; i < kSeparableStages; ++i) {
    const Problem::Stage& s = p.stage[i];
    if (!s.present) continue;
    Tensor out = packed.output(s.out);
    const char* kernel = i == kDepthwiseStage ? "conv.depthwise.f32." : "conv.blocked.f32.";
    EXPECT_OK(run(kernel + isa, packed.params.stage[i], s.inputs(&x, &packed.weights[i], packed.extras[i]), {&out}));
    x = out;
  }
  return x;
}

void check(const Case& c, Fused fused, bool with_bias, int64_t vectors, int64_t rows) {
  const Problem p(c, fused, with_bias);
  for (const std::string& isa : instruction_sets()) {
    SCOPED_TRACE(fmt::format("{} x{} {} rows, {} to {} to {}, k{} s{}, fused {}", isa, vectors, rows, c.c, c.wide, c.o,
                             c.kernel.back(), c.strides.empty() ? 1 : c.strides.back(), static_cast<int>(fused)));
    const Packed packed(p, isa, vectors, rows);
    const Tensor expected = p.expected().in(packed.block), parts = apart(p, packed, isa);
    for (int threads : {1, 2, 3, 4}) {
      Tensor out = packed.output(p.expected());
      EXPECT_OK(run("conv.separable.f32." + isa, packed.params, packed.inputs, {&out}, threads));
      EXPECT_LT(distance(out, expected), 1e-5);
      EXPECT_TRUE(out.padding_is_zero());
      EXPECT_TRUE(same_bytes(out, parts)) << "other bits than the kernels of its parts, on " << threads << " threads";
    }
  }
}

const Case kCases[] = {
    {1, 16, 32, 24, {14, 14}, {3, 3}, {}, {}, {1, 1, 1, 1}},     {2, 24, 40, 9, {15, 17}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
    {1, 3, 17, 33, {7, 7}, {5, 5}, {}, {}, {2, 2, 2, 2}},        {1, 20, 70, 20, {14, 28}, {5, 5}, {2, 2}, {}, {1, 2, 2, 1}},
    {1, 16, 24, 16, {9, 30}, {7, 7}, {}, {}, {3, 3, 3, 3}},      {1, 8, 16, 8, {13, 9}, {3, 3}, {4, 4}, {}, {1, 1, 1, 1}},
    {1, 17, 33, 16, {12, 12}, {3, 3}, {}, {2, 3}, {2, 3, 2, 3}}, {1, 16, 16, 16, {3, 3}, {3, 3}, {}, {}, {5, 5, 5, 5}},
    {1, 16, 16, 16, {3, 3}, {5, 5}, {}, {}, {4, 4, 4, 4}},       {2, 33, 48, 40, {50}, {4}, {}, {}, {1, 2}},
    {1, 16, 16, 16, {2, 1}, {3, 3}, {}, {}, {1, 1, 1, 1}},       {3, 16, 16, 16, {11, 6}, {2, 3}, {1, 2}, {}, {0, 0, 1, 2}},
    {1, 24, 32, 24, {28, 40}, {3, 3}, {}, {}, {1, 1, 1, 1}},     // more than the least cache keeps
};

std::vector<Case> parts_of(const Case& c) {
  Case expand = c, project = c;
  expand.o = project.c = 0;
  return {c, expand, project};
}

TEST(Separable, ReferenceIsThreeConvolutions) {
  for (const Case& whole : kCases)
    for (const Case& c : parts_of(whole))
      for (Fused fused : {Fused::none, Fused::residual, Fused::scaled}) {
        const Problem p(c, fused, true);
        SeparableParams params;
        std::vector<const Tensor*> inputs = {&p.x};
        for (int i = 0; i < kSeparableStages; ++i) {
          if (!p.stage[i].present) continue;
          params.stage[i].conv = p.stage[i].params;
          const auto own = p.stage[i].inputs(nullptr, &p.stage[i].w, p.stage[i].extras);
          params.operands[i] = static_cast<int64_t>(own.size());
          inputs.insert(inputs.end(), own.begin(), own.end());
        }
        Tensor out(DType::f32, {p.expected().arg().dims, p.expected().arg().dims + p.expected().arg().rank});
        EXPECT_OK(run("conv.separable.reference", params, inputs, {&out}, 3));
        EXPECT_TRUE(same_bytes(out, p.expected()));
      }
}

TEST(Separable, EqualsReferenceAndParts) {
  for (const Case& whole : kCases)
    for (const Case& c : parts_of(whole))
      for (int64_t vectors = 1; vectors <= 4; ++vectors)
        for (int64_t rows : {1, 2, 3, 64}) check(c, Fused::clamp, vectors % 2 == 0, vectors, rows);
}

TEST(Separable, Epilogues) {
  for (const Case& c : parts_of(kCases[1]))
    for (Fused fused : {Fused::none, Fused::silu, Fused::channel, Fused::scaled, Fused::residual})
      for (bool with_bias : {false, true}) check(c, fused, with_bias, 2, 4);
}

TEST(Separable, Empty) {
  check({0, 16, 32, 16, {6, 6}, {3, 3}, {}, {}, {1, 1, 1, 1}}, Fused::none, true, 2, 4);
  check({1, 16, 32, 16, {0, 6}, {3, 3}, {}, {}, {2, 1, 2, 1}}, Fused::none, true, 2, 4);
}

TEST(Separable, RefusesForgedParameters) {
  for (const std::string& isa : instruction_sets()) {
    const Problem p(kCases[0], Fused::channel, true);
    const Packed good(p, isa, 2, 4);
    Tensor out = good.output(p.expected());
    const std::string id = "conv.separable.f32." + isa;
    ASSERT_TRUE(run(id, good.params, good.inputs, {&out}));
    auto refused = [&](auto&& forge) {
      Packed bad(p, isa, 2, 4);
      forge(bad);
      return !run(id, bad.params, bad.inputs, {&out});
    };
    for (int64_t rows : {-1, 0, 65}) EXPECT_TRUE(refused([&](Packed& b) { b.params.rows = rows; }));
    for (int i = 0; i < kSeparableStages; ++i) {
      for (int64_t count : {-1, 0, 2, 100})
        EXPECT_TRUE(refused([&](Packed& b) { b.params.operands[i] = count; })) << i << " " << count;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].w_dims[0] += 16; })) << i;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].w_dims[0] = -1; })) << i;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].w_rank = 9; })) << i;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].cache = -1; })) << i;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].conv.group = 2; })) << i;
      if (i == kDepthwiseStage) continue;
      for (int64_t vectors : {-1, 0, 5}) EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].vectors = vectors; })) << i;
      EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[i].conv.pads_begin[0] = b.params.stage[i].conv.strides[0] = 2; })) << i;
    }
    // Two spatial dims of rows that would not fit into the scratch, and operands that go with the whole output.
    EXPECT_TRUE(refused([&](Packed& b) { b.params.stage[kDepthwiseStage].conv.dilations[0] = int64_t{1} << 40; }));
    EXPECT_TRUE(refused([&](Packed& b) { b.extras[kExpandStage][0] = Tensor(DType::f32, {1, 32, 14, 14}, b.block); }));
    // Moving one operand from a convolution to the next changes what each of them is.
    EXPECT_TRUE(refused([&](Packed& b) { --b.params.operands[kExpandStage], ++b.params.operands[kDepthwiseStage]; }));
  }
}

}  // namespace
}  // namespace tenon::guarded
