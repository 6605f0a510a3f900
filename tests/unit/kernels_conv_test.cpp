// Convolution kernels: the references against sums by hand, the vector kernels against the references.
#include "conv/layout.h"
#include "conv/params.h"
#include "matmul/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

struct Case {
  int64_t n, c, o, group;
  std::vector<int64_t> in, kernel;
  std::vector<int64_t> strides, dilations, pads;  // empty: 1, 1, 0
};

int64_t at(const std::vector<int64_t>& values, size_t i, int64_t fallback) {
  return values.empty() ? fallback : values[i];
}

ConvParams params_of(const Case& c) {
  ConvParams p;
  p.group = c.group;
  for (size_t i = 0; i < c.in.size(); ++i) {
    p.strides[i] = at(c.strides, i, 1);
    p.dilations[i] = at(c.dilations, i, 1);
    p.pads_begin[i] = at(c.pads, i, 0);
    p.pads_end[i] = at(c.pads, c.in.size() + i, 0);
  }
  return p;
}

std::vector<int64_t> out_dims(const Case& c, const ConvParams& p) {
  std::vector<int64_t> dims = {c.n, c.o};
  for (size_t i = 0; i < c.in.size(); ++i)
    dims.push_back((c.in[i] + p.pads_begin[i] + p.pads_end[i] - p.dilations[i] * (c.kernel[i] - 1) - 1) /
                       p.strides[i] +
                   1);
  return dims;
}

std::vector<int64_t> join(int64_t a, int64_t b, const std::vector<int64_t>& rest) {
  std::vector<int64_t> out = {a, b};
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

const DType kF32x3[3] = {DType::f32, DType::f32, DType::f32};

enum class Fused { none, relu6, residual_relu, channel, channel_residual, silu, channel_silu, residual_silu, scaled };

Program program_of(Fused fused) {
  ProgramBuilder b(
      {kF32x3, static_cast<size_t>(fused == Fused::none || fused == Fused::relu6 || fused == Fused::silu ? 1
                                   : fused == Fused::channel_residual                                    ? 3
                                                                      : 2)});
  auto bounded = [&](uint8_t x, double low) { return b.binary(ExprOp::max, x, b.constant(DType::f32, low)); };
  switch (fused) {
    case Fused::none: return {};
    case Fused::relu6: return *b.finish(b.binary(ExprOp::min, bounded(0, 0), b.constant(DType::f32, 0.3)));
    // A lower bound above zero: padding lanes must stay zero all the same.
    case Fused::residual_relu: return *b.finish(bounded(b.binary(ExprOp::add, 0, 1), 0.25));
    case Fused::channel: return *b.finish(bounded(b.binary(ExprOp::add, 0, 1), 0));
    case Fused::channel_residual: return *b.finish(b.binary(ExprOp::add, b.binary(ExprOp::add, 0, 1), 2));
    case Fused::silu: return *b.finish(b.binary(ExprOp::mul, 0, b.unary(ExprOp::sigmoid, 0)));
    case Fused::channel_silu:
    case Fused::residual_silu: {
      const uint8_t sum = b.binary(ExprOp::add, 0, 1);
      return *b.finish(b.binary(ExprOp::mul, b.unary(ExprOp::sigmoid, sum), sum));
    }
    case Fused::scaled:
      return *b.finish(b.binary(ExprOp::add, b.binary(ExprOp::mul, 0, 1), b.constant(DType::f32, 1)));
  }
  return {};
}

struct Problem {
  ConvParams params;
  Tensor x, w, bias, expected;
  std::vector<Tensor> extras;
  bool biased;

  // `rounded`: x and w are numbers that bf16 holds.
  Problem(const Case& c, Fused fused, bool with_bias, uint32_t seed, bool rounded = false)
      : params(params_of(c)), biased(with_bias) {
    std::mt19937 random(seed);
    params.epilogue = program_of(fused);
    x = Tensor(DType::f32, join(c.n, c.c, c.in)).random(random);
    w = Tensor(DType::f32, join(c.o, c.c / c.group, c.kernel)).random(random);
    if (rounded) x.round(), w.round();
    bias = Tensor(DType::f32, {c.o}).random(random);
    const std::vector<int64_t> dims = out_dims(c, params);
    std::vector<int64_t> channel(dims.size(), 1);
    channel[1] = c.o;
    std::vector<int64_t> item = channel;
    item[0] = c.n;
    if (fused == Fused::channel || fused == Fused::channel_residual || fused == Fused::channel_silu)
      extras.push_back(Tensor(DType::f32, channel));
    if (fused == Fused::residual_relu || fused == Fused::channel_residual || fused == Fused::residual_silu)
      extras.push_back(Tensor(DType::f32, dims));
    if (fused == Fused::scaled) extras.push_back(Tensor(DType::f32, item));
    for (Tensor& e : extras) e.random(random);
    expected = Tensor(DType::f32, dims);
    EXPECT_OK(run("conv.reference", params, inputs(x, w, extras), {&expected}));
  }

  std::vector<const Tensor*> inputs(const Tensor& left, const Tensor& right,
                                    const std::vector<Tensor>& more) const {
    std::vector<const Tensor*> out = {&left, &right, biased ? &bias : nullptr};
    for (const Tensor& e : more) out.push_back(&e);
    return out;
  }
  // Extras with the output's dims in its format.
  std::vector<Tensor> extras_in(Format format) const {
    std::vector<Tensor> out;
    for (const Tensor& e : extras)
      out.push_back(e.arg().count() == expected.arg().count() && e.arg().rank == expected.arg().rank
                        ? e.in(format)
                        : e);
    return out;
  }
};

// w of one tap, packed for Strassen's product.
Tensor packed_strassen(const Tensor& w, const std::string& isa, int64_t vectors) {
  MatmulPackParams pack;
  const int rank = w.arg().rank;
  for (int i = 0; i < rank; ++i) pack.perm_b[i] = static_cast<int8_t>(i + 2 < rank ? i + 2 : rank - 1 - i);
  pack.vectors = vectors;
  Tensor blob(DType::u8, {*strassen_b_bytes(w.arg().dims[1], w.arg().dims[0], isa == "avx512" ? 16 : 8)});
  EXPECT_OK(run("matmul.pack_strassen.f32." + isa, pack, {&w}, {&blob}));
  return blob;
}

// Runs one kernel with packed weights and holds it against the reference; `in`, `out`: formats. Kernels of bf16 get operands
// that are rounded already.
void check(const std::string& kernel, const std::string& isa, ConvLayout layout, const Case& c, Fused fused,
           bool with_bias, int64_t vectors, bool blocked_in, bool blocked_out, double bound = 1e-5) {
  const bool bf16 = kernel.ends_with(".bf16");
  const int64_t lanes = isa == "avx512" ? 16 : 8;
  const Format block = blocked(static_cast<uint8_t>(lanes));
  Problem p(c, fused, with_bias, static_cast<uint32_t>(c.c * 7 + c.o + vectors), bf16);
  const bool turned = layout == ConvLayout::transposed;
  ConvWeight weight{c.group, turned ? p.w.arg().dims[1] : c.o / c.group, c.c / c.group, 1};
  for (int64_t k : c.kernel) weight.taps *= k;
  Tensor blob(DType::u8, {*conv_packed_bytes(layout, weight, lanes, bf16 ? 2 : 1)});
  if (layout == ConvLayout::strassen)
    blob = packed_strassen(p.w, isa, vectors);
  else
    EXPECT_OK(run((bf16 ? "conv.pack.bf16." : "conv.pack.f32.") + isa, ConvPackParams{c.group, layout, vectors}, {&p.w}, {&blob}));
  ConvPackedParams params;
  params.conv = p.params;
  params.w_rank = p.w.arg().rank;
  std::copy(p.w.arg().dims, p.w.arg().dims + p.w.arg().rank, params.w_dims);
  params.vectors = vectors;
  params.cache = (vectors + c.in.back()) % 2 ? kUsualCache : kLeastCache;
  if (layout == ConvLayout::winograd2 || layout == ConvLayout::winograd4) params.rows = layout == ConvLayout::winograd2 ? 2 : 4;
  if (layout == ConvLayout::winograd_line6) params.rows = 7 - weight.taps;
  if (layout == ConvLayout::winograd_line8) params.rows = 9 - weight.taps;
  const Tensor x = blocked_in ? p.x.in(block) : p.x;
  const std::vector<Tensor> extras = p.extras_in(blocked_out ? block : kLinear);
  const Tensor expected = blocked_out ? p.expected.in(block) : p.expected;
  const std::vector<int64_t> dims(expected.arg().dims, expected.arg().dims + expected.arg().rank);
  Tensor one(DType::f32, dims, expected.arg().format), three = one;
  const std::string where = fmt::format("{}.{} x{} n{} c{} o{} g{} k{} fused {}", kernel, isa, vectors, c.n,
                                        c.c, c.o, c.group, c.kernel.back(), static_cast<int>(fused));
  SCOPED_TRACE(where);
  EXPECT_OK(run(kernel + "." + isa, params, p.inputs(x, blob, extras), {&one}));
  EXPECT_LT(distance(one, expected), bound);
  EXPECT_TRUE(one.padding_is_zero());
  for (params.together = 0; params.together < (layout == ConvLayout::strassen ? 2 : 1); ++params.together) {
    three = Tensor(DType::f32, dims, expected.arg().format);
    EXPECT_OK(run(kernel + "." + isa, params, p.inputs(x, blob, extras), {&three}, 3));
    EXPECT_TRUE(same_bytes(one, three)) << "threads change the result";
  }
}

const Case kPlain[] = {
    {1, 16, 32, 1, {7, 7}, {1, 1}, {}, {}, {}},
    {2, 33, 40, 1, {9, 13}, {1, 1}, {}, {}, {}},
    {1, 20, 24, 1, {8, 9}, {1, 1}, {2, 2}, {}, {}},
    {1, 24, 33, 1, {12, 15}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {2, 16, 48, 1, {7, 7}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {1, 17, 16, 1, {14, 14}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
    {1, 16, 16, 1, {15, 11}, {5, 3}, {1, 2}, {2, 3}, {0, 3, 4, 1}},
    {1, 8, 9, 1, {30}, {5}, {2}, {}, {2, 2}},
    {1, 16, 16, 1, {4, 5, 6}, {3, 2, 3}, {1, 2, 1}, {}, {1, 0, 1, 1, 1, 1}},
    {1, 3, 5, 1, {40, 3}, {2, 2}, {3, 3}, {}, {1, 1, 1, 1}},
    {1, 16, 16, 1, {2, 2}, {3, 3}, {}, {}, {3, 3, 3, 3}},
    {2, 24, 40, 1, {50, 1}, {5, 1}, {2, 1}, {}, {2, 0, 1, 0}},
    {1, 16, 16, 1, {30, 1, 1}, {3, 1, 1}, {}, {2, 1, 1}, {1, 0, 0, 1, 0, 0}},
    {1, 70, 100, 1, {30, 31}, {1, 1}, {}, {}, {}},
    {1, 40, 24, 1, {25, 30}, {3, 3}, {}, {}, {1, 1, 1, 1}},  // more input than a chunk for the least cache
    {1, 40, 24, 1, {25, 31}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
};

TEST(Conv, ReferenceSums) {
  // One channel, one tap row: y[i] = 1 + x[i] * 2 + x[i + 1] * 3.
  Tensor x(DType::f32, {1, 1, 4}), w(DType::f32, {1, 1, 2}), bias(DType::f32, {1}), y(DType::f32, {1, 1, 3});
  for (int i = 0; i < 4; ++i) x.as<float>()[i] = static_cast<float>(i);
  w.as<float>()[0] = 2, w.as<float>()[1] = 3, bias.as<float>()[0] = 1;
  ASSERT_TRUE(run("conv.reference", ConvParams{}, {&x, &w, &bias}, {&y}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(y.as<float>()[i], 1.0f + 2.0f * i + 3.0f * (i + 1));
}

TEST(Conv, TransposeReferenceIsTheAdjoint) {
  // <conv(x), y> == <x, conv_transpose(y)> with the same weights and window.
  std::mt19937 random(5);
  for (int64_t group : {1, 2}) {
    ConvParams p;
    p.group = group;
    p.strides[0] = 2, p.strides[1] = 3, p.dilations[1] = 2, p.pads_begin[0] = 1, p.pads_end[1] = 2;
    Tensor x(DType::f64, {2, 4, 9, 12}), w(DType::f64, {6, 4 / group, 3, 2});
    x.random(random), w.random(random);
    const int64_t h = (9 + 1 - 3) / 2 + 1, v = (12 + 2 - 3) / 3 + 1;
    Tensor y(DType::f64, {2, 6, h, v}), z(DType::f64, {2, 6, h, v}), back(DType::f64, {2, 4, 9, 12});
    ASSERT_TRUE(run("conv.reference", p, {&x, &w}, {&z}));
    y.random(random);
    ConvParams q = p;
    q.output_padding[0] = 9 - ((h - 1) * 2 + 3 - 1);
    q.output_padding[1] = 12 - ((v - 1) * 3 + 3 - 2);
    EXPECT_OK(run("conv_transpose.reference", q, {&y, &w}, {&back}));
    double left = 0, right = 0;
    for (int64_t i = 0; i < y.arg().count(); ++i) left += z.as<double>()[i] * y.as<double>()[i];
    for (int64_t i = 0; i < x.arg().count(); ++i) right += x.as<double>()[i] * back.as<double>()[i];
    EXPECT_NEAR(left, right, 1e-9 * std::abs(left) + 1e-9);
  }
}

TEST(Conv, BlockedEqualsReference) {
  for (const std::string& isa : instruction_sets())
    for (const Case& c : kPlain)
      for (int64_t vectors = 1; vectors <= 4; ++vectors)
        check("conv.blocked.f32", isa, ConvLayout::blocked, c, Fused::none, vectors % 2 == 0, vectors, true,
              true);
}

TEST(Conv, BlockedPairsEqualReference) {
  if (pair_instruction_sets().empty()) GTEST_SKIP() << "this processor does not have AVX512_BF16";
  for (const std::string& isa : pair_instruction_sets()) {
    for (const Case& c : kPlain)
      for (int64_t vectors = 1; vectors <= 4; ++vectors)
        check("conv.blocked.bf16", isa, ConvLayout::blocked, c, Fused::none, vectors % 2 == 0, vectors, true, true);
    const Case grouped[] = {{2, 96, 48, 3, {6, 7}, {3, 3}, {}, {}, {1, 1, 1, 1}}, {2, 64, 32, 2, {9, 30}, {1, 1}, {}, {}, {}},
                            {1, 64, 64, 2, {9, 9}, {1, 1}, {2, 2}, {}, {}}};
    for (const Case& c : grouped)
      for (int64_t vectors = 1; vectors <= 2; ++vectors)
        check("conv.blocked.bf16", isa, ConvLayout::blocked, c, Fused::residual_relu, true, vectors, true, true);
  }
}

TEST(Conv, BlockedGroups) {
  for (const std::string& isa : instruction_sets()) {
    const int64_t lanes = isa == "avx512" ? 16 : 8;
    const Case c{2, 3 * lanes, 6 * lanes, 3, {6, 7}, {3, 3}, {}, {}, {1, 1, 1, 1}};
    for (int64_t vectors = 1; vectors <= 4; ++vectors)
      check("conv.blocked.f32", isa, ConvLayout::blocked, c, Fused::residual_relu, true, vectors, true, true);
  }
}

constexpr Fused kAllFused[] = {Fused::relu6, Fused::residual_relu, Fused::channel,       Fused::channel_residual,
                               Fused::silu,  Fused::channel_silu,  Fused::residual_silu, Fused::scaled};

TEST(Conv, BlockedEpilogues) {
  for (const std::string& isa : instruction_sets())
    for (Fused fused : kAllFused)
      for (bool with_bias : {false, true}) {
        check("conv.blocked.f32", isa, ConvLayout::blocked, kPlain[1], fused, with_bias, 2, true, true);
        check("conv.blocked.f32", isa, ConvLayout::blocked, kPlain[3], fused, with_bias, 2, true, true);
      }
}

TEST(Conv, FirstLayerEqualsReference) {
  const Case cases[] = {
      {1, 3, 32, 1, {30, 31}, {7, 7}, {2, 2}, {}, {3, 3, 3, 3}},
      {2, 3, 24, 1, {17, 19}, {3, 3}, {2, 2}, {}, {0, 0, 1, 1}},
      {1, 1, 16, 1, {40}, {4}, {4}, {}, {}},
      {1, 4, 20, 1, {32, 32}, {8, 8}, {8, 8}, {}, {}},
      {1, 2, 33, 1, {9, 9}, {3, 3}, {}, {2, 2}, {2, 2, 2, 2}},
      {1, 3, 64, 1, {63, 61}, {3, 3}, {2, 2}, {}, {}},               // tiles of two sizes
      {1, 3, 70, 1, {64, 64}, {3, 3}, {}, {}, {1, 1, 1, 1}},         // more tiles than a chunk has
      {2, 1, 16, 1, {1500}, {9}, {}, {}, {4, 4}},                    // one row, cut between threads
      {3, 1, 130, 1, {9, 7}, {3, 3}, {}, {}, {1, 1, 1, 1}},          // two rows a tile, an odd last one
      {1, 3, 48, 1, {8, 8}, {4, 4}, {4, 4}, {}, {}},                 // two rows a tile, no padding
      {2, 2, 20, 1, {3, 5, 6}, {2, 3, 3}, {1, 2, 1}, {}, {1, 1, 1, 0, 1, 1}},
      {1, 3, 40, 1, {20, 40, 1}, {3, 5, 1}, {1, 2, 1}, {}, {1, 2, 0, 1, 2, 0}},
      {1, 4, 300, 1, {2, 1}, {1, 1}, {}, {}, {}},                    // few tiles, panels shared between threads
      {1, 2, 16, 1, {4, 5}, {3, 3}, {}, {4, 4}, {6, 6, 6, 6}},       // taps reach farther than the input
      {1, 2, 16, 1, {6, 30}, {3, 40}, {}, {}, {2, 60, 2, 60}},       // tiles of nothing but padding
      {1, 1, 16, 1, {7, 33}, {1, 1}, {3, 5}, {}, {}},                // one product a sum
      {1, 3, 16, 1, {4, 300}, {1, 1}, {int64_t{1} << 30, 1}, {}, {}},  // a stride far beyond the input
  };
  for (const std::string& isa : instruction_sets())
    for (const Case& c : cases)
      for (int64_t vectors = 1; vectors <= 4; ++vectors)
        check("conv.first.f32", isa, ConvLayout::first, c, vectors % 2 ? Fused::relu6 : Fused::none, vectors != 2, vectors, false,
              true);
}

TEST(Conv, FirstLayerEpilogues) {
  const Case cases[] = {{2, 3, 20, 1, {17, 19}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}}, {1, 3, 70, 1, {40, 41}, {3, 3}, {}, {}, {}}};
  for (const std::string& isa : instruction_sets())
    for (const Case& c : cases)
      for (Fused fused : kAllFused)
        for (bool with_bias : {false, true}) check("conv.first.f32", isa, ConvLayout::first, c, fused, with_bias, 2, false, true);
}

TEST(Conv, DepthwiseEqualsReference) {
  const Case cases[] = {
      {1, 32, 32, 32, {14, 14}, {3, 3}, {}, {}, {1, 1, 1, 1}},     {2, 20, 20, 20, {15, 17}, {3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
      {1, 40, 40, 40, {7, 7}, {5, 5}, {}, {}, {2, 2, 2, 2}},       {1, 16, 16, 16, {14, 28}, {5, 5}, {2, 2}, {}, {1, 2, 2, 1}},
      {1, 24, 24, 24, {9, 30}, {7, 7}, {}, {}, {3, 3, 3, 3}},      {1, 8, 8, 8, {9, 9}, {3, 3}, {3, 3}, {}, {1, 1, 1, 1}},
      {1, 17, 17, 17, {12, 12}, {3, 3}, {}, {2, 2}, {2, 2, 2, 2}}, {1, 16, 16, 16, {2, 1}, {3, 3}, {}, {}, {1, 1, 1, 1}},
      {1, 16, 16, 16, {3, 3}, {3, 3}, {}, {}, {5, 5, 5, 5}},       {1, 16, 16, 16, {3, 3}, {5, 5}, {}, {}, {4, 4, 4, 4}},
      {1, 18, 18, 18, {6, 19}, {5, 5}, {2, 2}, {}, {3, 4, 4, 1}},  {2, 33, 33, 33, {50}, {4}, {}, {}, {1, 2}},
      {1, 200, 200, 200, {17, 9}, {3, 3}, {}, {}, {1, 1, 1, 1}},
  };
  for (const std::string& isa : instruction_sets()) {
    for (const Case& c : cases)
      check("conv.depthwise.f32", isa, ConvLayout::depthwise, c, Fused::relu6, true, 1, true, true);
    for (Fused fused : kAllFused)
      check("conv.depthwise.f32", isa, ConvLayout::depthwise, cases[1], fused, false, 1, true, true);
  }
}

const Case kWinograd[] = {
    {1, 16, 32, 1, {8, 8}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {2, 33, 40, 1, {9, 13}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {1, 24, 70, 1, {30, 31}, {3, 3}, {}, {}, {0, 0, 0, 0}},
    {3, 70, 17, 1, {7, 7}, {3, 3}, {}, {}, {1, 0, 2, 1}},
    {1, 16, 16, 1, {2, 1}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {1, 16, 16, 1, {1, 40}, {3, 3}, {}, {}, {3, 3, 3, 3}},
    {1, 32, 32, 1, {40, 41}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {0, 16, 16, 1, {4, 4}, {3, 3}, {}, {}, {1, 1, 1, 1}},
    {1, 200, 136, 1, {7, 9}, {3, 3}, {}, {}, {1, 1, 1, 1}},  // filters so large that threads share the tiles
};

TEST(Conv, StrassenEqualsReference) {
  const Case cases[] = {
      {1, 96, 128, 1, {13, 13}, {1, 1}, {}, {}, {}},  {2, 128, 112, 1, {5, 4}, {1, 1}, {}, {}, {}},
      {1, 160, 200, 1, {28, 29}, {1, 1}, {}, {}, {}}, {1, 1600, 96, 1, {7, 7}, {1, 1}, {}, {}, {}},  // slabs of channels
      {1, 96, 1000, 1, {3}, {1}, {}, {}, {}},         {1, 96, 640, 1, {9, 9}, {1, 1}, {}, {}, {}},
      {1, 1600, 640, 1, {6, 9}, {1, 1}, {}, {}, {}},  {1, 64, 96, 1, {2, 3, 17}, {1, 1, 1}, {}, {}, {}},
  };
  for (const std::string& isa : instruction_sets())
    for (const Case& c : cases)
      for (int64_t vectors : {2, isa == "avx512" ? 4 : 3}) {
        check("conv.strassen.f32", isa, ConvLayout::strassen, c, Fused::none, true, vectors, true, true);
        check("conv.strassen.f32", isa, ConvLayout::strassen, c, Fused::residual_relu, false, vectors, true, true);
      }
}

TEST(Conv, StrassenEpilogues) {
  for (const std::string& isa : instruction_sets())
    for (Fused fused : kAllFused)
      for (bool with_bias : {false, true})
        check("conv.strassen.f32", isa, ConvLayout::strassen, {2, 1600, 104, 1, {6, 5}, {1, 1}, {}, {}, {}}, fused, with_bias, 2, true, true);
}

// Pixels of very different size meet in no sum, and one that is not finite spoils no other.
TEST(Conv, StrassenKeepsPixelsApart) {
  for (const std::string& isa : instruction_sets()) {
    const Format block = blocked(isa == "avx512" ? 16 : 8);
    Problem p({1, 96, 96, 1, {10, 10}, {1, 1}, {}, {}, {}}, Fused::none, false, 21);
    for (int64_t c = 0; c < 96; ++c)
      for (int64_t i = 0; i < 50; ++i) p.x.as<float>()[c * 100 + i] *= 1e6f;
    p.x.as<float>()[7] = std::numeric_limits<float>::infinity();
    EXPECT_OK(run("conv.reference", p.params, {&p.x, &p.w, nullptr}, {&p.expected}));
    ConvPackedParams params;
    params.conv = p.params;
    params.w_rank = 4;
    std::copy(p.w.arg().dims, p.w.arg().dims + 4, params.w_dims);
    params.vectors = 2;
    const Tensor x = p.x.in(block), blob = packed_strassen(p.w, isa, 2);
    Tensor y(DType::f32, {1, 96, 10, 10}, block);
    EXPECT_OK(run("conv.strassen.f32." + isa, params, {&x, &blob, nullptr}, {&y}));
    const Tensor expected = p.expected.in(block);
    const int64_t lanes = isa == "avx512" ? 16 : 8;
    for (int64_t i = 0; i < 96 * 100; ++i) {
      const int64_t pixel = i / lanes % 100;
      if (pixel == 7) continue;
      ASSERT_NEAR(y.as<float>()[i], expected.as<float>()[i], pixel < 50 ? 20 : 2e-5) << i;
    }
  }
}

TEST(Conv, StrassenRefusesForgedParameters) {
  const Problem p({1, 96, 96, 1, {6, 6}, {1, 1}, {}, {}, {}}, Fused::none, true, 4);
  for (const std::string& isa : instruction_sets()) {
    const Format block = blocked(isa == "avx512" ? 16 : 8);
    const Tensor blob = packed_strassen(p.w, isa, 2), x = p.x.in(block);
    Tensor out(DType::f32, {1, 96, 6, 6}, block);
    ConvPackedParams good;
    good.conv = p.params;
    good.w_rank = 4;
    std::copy(p.w.arg().dims, p.w.arg().dims + 4, good.w_dims);
    good.vectors = 2;
    auto refused = [&](auto&& change) {
      ConvPackedParams params = good;
      change(params);
      return !run("conv.strassen.f32." + isa, params, {&x, &blob, &p.bias}, {&out});
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 5; }));
    EXPECT_TRUE(refused([](auto& q) { q.cache = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[0] = 128; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[2] = 3; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[1] = 80; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.group = 2; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.strides[0] = 2; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.pads_begin[0] = 1, q.conv.pads_end[0] = -1; }));
  }
}

TEST(Conv, WinogradRefusesACacheOutOfRange) {
  const Problem p({1, 16, 16, 1, {6, 6}, {3, 3}, {}, {}, {1, 1, 1, 1}}, Fused::none, true, 4);
  for (const std::string& isa : instruction_sets()) {
    const Format block = blocked(isa == "avx512" ? 16 : 8);
    const Tensor x = p.x.in(block);
    Tensor blob(DType::u8, {*conv_packed_bytes(ConvLayout::winograd4, {1, 16, 16, 9}, block.block)}), out(DType::f32, {1, 16, 6, 6}, block);
    EXPECT_OK(run("conv.pack.f32." + isa, ConvPackParams{1, ConvLayout::winograd4, 2}, {&p.w}, {&blob}));
    ConvPackedParams params;
    params.conv = p.params;
    params.w_rank = 4;
    std::copy(p.w.arg().dims, p.w.arg().dims + 4, params.w_dims);
    params.vectors = 2, params.rows = 4;
    EXPECT_OK(run("conv.winograd.f32." + isa, params, {&x, &blob, &p.bias}, {&out}));
    for (int64_t cache : {int64_t{-1}, kLeastCache - 1, kMostCache + 1}) {
      params.cache = cache;
      EXPECT_FALSE(run("conv.winograd.f32." + isa, params, {&x, &blob, &p.bias}, {&out})) << cache;
    }
  }
}

TEST(Conv, WinogradEqualsReference) {
  for (const std::string& isa : instruction_sets())
    for (ConvLayout layout : {ConvLayout::winograd2, ConvLayout::winograd4}) {
      for (const Case& c : kWinograd)
        for (int64_t vectors = 1; vectors <= 4; ++vectors)
          check("conv.winograd.f32", isa, layout, c, Fused::none, vectors % 2 == 0, vectors, true, true);
      for (Fused fused : kAllFused)
        for (bool with_bias : {false, true}) check("conv.winograd.f32", isa, layout, kWinograd[1], fused, with_bias, 2, true, true);
    }
}

// The values of tiles and filters are rounded after their transforms have added up to four and nine numbers, each by at most 2^-9
// of itself: about what rounding the operands of the sum would do.
TEST(Conv, WinogradPairsAreNearReference) {
  if (pair_instruction_sets().empty()) GTEST_SKIP() << "this processor does not have AVX512_BF16";
  constexpr double kBound = 5e-3;
  for (const std::string& isa : pair_instruction_sets()) {
    for (const Case& c : kWinograd) {
      const bool small = std::min(c.in[0], c.in[1]) < 3;  // outputs of few inputs each: what rounding leaves does not average out
      for (int64_t vectors = 1; vectors <= 4; ++vectors)
        check("conv.winograd.bf16", isa, ConvLayout::winograd2, c, Fused::none, vectors % 2 == 0, vectors, true, true,
              small ? 4 * kBound : kBound);
    }
    for (Fused fused : kAllFused)  // bounds make the norm smaller, not the error
      check("conv.winograd.bf16", isa, ConvLayout::winograd2, kWinograd[1], fused, true, 2, true, true, 4 * kBound);
  }
}

TEST(Conv, WinogradLineEqualsReference) {
  const Case cases[] = {
      {1, 16, 32, 1, {30, 1}, {5, 1}, {}, {}, {0, 0, 0, 0}},
      {2, 33, 40, 1, {9, 13}, {3, 1}, {}, {}, {1, 0, 1, 0}},
      {1, 24, 70, 1, {30, 11}, {1, 5}, {}, {}, {0, 2, 0, 3}},
      {3, 70, 17, 1, {27}, {4}, {}, {}, {1, 2}},
      {1, 16, 16, 1, {1}, {3}, {}, {}, {1, 1}},
      {1, 40, 16, 1, {3, 9, 4}, {1, 5, 1}, {}, {}, {0, 4, 0, 0, 4, 0}},
      {1, 256, 48, 1, {508}, {5}, {}, {}, {2, 2}},
      {0, 16, 16, 1, {9}, {3}, {}, {}, {1, 1}},
  };
  const Case longer[] = {{1, 20, 24, 1, {17, 5}, {7, 1}, {}, {}, {3, 0, 3, 0}}, {1, 20, 24, 1, {40}, {6}, {}, {}, {0, 5}}};
  for (const std::string& isa : instruction_sets())
    for (ConvLayout layout : {ConvLayout::winograd_line6, ConvLayout::winograd_line8}) {
      for (const Case& c : cases)
        for (int64_t vectors = 1; vectors <= 4; ++vectors)
          check("conv.winograd_line.f32", isa, layout, c, Fused::none, vectors % 2 == 0, vectors, true, true);
      for (Fused fused : kAllFused)
        for (bool with_bias : {false, true})
          check("conv.winograd_line.f32", isa, layout, cases[1], fused, with_bias, 2, true, true);
      if (layout == ConvLayout::winograd_line8)
        for (const Case& c : longer) check("conv.winograd_line.f32", isa, layout, c, Fused::relu6, true, 2, true, true);
    }
}

TEST(Conv, LinearEqualsReference) {
  for (const std::string& isa : instruction_sets()) {
    for (const Case& c : kPlain)
      check("conv.linear.f32", isa, ConvLayout::linear, c, Fused::relu6, true, 2, false, false);
    const Case grouped{2, 6, 9, 3, {9, 8}, {3, 2}, {2, 1}, {1, 2}, {1, 1, 0, 1}};
    for (Fused fused : kAllFused)
      for (bool with_bias : {false, true})
        check("conv.linear.f32", isa, ConvLayout::linear, grouped, fused, with_bias, 2, false, false);
  }
}

TEST(Conv, LinearTakesWeightsThatAreNotPacked) {
  for (const std::string& isa : instruction_sets()) {
    const Problem p({2, 6, 10, 2, {9, 8}, {3, 3}, {}, {}, {1, 1, 1, 1}}, Fused::silu, true, 4);
    ConvPackedParams params;
    params.conv = p.params;
    Tensor out(DType::f32, {2, 10, 9, 8});
    EXPECT_OK(run("conv.linear.f32." + isa, params, p.inputs(p.x, p.w, p.extras), {&out}, 2));
    EXPECT_LT(distance(out, p.expected), 1e-5);
  }
}

struct Transposed {
  int64_t n, c, o, group;
  std::vector<int64_t> in, kernel, strides, dilations, pads, more;
};

struct TransposedProblem {
  ConvPackedParams params;
  ConvWeight weight;
  Tensor x, w, bias, e1, e2, expected;

  TransposedProblem(const Transposed& shape, uint32_t seed) {
    std::mt19937 random(seed);
    ConvParams& p = params.conv;
    p.group = shape.group;
    const size_t spatial = shape.in.size();
    std::vector<int64_t> dims = {shape.n, shape.o};
    for (size_t i = 0; i < spatial; ++i) {
      p.strides[i] = shape.strides[i], p.dilations[i] = shape.dilations[i],
      p.output_padding[i] = shape.more[i];
      p.pads_begin[i] = shape.pads[i], p.pads_end[i] = shape.pads[spatial + i];
      dims.push_back(p.strides[i] * (shape.in[i] - 1) + shape.more[i] +
                     p.dilations[i] * (shape.kernel[i] - 1) + 1 - p.pads_begin[i] - p.pads_end[i]);
    }
    p.epilogue = program_of(Fused::channel_residual);
    std::vector<int64_t> channel(dims.size(), 1);
    channel[1] = shape.o;
    x = Tensor(DType::f32, join(shape.n, shape.c, shape.in));
    w = Tensor(DType::f32, join(shape.c, shape.o / shape.group, shape.kernel));
    bias = Tensor(DType::f32, {shape.o});
    e1 = Tensor(DType::f32, channel), e2 = Tensor(DType::f32, dims), expected = e2;
    for (Tensor* t : {&x, &w, &bias, &e1, &e2}) t->random(random);
    weight = {shape.group, shape.o / shape.group, shape.c / shape.group, 1};
    for (int64_t k : shape.kernel) weight.taps *= k;
    params.w_rank = w.arg().rank;
    std::copy(w.arg().dims, w.arg().dims + w.arg().rank, params.w_dims);
  }
  void expect(Fused fused) {
    params.conv.epilogue = program_of(fused);
    EXPECT_OK(run("conv_transpose.reference", params.conv, inputs(x, w, fused), {&expected}));
  }
  // Programs of no operand, a channel's, a channel's and a full one.
  std::vector<const Tensor*> inputs(const Tensor& left, const Tensor& right, Fused fused, const Tensor* full = nullptr) const {
    std::vector<const Tensor*> out = {&left, &right, fused == Fused::channel ? nullptr : &bias};
    if (fused == Fused::channel || fused == Fused::channel_residual) out.push_back(&e1);
    if (fused == Fused::channel_residual) out.push_back(full ? full : &e2);
    return out;
  }
  Tensor packed(const std::string& isa, ConvLayout layout, int64_t vectors) const {
    Tensor blob(DType::u8, {*conv_packed_bytes(layout, weight, isa == "avx512" ? 16 : 8)});
    EXPECT_OK(run("conv.pack.f32." + isa, ConvPackParams{weight.group, layout, vectors}, {&w}, {&blob}));
    return blob;
  }
};

const Transposed kTransposed[] = {
    {1, 16, 8, 1, {7, 9}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {2, 6, 4, 2, {5, 6}, {3, 4}, {2, 3}, {1, 2}, {1, 0, 2, 1}, {1, 0}},
    {1, 3, 5, 1, {11}, {4}, {3}, {1}, {-1, -2}, {2}},
    {1, 4, 4, 4, {3, 4, 5}, {2, 3, 2}, {1, 2, 2}, {1, 1, 1}, {0, 1, 0, 0, 1, 1}, {0, 0, 1}},
};

TEST(Conv, TransposedProductEqualsReference) {
  for (const Transposed& shape : kTransposed) {
    TransposedProblem p(shape, 9);
    const Fused fused = Fused::channel_residual;
    p.expect(fused);
    for (const std::string& isa : instruction_sets()) {
      Tensor one = Tensor(DType::f32, {p.expected.arg().dims, p.expected.arg().dims + p.expected.arg().rank}), two = one;
      ConvPackedParams plain = p.params;
      plain.w_rank = 0;
      EXPECT_OK(run("conv_transpose.product.f32." + isa, plain, p.inputs(p.x, p.w, fused), {&one}));
      EXPECT_LT(distance(one, p.expected), 1e-5);
      const Tensor blob = p.packed(isa, ConvLayout::transposed, 2);
      EXPECT_OK(run("conv_transpose.product.f32." + isa, p.params, p.inputs(p.x, blob, fused), {&two}, 3));
      EXPECT_TRUE(same_bytes(one, two));
    }
  }
}

TEST(Conv, TransposedBlockedEqualsReference) {
  std::vector<Transposed> shapes(std::begin(kTransposed), std::end(kTransposed));
  const Transposed more[] = {
      {1, 33, 40, 1, {4, 4}, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, {0, 0}},      // rows of a few pixels, two at a time
      {2, 20, 70, 1, {9, 31}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {1, 16, 24, 1, {6, 5}, {3, 2}, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},      // one phase
      {1, 8, 9, 1, {5, 5}, {1, 2}, {3, 4}, {1, 1}, {0, 0, 0, 0}, {2, 3}},        // phases without taps
      {1, 17, 16, 1, {1, 1}, {4, 4}, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
      {1, 24, 16, 1, {200}, {16}, {8}, {1}, {4, 4}, {0}},                        // one row, cut into columns
      {1, 16, 16, 1, {130, 1}, {4, 1}, {2, 1}, {1, 1}, {1, 0, 1, 0}, {0, 0}},
      {1, 16, 16, 1, {6, 6}, {3, 3}, {2, 2}, {3, 2}, {4, 0, 1, 3}, {0, 1}},      // dilations that share factors with strides
      {2, 32, 32, 2, {5, 6}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {1, 16, 16, 1, {3, 4, 5}, {3, 2, 4}, {2, 1, 2}, {1, 1, 1}, {1, 0, 1, 0, 1, 1}, {1, 0, 0}},
      {1, 32, 24, 1, {40, 30}, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, {0, 0}},    // more input than a chunk for the least cache: of rows,
      {1, 16, 16, 1, {1, 2500}, {1, 3}, {1, 2}, {1, 1}, {0, 1, 0, 1}, {0, 1}},   // of columns
  };
  shapes.insert(shapes.end(), std::begin(more), std::end(more));
  for (const Transposed& shape : shapes) {
    TransposedProblem p(shape, 11);
    for (Fused fused : {Fused::none, Fused::channel, Fused::channel_residual, Fused::silu, Fused::relu6}) {
      p.expect(fused);
      for (const std::string& isa : instruction_sets()) {
        const int64_t lanes = isa == "avx512" ? 16 : 8;
        if (shape.group > 1 && (p.weight.cg % lanes != 0 || p.weight.og % lanes != 0)) continue;
        const Format block = blocked(static_cast<uint8_t>(lanes));
        const Tensor x = p.x.in(block), full = p.e2.in(block), expected = p.expected.in(block);
        for (int64_t vectors = 1; vectors <= 4; ++vectors) {
          SCOPED_TRACE(fmt::format("{} x{} c{} o{} k{} fused {}", isa, vectors, shape.c, shape.o, shape.kernel.back(), static_cast<int>(fused)));
          const Tensor blob = p.packed(isa, ConvLayout::transposed_blocked, vectors);
          ConvPackedParams params = p.params;
          params.vectors = vectors;
          params.cache = vectors % 2 ? kUsualCache : kLeastCache;
          Tensor one(DType::f32, {p.expected.arg().dims, p.expected.arg().dims + p.expected.arg().rank}, block), three = one;
          EXPECT_OK(run("conv_transpose.blocked.f32." + isa, params, p.inputs(x, blob, fused, &full), {&one}));
          EXPECT_LT(distance(one, expected), 1e-5);
          EXPECT_TRUE(one.padding_is_zero());
          EXPECT_OK(run("conv_transpose.blocked.f32." + isa, params, p.inputs(x, blob, fused, &full), {&three}, 3));
          EXPECT_TRUE(same_bytes(one, three)) << "threads change the result";
        }
      }
    }
  }
}

TEST(Conv, TransposedBlockedRefusesForgedParameters) {
  TransposedProblem p(kTransposed[0], 3);
  p.params.conv.epilogue = {};
  for (const std::string& isa : instruction_sets()) {
    const Format block = blocked(isa == "avx512" ? 16 : 8);
    const Tensor x = p.x.in(block), blob = p.packed(isa, ConvLayout::transposed_blocked, 2);
    Tensor out(DType::f32, {p.expected.arg().dims, p.expected.arg().dims + p.expected.arg().rank}, block);
    ConvPackedParams good = p.params;
    good.vectors = 2;
    auto refused = [&](auto&& change) {
      ConvPackedParams params = good;
      change(params);
      return !run("conv_transpose.blocked.f32." + isa, params, {&x, &blob, &p.bias}, {&out});
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 5; }));
    EXPECT_TRUE(refused([](auto& q) { q.cache = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_rank = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[1] = 9; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[3] = int64_t{1} << 60; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.strides[0] = 3; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.pads_begin[0] = 1; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.group = 2; }));
  }
}

TEST(Conv, RefusesForgedParameters) {
  const Problem p({1, 16, 16, 1, {6, 6}, {3, 3}, {}, {}, {1, 1, 1, 1}}, Fused::none, true, 4);
  for (const std::string& isa : instruction_sets()) {
    const int64_t lanes = isa == "avx512" ? 16 : 8;
    const Format block = blocked(static_cast<uint8_t>(lanes));
    Tensor blob(DType::u8, {*conv_packed_bytes(ConvLayout::blocked, {1, 16, 16, 9}, lanes)});
    const Tensor x = p.x.in(block);
    Tensor out(DType::f32, {1, 16, 6, 6}, block);
    ConvPackedParams good;
    good.conv = p.params;
    good.w_rank = 4;
    std::copy(p.w.arg().dims, p.w.arg().dims + 4, good.w_dims);
    good.vectors = 2;
    const std::string id = "conv.blocked.f32." + isa;
    auto refused = [&](auto&& change) {
      ConvPackedParams params = good;
      change(params);
      return !run(id, params, {&x, &blob, &p.bias}, {&out});
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.vectors = 9; }));
    EXPECT_TRUE(refused([](auto& q) { q.cache = kMostCache + 1; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_rank = 200; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[0] = 17; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[2] = int64_t{1} << 62; }));
    EXPECT_TRUE(refused([](auto& q) { q.w_dims[2] = -3, q.w_dims[3] = -3; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.group = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.group = 2; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.strides[1] = 0; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.pads_begin[0] = -1, q.conv.pads_end[0] = 3; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.dilations[0] = int64_t{1} << 61; }));
    EXPECT_TRUE(refused([](auto& q) { q.conv.epilogue.size = 40; }));
    EXPECT_FALSE(run(id, good, {&p.x, &blob, &p.bias}, {&out}));
  }
}

}  // namespace
}  // namespace tenon::guarded
