// Convolutions of the oneDNN module against the reference kernel.
#include "onednn/params.h"
#include "unit/onednn_harness.h"

namespace tenon::testing {
namespace {

struct Case {
  int spatial = 2;
  int64_t n = 1, c = 3, o = 8, group = 1;
  int64_t size = 9, kernel = 3, stride = 1, dilation = 1, pad = 1;
  OnednnConvLayout layout = OnednnConvLayout::blocked;
  int64_t block = 16;
  Format x = blocked(16), y = blocked(16);
  bool bias = true;
  const char* epilogue = "";
  // Per extra: s same dims, c one value a channel, 1 one value.
  std::string extras;
  bool sum = false, aliased = false;
  int threads = 1;
};

std::string describe(const Case& c) {
  return fmt::format("{}d n{} c{} o{} g{} size{} k{} s{} d{} p{} layout{} b{} {} {} bias{} '{}' {} sum{}{} threads{}", c.spatial, c.n,
                     c.c, c.o, c.group, c.size, c.kernel, c.stride, c.dilation, c.pad, static_cast<int>(c.layout), c.block,
                     name_of(c.x), name_of(c.y), c.bias, c.epilogue, c.extras, c.sum, c.aliased, c.threads);
}

std::vector<int64_t> dims(int64_t a, int64_t b, int spatial, int64_t size) {
  std::vector<int64_t> out{a, b};
  out.insert(out.end(), static_cast<size_t>(spatial), size);
  return out;
}

OnednnConvParams params_of(const Case& c, const Tensor& w) {
  OnednnConvParams p;
  for (int i = 0; i < c.spatial; ++i) {
    p.conv.strides[i] = c.stride;
    p.conv.dilations[i] = c.dilation;
    p.conv.pads_begin[i] = c.pad;
    p.conv.pads_end[i] = c.pad;
  }
  p.conv.group = c.group;
  if (*c.epilogue) p.conv.epilogue = program(c.epilogue, static_cast<int>(c.extras.size()) + 1);
  p.layout = c.layout;
  p.block = c.block;
  p.w_rank = w.arg.rank;
  std::copy(w.arg.dims, w.arg.dims + w.arg.rank, p.w_dims);
  return p;
}

Tensor pack(const OnednnConvParams& p, const Tensor& w) {
  const auto bytes = onednn_conv_bytes(p.layout, p.block, p.conv.group, p.w_rank, p.w_dims);
  if (!bytes) ADD_FAILURE() << "no such packing";
  Tensor packed = Tensor::make(DType::u8, {bytes.value_or(0)});
  const OnednnConvPackParams pack{p.conv.group, p.layout, p.block};
  const Status status = run("onednn.conv.pack", pack, {w}, {packed});
  EXPECT_TRUE(status) << text(status);
  return packed;
}

void check(const Case& c, uint32_t seed) {
  SCOPED_TRACE(describe(c));
  Random random(seed);
  const int64_t out = (c.size + 2 * c.pad - c.dilation * (c.kernel - 1) - 1) / c.stride + 1;
  const Tensor w = random.tensor(dims(c.o, c.c / c.group, c.spatial, c.kernel));
  const OnednnConvParams p = params_of(c, w);
  const Tensor packed = pack(p, w);
  packed.memory->freeze();
  // One packed weight for several batch sizes.
  for (int64_t n : {c.n, c.n + 2}) {
    const Tensor x = random.tensor(dims(n, c.c, c.spatial, c.size));
    const Tensor bias = c.bias ? random.tensor({c.o}) : Tensor::absent();
    std::vector<Tensor> reference_inputs{x, w, bias}, inputs{x.to(c.x), packed, bias};
    for (char kind : c.extras) {
      std::vector<int64_t> extra_dims = kind == 's' ? dims(n, c.o, c.spatial, out)
                                      : kind == 'c' ? dims(1, c.o, c.spatial, 1)
                                                    : std::vector<int64_t>{1};
      const Tensor extra = random.tensor(extra_dims);
      reference_inputs.push_back(extra);
      inputs.push_back(kind == 's' ? extra.to(c.y) : extra);
    }
    Tensor expected = Tensor::make(DType::f32, dims(n, c.o, c.spatial, out));
    Status status = run("conv.reference", p.conv, reference_inputs, {expected});
    ASSERT_TRUE(status) << text(status);
    Tensor actual = c.aliased ? inputs[3] : Tensor::make(DType::f32, dims(n, c.o, c.spatial, out), c.y);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].memory && inputs[i].memory != actual.memory) inputs[i].memory->freeze();
    status = run(c.sum ? "onednn.conv_sum.f32" : "onednn.conv.f32", p, inputs, {actual}, c.threads);
    ASSERT_TRUE(status) << text(status);
    EXPECT_LE(difference(actual, expected), 4e-6);
    EXPECT_TRUE(actual.padding_is_zero());
  }
}

TEST(OnednnConv, Layouts) {
  TN_NEED_ONEDNN();
  uint32_t seed = 1;
  for (int threads : {1, 2})
    for (int spatial : {1, 2, 3})
      for (auto [c, o] : {std::pair<int64_t, int64_t>{16, 32}, {17, 33}, {20, 7}, {3, 16}, {70, 130}})
        for (auto [kernel, stride, dilation, pad] :
             {std::array<int64_t, 4>{1, 1, 1, 0}, {3, 1, 1, 1}, {3, 2, 1, 1}, {3, 1, 2, 2}, {1, 2, 1, 0}}) {
          Case base;
          base.threads = threads;
          base.spatial = spatial;
          base.c = c;
          base.o = o;
          base.size = spatial == 3 ? 5 : 9;
          base.kernel = kernel;
          base.stride = stride;
          base.dilation = dilation;
          base.pad = pad;
          check(base, seed++);
          if (c == 3) {
            base.layout = OnednnConvLayout::panels;
            base.x = kLinear;
            check(base, seed++);
          }
          base.layout = OnednnConvLayout::panels;
          base.x = base.y = kChannelsLast;
          for (int64_t block : {16, 32, 48, 64}) {
            base.block = block;
            check(base, seed++);
          }
          if (threads == 1 && c != 70) {
            base.layout = OnednnConvLayout::blocked;
            base.block = 8;
            base.x = base.y = blocked(8);
            check(base, seed++);
          }
        }
}

TEST(OnednnConv, Groups) {
  TN_NEED_ONEDNN();
  uint32_t seed = 1000;
  for (int threads : {1, 2})
    for (int spatial : {1, 2, 3})
      for (int64_t channels : {16, 17, 40})
        for (auto [kernel, stride, dilation] : {std::array<int64_t, 3>{3, 1, 1}, {3, 2, 1}, {5, 1, 1}, {3, 1, 2}})
          for (Format format : {blocked(16), blocked(8), kChannelsLast}) {
            Case c;
            c.threads = threads;
            c.spatial = spatial;
            c.c = c.o = c.group = channels;
            c.size = 8;
            c.kernel = kernel;
            c.stride = stride;
            c.dilation = dilation;
            c.pad = kernel / 2;
            c.layout = OnednnConvLayout::depthwise;
            c.x = c.y = format;
            c.block = format == blocked(8) ? 8 : 16;
            if (c.block == 8 && spatial == 3) continue;
            check(c, seed++);
          }
  for (Format format : {blocked(16), kChannelsLast}) {
    Case c;
    c.c = 32, c.o = 64, c.group = 2;
    c.x = c.y = format;
    check(c, seed++);
  }
}

TEST(OnednnConv, Epilogues) {
  TN_NEED_ONEDNN();
  struct Row { const char* text; const char* extras; };
  const Row rows[] = {
      {"max(x0, 0)", ""}, {"min(max(x0, 0), 6)", ""}, {"max(min(x0, 0.5), -0.25)", ""}, {"sigmoid(x0)", ""}, {"tanh(x0)", ""},
      {"mul(x0, sigmoid(x0))", ""}, {"mul(sigmoid(mul(x0, 1.702)), x0)", ""},
      {"mul(x0, div(min(max(add(x0, 3), 0), 6), 6))", ""},
      {"mul(mul(x0, 0.5), add(erf(mul(x0, 0.70710678)), 1))", ""},
      {"mul(mul(0.5, x0), add(1, tanh(mul(0.7978845608, add(x0, mul(0.044715, mul(mul(x0, x0), x0)))))))", ""},
      {"where(lt(x0, 0), mul(x0, 0.1), x0)", ""}, {"max(x0, mul(x0, 0.01))", ""}, {"abs(x0)", ""}, {"exp(mul(x0, 0.1))", ""},
      {"softplus(x0)", ""}, {"mul(x0, x0)", ""}, {"add(mul(x0, 3), 1)", ""}, {"neg(x0)", ""}, {"round(x0)", ""},
      {"max(x0, 0.5)", ""}, {"min(x0, 0.5)", ""},
      {"max(add(x0, x1), 0)", "s"}, {"add(max(x0, 0), x1)", "s"}, {"mul(x0, x1)", "s"}, {"sub(x0, x1)", "s"},
      {"max(add(mul(x0, x1), x2), 0)", "cc"}, {"add(max(add(x0, x1), 0), x2)", "sc"}, {"mul(x0, x1)", "1"},
      {"max(x0, x1)", "c"}, {"min(x0, x1)", "s"}, {"add(add(x0, x1), x2)", "ss"},
  };
  uint32_t seed = 2000;
  for (const Row& row : rows)
    for (int64_t channels : {16, 21})
      for (int form = 0; form < 5; ++form) {
        Case c;
        c.c = 19;
        c.o = channels;
        c.epilogue = row.text;
        c.extras = row.extras;
        if (form == 1) c.layout = OnednnConvLayout::panels, c.x = c.y = kChannelsLast;
        if (form == 2) c.layout = OnednnConvLayout::depthwise, c.c = c.group = c.o;
        if (form == 3) c.kernel = 1, c.pad = 0;
        if (form == 4) c.kernel = 1, c.pad = 0, c.layout = OnednnConvLayout::panels, c.x = c.y = kChannelsLast;
        check(c, seed++);
        if (std::string_view(row.text).find("add(x0, x1)") != std::string_view::npos) {
          c.sum = true;
          check(c, seed++);
          c.aliased = true;
          check(c, seed++);
        }
      }
}

TEST(OnednnConv, RandomShapes) {
  TN_NEED_ONEDNN();
  Random random(7);
  for (int i = 0; i < 100; ++i) {
    Case c;
    c.spatial = static_cast<int>(random.integer(1, 3));
    c.n = random.integer(1, 3);
    c.c = random.integer(1, 40);
    c.o = random.integer(1, 100);
    c.kernel = random.integer(1, c.spatial == 3 ? 3 : 5);
    c.stride = random.integer(1, 3);
    c.dilation = random.integer(1, 2);
    c.pad = random.integer(0, c.kernel);
    c.size = c.dilation * (c.kernel - 1) + 1 + random.integer(0, c.spatial == 3 ? 4 : 12);
    c.bias = random.integer(0, 1) == 1;
    c.threads = static_cast<int>(random.integer(1, 2));
    const int form = static_cast<int>(random.integer(0, 2));
    if (form == 1) c.layout = OnednnConvLayout::panels, c.x = c.y = kChannelsLast, c.block = random.one_of<int64_t>({16, 32, 48, 64});
    if (form == 2) c.block = 8, c.x = c.y = blocked(8);
    check(c, 3000 + static_cast<uint32_t>(i));
  }
}

// Every change of a valid call that would let oneDNN leave the tensors is refused.
TEST(OnednnConv, ForgedCalls) {
  TN_NEED_ONEDNN();
  Case c;
  Random random(1);
  const Tensor w = random.tensor(dims(8, 3, 2, 3)), x = random.tensor(dims(1, 3, 2, 9)).to(blocked(16)), bias = random.tensor({8});
  const OnednnConvParams good = params_of(c, w);
  const Tensor packed = pack(good, w);
  const Tensor y = Tensor::make(DType::f32, dims(1, 8, 2, 9), blocked(16));
  const auto attempt = [&](const OnednnConvParams& p, std::vector<Tensor> inputs, Tensor out) {
    return run("onednn.conv.f32", p, std::move(inputs), {out});
  };
  const Status valid = attempt(good, {x, packed, bias}, y);
  ASSERT_TRUE(valid) << text(valid);
  std::vector<OnednnConvParams> forged;
  const auto forge = [&](auto change) { forged.push_back(good); change(forged.back()); };
  forge([](auto& p) { p.block = 64; });
  forge([](auto& p) { p.block = 0; });
  forge([](auto& p) { p.block = -16; });
  forge([](auto& p) { p.layout = OnednnConvLayout::panels; });
  forge([](auto& p) { p.layout = OnednnConvLayout::depthwise; });
  forge([](auto& p) { p.layout = static_cast<OnednnConvLayout>(7); });
  forge([](auto& p) { p.w_rank = 5; });
  forge([](auto& p) { p.w_rank = -1; });
  forge([](auto& p) { p.w_rank = int64_t{1} << 40; });
  for (int i = 0; i < 4; ++i)
    for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1000}, int64_t{1} << 62})
      forge([&](auto& p) { p.w_dims[i] = value; });
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{2}, int64_t{1} << 40}) {
    forge([&](auto& p) { p.conv.strides[0] = value; });
    forge([&](auto& p) { p.conv.dilations[1] = value; });
    forge([&](auto& p) { p.conv.group = value; });
    if (value != 0) forge([&](auto& p) { p.conv.pads_begin[0] = value + 1; });
    forge([&](auto& p) { p.conv.pads_end[1] = value; });
  }
  forge([](auto& p) { p.conv.epilogue = program("add(x0, x1)", 2); });
  forge([](auto& p) { p.conv.epilogue = program("erf(x0)", 1); });
  forge([](auto& p) { p.conv.epilogue.size = 200; });
  for (size_t i = 0; i < forged.size(); ++i) EXPECT_FALSE(attempt(forged[i], {x, packed, bias}, y)) << "change " << i;
  const Tensor small = Tensor::make(DType::u8, {packed.arg.dims[0] - 4}), plain = random.tensor(dims(1, 3, 2, 9));
  EXPECT_FALSE(attempt(good, {x, small, bias}, y));
  EXPECT_FALSE(attempt(good, {x, w, bias}, y));
  EXPECT_FALSE(attempt(good, {x, packed, random.tensor({7})}, y));
  EXPECT_TRUE(attempt(good, {x, packed}, y));  // without a bias
  EXPECT_FALSE(attempt(good, {x}, y));
  EXPECT_FALSE(attempt(good, {x, packed, bias, bias}, y));
  EXPECT_FALSE(attempt(good, {x, packed, bias}, Tensor::make(DType::f32, dims(1, 8, 2, 8), blocked(16))));
  EXPECT_FALSE(attempt(good, {x, packed, bias}, Tensor::make(DType::f32, dims(2, 8, 2, 9), blocked(16))));
  EXPECT_FALSE(run("onednn.conv_sum.f32", good, {x, packed, bias}, {y}));
}

TEST(OnednnConv, EmptyBatch) {
  TN_NEED_ONEDNN();
  Case c;
  Random random(1);
  const Tensor w = random.tensor(dims(8, 3, 2, 3)), bias = random.tensor({8});
  const OnednnConvParams p = params_of(c, w);
  const Tensor x = Tensor::make(DType::f32, dims(0, 3, 2, 9), blocked(16)), y = Tensor::make(DType::f32, dims(0, 8, 2, 9), blocked(16));
  const Status status = run("onednn.conv.f32", p, {x, pack(p, w), bias}, {y});
  EXPECT_TRUE(status) << text(status);
}

}  // namespace
}  // namespace tenon::testing
