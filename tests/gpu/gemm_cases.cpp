// Products and convolutions: NVIDIA's libraries and the library's own tensor-core kernels, in every configuration.
#include "cuda/gemm_params.h"
#include "gpu/case_tables.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

struct Epilogue {
  const char* name;
  const char* text;             // "" for none
  std::vector<int> extras;      // 0: one value a column (a channel), 1: the result's dims, 2: one value
  bool library = true;          // cuBLASLt applies it
};

const Epilogue kEpilogues[] = {
    {"", "", {}},
    {"bias", "add(x0, x1)", {0}},
    {"bias relu", "max(add(x0, x1), 0)", {0}},
    {"scale", "mul(x0, 0.125)", {}},
    {"bias residual", "add(add(x0, x1), x2)", {0, 1}},
    {"bias residual relu", "max(add(add(x0, x1), x2), 0)", {0, 1}},
    {"bias gelu_tanh", "t0 = add(x0, x1); mul(mul(t0, 0.5), add(tanh(mul(0.7978845608, add(t0, mul(0.044715, mul(t0, mul(t0, t0)))))), 1))", {0}},
    {"bias gelu", "t0 = add(x0, x1); mul(mul(t0, 0.5), add(erf(mul(t0, 0.7071067812)), 1))", {0}, false},
    {"swish times", "mul(mul(x0, sigmoid(x0)), x1)", {1}, false},
    {"one value", "add(x0, x1)", {2}, false},
};
const Epilogue &kNone = kEpilogues[0], &kBias = kEpilogues[1], &kGelu = kEpilogues[7];

struct Shape {
  D a, b, y;                    // y: as stored
  std::vector<int> perm_a = {}, perm_b = {}, perm_out = {};
  const char* what = "";
  D logical() const {
    D out = y;
    for (size_t i = 0; i < perm_out.size(); ++i) out[static_cast<size_t>(perm_out[i])] = y[i];
    return out;
  }
};

Shape product(int64_t m, int64_t n, int64_t k, const char* what = "") { return {{m, k}, {k, n}, {m, n}, {}, {}, {}, what}; }

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      product(1, 7, 64), product(7, 64, 100), product(64, 100, 128), product(100, 129, 64), product(128, 128, 128),
      product(129, 1000, 768), product(128, 768, 768), product(1, 1000, 3072), product(7, 768, 768), product(64, 64, 1), product(1, 1, 1),
      product(129, 64, 7), product(3, 128, 100), product(256, 512, 64),
      {{40, 24}, {40, 32}, {24, 32}, {1, 0}, {}, {}, "a transposed"},
      {{24, 40}, {32, 40}, {24, 32}, {}, {1, 0}, {}, "b transposed"},
      {{40, 24}, {32, 40}, {24, 32}, {1, 0}, {1, 0}, {}, "both transposed"},
      {{24, 40}, {40, 32}, {32, 24}, {}, {}, {1, 0}, "result transposed"},
      {{200, 136}, {264, 200}, {264, 136}, {1, 0}, {1, 0}, {1, 0}, "all transposed"},
      {{2, 3, 33, 40}, {40, 24}, {2, 3, 33, 24}, {}, {}, {}, "rows in batch dims"},
      {{3, 33, 40}, {3, 40, 24}, {3, 33, 24}, {}, {}, {}, "batch"},
      {{2, 1, 9, 16}, {3, 16, 8}, {2, 3, 9, 8}, {}, {}, {}, "batch dims broadcast"},
      {{2, 9, 4, 16}, {2, 9, 4, 16}, {2, 4, 9, 9}, {0, 2, 1, 3}, {0, 2, 3, 1}, {}, "odd scores"},
      {{1, 128, 4, 64}, {1, 128, 4, 64}, {1, 4, 128, 128}, {0, 2, 1, 3}, {0, 2, 3, 1}, {}, "scores"},
      {{2, 4, 128, 128}, {2, 128, 4, 64}, {2, 128, 4, 64}, {}, {0, 2, 1, 3}, {0, 2, 1, 3}, "attention's values"},
  };
  return all;
}

Case matmul(const char* kernel, const Shape& s, const Epilogue& e, DType in, DType stored_out, const std::string& config) {
  MatmulParams p;
  auto set = [](const std::vector<int>& from, int8_t* to) {
    for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<int8_t>(from[i]);
  };
  set(s.perm_a, p.perm_a);
  set(s.perm_b, p.perm_b);
  set(s.perm_out, p.perm_out);
  Case c;
  const D logical = s.logical();
  c.name = fmt::format("{} {} [{}] [{}] {} {}", name_of(in), config, fmt::join(s.a, ","), fmt::join(s.b, ","), s.what, e.name);
  c.kernel = kernel;
  c.reference = "matmul.reference";
  auto spec = [](const D& dims, DType storage) { return Spec(f32, dims).range(-1, 1).stored(storage); };
  c.inputs = {spec(s.a, in), spec(s.b, in)};
  std::vector<DType> types = {f32};
  for (int extra : e.extras) {
    c.inputs.push_back(spec(extra == 0 ? D{logical.back()} : extra == 1 ? logical : D{1}, stored_out));
    types.push_back(f32);
  }
  c.outputs = {spec(s.y, stored_out)};
  if (*e.text) p.epilogue = program(e.text, types);
  c.scale = 2;
  c.with(p);
  c.reference_params = c.params;
  const double n = static_cast<double>(logical.back());
  double a = 1;
  for (int64_t d : s.a) a *= static_cast<double>(d);
  c.operations = 2 * a * n;
  return c;
}

Case lt(const Shape& s, const Epilogue& e, DType in, DType out, CudaMath math, int64_t algorithm, bool apart) {
  Case c = matmul("cuda.matmul.lt", s, e, in, out,
                  fmt::format("{}algo {}{}", math == CudaMath::tf32 ? "tf32 " : "", algorithm, apart ? " apart" : ""));
  CudaMatmulLtParams p;
  std::memcpy(&p.matmul, c.params.data(), sizeof p.matmul);
  p.math = math;
  p.algorithm = algorithm;
  p.apart = apart;
  if (math == CudaMath::tf32) c.scale = 300;
  c.optional = algorithm > 0;
  return c.with(p);
}

Case own(const Shape& s, const Epilogue& e, DType in, DType out, int tile, int parts) {
  const GemmTile& t = kGemmTiles[tile];
  Case c = matmul(t.wgmma ? "cuda.matmul.wgmma" : "cuda.matmul.mma", s, e, in, out,
                  fmt::format("{}x{}{}{} in {}", t.bm, t.bn, t.swap ? " swapped" : "", t.stays ? " stays" : "", parts));
  CudaGemmParams p;
  std::memcpy(&p.matmul, c.params.data(), sizeof p.matmul);
  p.tile = tile;
  p.parts = parts;
  c.optional = t.wgmma;   // it refuses what TMA cannot read
  return c.with(p);
}

constexpr int kTiles = static_cast<int>(std::size(kGemmTiles));

}  // namespace

void gemm_cases(std::vector<Case>& out) {
  // Each tile with each number of parts; then each shape and each epilogue with a few tiles.
  for (int tile = 0; tile < kTiles; ++tile)
    for (int parts : {1, 2, 4, 8})
      for (const Shape& s : {product(129, 264, 776), product(24, 72, 3072), product(300, 1000, 64)})
        if (parts == 1 || !kGemmTiles[tile].stays) out.push_back(own(s, kGelu, f16, f16, tile, parts));
  for (int tile : {2, 4, 6, 11, 14, 15, 16})
    for (const Shape& s : shapes())
      for (DType type : {f16, bf16})
        if (type == f16 || tile == 2 || tile == 6 || tile == 14) out.push_back(own(s, kNone, type, type == f16 ? f16 : f32, tile, 1));
  for (int tile : {3, 9, 12})
    for (const Epilogue& e : kEpilogues)
      for (const Shape& s : {product(129, 264, 136), product(17, 1000, 768)}) out.push_back(own(s, e, f16, f16, tile, 2));
  // Blocks that stay: many tiles each, also of a batch, and an odd number of rows of tiles.
  for (int tile = 14; tile < kTiles; ++tile) {
    if (!kGemmTiles[tile].stays) continue;
    for (const Epilogue& e : kEpilogues) out.push_back(own(product(129, 264, 136), e, f16, f16, tile, 1));
    out.push_back(own(product(1400, 3080, 200), kGelu, f16, f16, tile, 1));
    out.push_back(own({{30, 130, 128}, {30, 128, 264}, {30, 130, 264}, {}, {}, {}, "batch"}, kBias, f16, f16, tile, 1));
    out.push_back(own({{6, 5, 300, 64}, {5, 520, 64}, {6, 5, 300, 520}, {}, {0, 2, 1}, {}, "batch of two dims"}, kBias, bf16, f32, tile, 1));
  }
  for (int tile : {2, 9}) {
    Case c = own(product(40, 64, 128), kGelu, f16, f16, tile, 1);
    for (Spec* spec : {&c.inputs[0], &c.outputs[0]}) *spec = spec->dynamic(1);
    out.push_back(c);
    Case odd = own(product(41, 65, 127), kGelu, f16, f16, 2, 1);
    for (Spec* spec : {&odd.inputs[0], &odd.outputs[0]}) *spec = spec->dynamic(3);
    if (tile == 2) out.push_back(odd);
  }
  // The first product of a feed-forward layer in ViT-B, BERT-base and BERT-large, batch 32, with its GELU.
  for (const Shape& s : {product(6304, 3072, 768), product(4096, 3072, 768), product(12288, 4096, 1024), product(197, 3072, 768), product(128, 3072, 768)})
    for (int tile = 5; tile < kTiles; ++tile) {
      for (int parts : {1, 2, 4, 8}) {
        if ((s.a[0] > 1000 || kGemmTiles[tile].stays) && parts > 1) continue;
        Case c = own(s, kGelu, f16, f16, tile, parts);
        c.large = true;
        out.push_back(std::move(c));
      }
    }
  // Rows that change: plain, with a bias and a residual, of a batch, with the result transposed.
  const Shape turned = {{40, 64}, {64, 256}, {256, 40}, {}, {}, {1, 0}, "turned"};
  for (int tile : {2, 9, 14, 18}) {
    Case rows = own(product(40, 256, 64), kEpilogues[4], f16, f16, tile, 1), results = own(turned, kBias, f16, f16, tile, 1);
    for (Spec* spec : {&rows.inputs[0], &rows.inputs[3], &rows.outputs[0], &results.inputs[0]}) *spec = spec->dynamic(1);
    results.outputs[0] = results.outputs[0].dynamic(2);
    Case batch = own({{4, 40, 64}, {64, 256}, {4, 40, 256}, {}, {}, {}, "batch"}, kBias, f16, f16, tile, 1);
    for (Spec* spec : {&batch.inputs[0], &batch.outputs[0]}) *spec = spec->dynamic(2);
    for (Case* c : {&rows, &results, &batch}) out.push_back(std::move(*c));
  }
  for (const Shape& s : {product(128, 768, 768), product(128, 3072, 768), product(128, 768, 3072), product(384, 1024, 4096),
                         product(384, 4096, 1024), product(197, 768, 768), product(197, 2304, 768), product(197, 768, 3072),
                         product(1, 1000, 2048), product(8, 4096, 4096), product(6304, 768, 768), product(6304, 3072, 768),
                         product(4096, 4096, 4096)})
    for (int tile = 0; tile < kTiles; ++tile)
      for (int parts : {1, 2, 4, 8}) {
        if ((s.a[0] > 1000 || kGemmTiles[tile].stays) && parts > 1) continue;
        Case c = own(s, kBias, f16, f16, tile, parts);
        c.large = true;
        out.push_back(std::move(c));
      }
}

void lt_cases(std::vector<Case>& out) {
  struct Kind {
    DType in, out;
    CudaMath math;
  };
  for (const Kind& kind : {Kind{f32, f32, CudaMath::exact}, Kind{f32, f32, CudaMath::tf32}, Kind{f16, f16, CudaMath::exact},
                           Kind{f16, f32, CudaMath::exact}, Kind{bf16, bf16, CudaMath::exact}, Kind{bf16, f32, CudaMath::exact}}) {
    for (const Shape& s : shapes())
      for (int algorithm : {0, 1, 7}) out.push_back(lt(s, kNone, kind.in, kind.out, kind.math, algorithm, false));
    for (const Epilogue& e : kEpilogues)
      for (const Shape& s : {product(129, 264, 136), product(17, 1000, 768), product(1, 64, 64)}) {
        if (e.library)
          for (int algorithm : {0, 2}) out.push_back(lt(s, e, kind.in, kind.out, kind.math, algorithm, false));
        if (*e.text) out.push_back(lt(s, e, kind.in, kind.out, kind.math, 0, true));
      }
    for (const Shape& s : {Shape{{24, 40}, {40, 32}, {32, 24}, {}, {}, {1, 0}, "result transposed"},
                           Shape{{2, 5, 7, 40}, {40, 24}, {2, 24, 5, 7}, {}, {}, {0, 3, 1, 2}, "channels first"}})
      out.push_back(lt(s, kBias, kind.in, kind.out, kind.math, 0, true));
  }
  for (const Shape& s : {product(128, 768, 768), product(128, 3072, 768), product(128, 768, 3072), product(384, 1024, 4096),
                         product(384, 4096, 1024), product(197, 768, 768), product(197, 2304, 768), product(197, 768, 3072),
                         product(1, 1000, 2048), product(8, 4096, 4096), product(6304, 768, 768), product(6304, 3072, 768),
                         product(4096, 4096, 4096)})
    for (int algorithm = 0; algorithm < 16; ++algorithm) {
      Case c = lt(s, kBias, f16, f16, CudaMath::exact, algorithm, false);
      c.large = true;
      out.push_back(std::move(c));
    }
}

namespace {

struct ConvShape {
  D x, w, y;
  ConvParams p = {};
  bool transposed = false;
  const char* what = "";
};

ConvParams window(std::initializer_list<int64_t> strides, std::initializer_list<int64_t> pads, std::initializer_list<int64_t> pads_end,
                  int64_t group = 1, std::initializer_list<int64_t> dilations = {}, std::initializer_list<int64_t> more = {}) {
  ConvParams p;
  std::copy(strides.begin(), strides.end(), p.strides);
  std::copy(pads.begin(), pads.end(), p.pads_begin);
  std::copy(pads_end.begin(), pads_end.end(), p.pads_end);
  std::copy(dilations.begin(), dilations.end(), p.dilations);
  std::copy(more.begin(), more.end(), p.output_padding);
  p.group = group;
  return p;
}

struct ConvEpilogue {
  const char* name;
  bool bias;
  const char* text;
  std::vector<int> extras;   // 0: one value a channel, 1: the output's dims
};
const ConvEpilogue kConvEpilogues[] = {
    {"", false, "", {}},
    {"bias", true, "", {}},
    {"bias relu", true, "max(x0, 0)", {}},
    {"bias relu6", true, "min(max(x0, 0), 6)", {}},
    {"bias residual relu", true, "max(add(x0, x1), 0)", {1}},
    {"bias swish", true, "mul(x0, sigmoid(x0))", {}},
    {"bias hardswish", true, "mul(x0, div(min(max(add(x0, 3), 0), 6), 6))", {}},
    {"scale shift relu", false, "max(add(mul(x0, x1), x2), 0)", {0, 0}},
};

Case conv(const ConvShape& s, const ConvEpilogue& e, DType storage, Format format, CudaMath math) {
  Case c;
  ConvParams p = s.p;
  auto spec = [&](const D& dims, Format f = kLinear) { return Spec(f32, dims, f).range(-1, 1).stored(storage); };
  c.reference = s.transposed ? "conv_transpose.reference" : "conv.reference";
  c.inputs = {spec(s.x, format), spec(s.w, format)};
  std::vector<DType> types = {f32};
  if (e.bias || !e.extras.empty()) c.inputs.push_back(e.bias ? spec({s.y[1]}) : Spec());
  for (int extra : e.extras) {
    D channels(s.y.size() - 1, 1);
    channels[0] = s.y[1];
    c.inputs.push_back(extra == 1 ? spec(s.y, format) : spec(channels));
    types.push_back(f32);
  }
  c.outputs = {spec(s.y, format)};
  if (*e.text) p.epilogue = program(e.text, types);
  c.with(p);
  c.reference_params = c.params;
  c.scale = math == CudaMath::tf32 ? 300 : 2;
  double outputs = 1, taps = 1;
  for (int64_t d : s.transposed ? s.x : s.y) outputs *= static_cast<double>(d);
  for (size_t i = 1; i < s.w.size(); ++i) taps *= static_cast<double>(s.w[i]);
  c.operations = 2 * outputs * taps;
  return c;
}

Case cudnn(const ConvShape& s, const ConvEpilogue& e, DType storage, Format format, CudaMath math, int64_t plan, bool compiled, bool apart) {
  Case c = conv(s, e, storage, format, math);
  c.kernel = s.transposed ? "cuda.conv_transpose.cudnn" : "cuda.conv.cudnn";
  c.name = fmt::format("{}{} {} {}{} {}{} [{}] [{}] {}", s.what, s.transposed ? " transposed" : "", math == CudaMath::tf32 ? "tf32" : name_of(storage),
                       name_of(format), compiled ? " compiled" : " plan", plan, apart ? " apart" : "", fmt::join(s.x, ","), fmt::join(s.w, ","), e.name);
  CudaConvCudnnParams p;
  std::memcpy(&p.conv, c.params.data(), sizeof p.conv);
  p.math = math;
  p.plan = plan;
  p.compiled = compiled;
  p.apart = apart;
  c.optional = true;
  return c.with(p);
}

Case conv_own(const ConvShape& s, const ConvEpilogue& e, DType storage, int tile, int parts) {
  const GemmTile& t = kGemmTiles[tile];
  Case c = conv(s, e, storage, kChannelsLast, CudaMath::exact);
  c.kernel = t.wgmma ? "cuda.conv.wgmma" : "cuda.conv.mma";
  c.name = fmt::format("{} {} {}x{}{} in {} [{}] [{}] {}", s.what, name_of(storage), t.bm, t.bn, t.swap ? " swapped" : "", parts, fmt::join(s.x, ","),
                       fmt::join(s.w, ","), e.name);
  CudaConvGemmParams p;
  std::memcpy(&p.conv, c.params.data(), sizeof p.conv);
  p.tile = tile;
  p.parts = parts;
  c.optional = t.wgmma;
  return c.with(p);
}

Case conv_lt(const ConvShape& s, const ConvEpilogue& e, DType storage, int64_t algorithm, bool apart) {
  Case c = conv(s, e, storage, kChannelsLast, CudaMath::exact);
  c.kernel = "cuda.conv.lt";
  c.name = fmt::format("{} {} algo {}{} [{}] [{}] {}", s.what, name_of(storage), algorithm, apart ? " apart" : "", fmt::join(s.x, ","), fmt::join(s.w, ","), e.name);
  CudaConvLtParams p;
  std::memcpy(&p.conv, c.params.data(), sizeof p.conv);
  p.algorithm = algorithm;
  p.apart = apart;
  c.optional = algorithm > 0;
  return c.with(p);
}

}  // namespace

void conv_gemm_cases(std::vector<Case>& out) {
  const ConvShape small = {{2, 32, 7, 7}, {64, 32, 1, 1}, {2, 64, 7, 7}, {}, false, "1x1"}, odd = {{1, 13, 5, 6}, {7, 13, 1, 1}, {1, 7, 5, 6}, {}, false, "1x1 odd"};
  for (int tile : {2, 9, 14, 18}) {
    Case items = conv_own({{8, 64, 1, 1}, {256, 64, 1, 1}, {8, 256, 1, 1}, {}, false, "1x1"}, kConvEpilogues[7], f16, tile, 1);
    for (Spec* spec : {&items.inputs[0], &items.outputs[0]}) *spec = spec->dynamic(1);
    out.push_back(std::move(items));
  }
  for (const ConvEpilogue& e : kConvEpilogues)
    for (int tile : {2, 9}) {
      out.push_back(conv_own(small, e, f16, tile, 1));
      if (tile == 2) out.push_back(conv_own(odd, e, bf16, tile, 1));
    }
  for (int64_t n : {1, 32})
    for (const ConvShape& s : {ConvShape{{n, 256, 56, 56}, {64, 256, 1, 1}, {n, 64, 56, 56}, {}, false, "resnet 56 1x1"},
                               ConvShape{{n, 1024, 14, 14}, {256, 1024, 1, 1}, {n, 256, 14, 14}, {}, false, "resnet 14 1x1"},
                               ConvShape{{n, 512, 7, 7}, {2048, 512, 1, 1}, {n, 2048, 7, 7}, {}, false, "resnet 7 1x1"}})
      for (int tile = 0; tile < kTiles; ++tile)
        for (int parts : {1, 4}) {
          if (kGemmTiles[tile].stays && parts > 1) continue;
          Case c = conv_own(s, kConvEpilogues[2], f16, tile, parts);
          c.large = true;
          out.push_back(std::move(c));
        }
}

void conv_cases(std::vector<Case>& out) {
  const std::vector<ConvShape> all = {
      {{1, 16, 14, 14}, {32, 16, 3, 3}, {1, 32, 14, 14}, window({1, 1}, {1, 1}, {1, 1}), false, "3x3"},
      {{2, 16, 15, 13}, {24, 16, 3, 3}, {2, 24, 8, 7}, window({2, 2}, {1, 1}, {1, 1}), false, "3x3 s2"},
      {{1, 3, 32, 32}, {16, 3, 7, 7}, {1, 16, 16, 16}, window({2, 2}, {3, 3}, {3, 3}), false, "first layer"},
      {{1, 3, 16, 16}, {32, 3, 4, 4}, {1, 32, 4, 4}, window({4, 4}, {0, 0}, {0, 0}), false, "patches"},
      {{2, 32, 7, 7}, {64, 32, 1, 1}, {2, 64, 7, 7}, {}, false, "1x1"},
      {{1, 32, 14, 14}, {16, 32, 1, 1}, {1, 16, 7, 7}, window({2, 2}, {0, 0}, {0, 0}), false, "1x1 s2"},
      {{1, 32, 14, 14}, {32, 1, 3, 3}, {1, 32, 14, 14}, window({1, 1}, {1, 1}, {1, 1}, 32), false, "depthwise"},
      {{1, 48, 15, 15}, {48, 1, 5, 5}, {1, 48, 8, 8}, window({2, 2}, {2, 2}, {2, 2}, 48), false, "depthwise 5x5 s2"},
      {{1, 32, 12, 12}, {64, 8, 3, 3}, {1, 64, 12, 12}, window({1, 1}, {1, 1}, {1, 1}, 4), false, "groups"},
      {{1, 16, 14, 14}, {16, 16, 3, 3}, {1, 16, 14, 14}, window({1, 1}, {2, 2}, {2, 2}, 1, {2, 2}), false, "dilated"},
      {{1, 16, 14, 14}, {16, 16, 3, 3}, {1, 16, 7, 7}, window({2, 2}, {0, 0}, {1, 1}), false, "unequal pads"},
      {{1, 7, 9, 9}, {5, 7, 3, 3}, {1, 5, 9, 9}, window({1, 1}, {1, 1}, {1, 1}), false, "odd channels"},
      {{2, 16, 40}, {24, 16, 3}, {2, 24, 40}, window({1}, {1}, {1}), false, "1-D"},
      {{1, 8, 6, 8, 8}, {16, 8, 3, 3, 3}, {1, 16, 6, 8, 8}, window({1, 1, 1}, {1, 1, 1}, {1, 1, 1}), false, "3-D"},
      {{1, 32, 8, 8}, {32, 16, 2, 2}, {1, 16, 16, 16}, window({2, 2}, {0, 0}, {0, 0}), true, "up 2x2"},
      {{1, 16, 7, 7}, {16, 8, 3, 3}, {1, 8, 14, 14}, window({2, 2}, {1, 1}, {1, 1}, 1, {}, {1, 1}), true, "up 3x3"},
  };
  for (const ConvShape& s : all) {
    const bool some = s.what == std::string_view("3x3") || s.what == std::string_view("depthwise") || s.what == std::string_view("up 2x2");
    for (const ConvEpilogue& e : kConvEpilogues) {
      const bool plain = !e.bias && !*e.text, common = e.name == std::string_view("bias relu");
      if (!some && !plain && !common) continue;
      for (bool apart : {false, true}) {
        if (apart && plain) continue;
        for (int plan = 0; plan < 3; ++plan)
          for (bool compiled : {false, true}) {
            out.push_back(cudnn(s, e, f16, kChannelsLast, CudaMath::exact, plan, compiled, apart));
            if (plan > 0 || (!plain && !common)) continue;
            out.push_back(cudnn(s, e, bf16, kChannelsLast, CudaMath::exact, plan, compiled, apart));
            out.push_back(cudnn(s, e, f32, kChannelsLast, CudaMath::exact, plan, compiled, apart));
            out.push_back(cudnn(s, e, f32, kChannelsLast, CudaMath::tf32, plan, compiled, apart));
            out.push_back(cudnn(s, e, f32, kLinear, CudaMath::exact, plan, compiled, apart));
          }
      }
    }
    if (s.what == std::string_view("1x1"))
      for (const ConvEpilogue& e : kConvEpilogues)
        for (DType storage : {f32, f16, bf16}) {
          const std::string_view name = e.name;
          const bool fused = name == "" || name == "bias" || name == "bias relu" || name == "bias residual relu";
          if (fused)
            for (int algorithm : {0, 3}) out.push_back(conv_lt(s, e, storage, algorithm, false));
          if (e.bias || *e.text) out.push_back(conv_lt(s, e, storage, 0, true));
        }
  }
  // ResNet-50, MobileNet, EfficientNet, U-Net.
  for (int64_t n : {1, 32})
    for (ConvShape s : {ConvShape{{n, 3, 224, 224}, {64, 3, 7, 7}, {n, 64, 112, 112}, window({2, 2}, {3, 3}, {3, 3}), false, "resnet first"},
                        ConvShape{{n, 64, 56, 56}, {64, 64, 3, 3}, {n, 64, 56, 56}, window({1, 1}, {1, 1}, {1, 1}), false, "resnet 56"},
                        ConvShape{{n, 256, 56, 56}, {64, 256, 1, 1}, {n, 64, 56, 56}, {}, false, "resnet 56 1x1"},
                        ConvShape{{n, 256, 14, 14}, {256, 256, 3, 3}, {n, 256, 14, 14}, window({1, 1}, {1, 1}, {1, 1}), false, "resnet 14"},
                        ConvShape{{n, 1024, 14, 14}, {256, 1024, 1, 1}, {n, 256, 14, 14}, {}, false, "resnet 14 1x1"},
                        ConvShape{{n, 512, 7, 7}, {2048, 512, 1, 1}, {n, 2048, 7, 7}, {}, false, "resnet 7 1x1"},
                        ConvShape{{n, 144, 56, 56}, {144, 1, 3, 3}, {n, 144, 56, 56}, window({1, 1}, {1, 1}, {1, 1}, 144), false, "mobilenet depthwise"},
                        ConvShape{{n, 672, 14, 14}, {672, 1, 5, 5}, {n, 672, 14, 14}, window({1, 1}, {2, 2}, {2, 2}, 672), false, "efficientnet depthwise"},
                        ConvShape{{n, 64, 128, 128}, {64, 64, 3, 3}, {n, 64, 128, 128}, window({1, 1}, {1, 1}, {1, 1}), false, "unet 128"}}) {
      auto add = [&](Case c) {
        c.large = true;
        out.push_back(std::move(c));
      };
      for (int plan = 0; plan < 4; ++plan) {
        for (bool compiled : {false, true}) add(cudnn(s, kConvEpilogues[2], f16, kChannelsLast, CudaMath::exact, plan, compiled, false));
        if (plan < 2) add(cudnn(s, kConvEpilogues[2], f16, kChannelsLast, CudaMath::exact, plan, false, true));
      }
      if (s.w[2] == 1)
        for (int algorithm = 0; algorithm < 4; ++algorithm) add(conv_lt(s, kConvEpilogues[2], f16, algorithm, false));
    }
}

}  // namespace tenon::test
