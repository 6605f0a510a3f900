// Rates of the product and convolution kernels on the layers of well-known networks, against this machine's measured peak: for
// tuning. `bench_kernels [threads] [layer] [f32 or bf16] [variant]`: those whose name has the layer and the variant in it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "attention/params.h"
#include "base/cpu.h"
#include "base/team.h"
#include "common/kernel.h"
#include "conv/layout.h"
#include "conv/params.h"
#include "gemm/micro.h"
#include "matmul/packed.h"
#include "matmul/params.h"

namespace tenon {
namespace {

// Seconds; with one thread of its processor time, which other programs do not disturb.
double now(int threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

constexpr int64_t kColdBytes = 400 << 20;  // more than most caches hold

struct Memory {
  explicit Memory(int64_t bytes) : data(allocate(bytes)) {
    auto* f = reinterpret_cast<float*>(data.get());
    std::mt19937 random(7);
    for (int64_t i = 0; i < bytes / 4; ++i) f[i] = static_cast<float>(random() % 2048) / 1024.0f - 1.0f;
  }
  Memory(int64_t bytes, const void* from) : data(allocate(bytes)) { std::memcpy(data.get(), from, static_cast<size_t>(bytes)); }
  static std::byte* allocate(int64_t bytes) {
    return static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>((bytes + 127) / 64 * 64)));
  }
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data;
};

class Bench {
 public:
  Bench(Team& team, std::string filter, bool bf16, std::string variant)
      : team_(team), filter_(std::move(filter)), variant_(std::move(variant)), bf16_(bf16) {
    isa_ = cpu_features() & kAvx512 ? "avx512" : "avx2";
    lanes_ = isa_ == "avx512" ? 16 : 8;
    measure_peak();
  }
  // "conv.blocked.f32.avx512"
  std::string id(const std::string& kernel) const { return kernel + (bf16_ ? ".bf16." : ".f32.") + isa_; }
  int64_t lanes() const { return lanes_; }
  int64_t cache() const { return cache_to_cut_for(cpu_caches().l2); }
  int threads() const { return team_.size(); }
  bool bf16() const { return bf16_; }
  int64_t pair() const { return bf16_ ? 2 : 1; }
  bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }

  Arg tensor(DType dtype, std::vector<int64_t> dims, Format format = kLinear) {
    Arg arg;
    arg.dtype = dtype;
    arg.format = format;
    arg.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), arg.dims);
    memory_.emplace_back(storage_bytes(arg));
    arg.data = memory_.back().data.get();
    return arg;
  }
  void forget() { memory_.clear(); }

  // `weights`: which input is a constant that lies in memory, not in a cache, as in a network; -1: all inputs lie where the
  // run before left them.
  template <class P>
  bool run(const std::string& id, const P& params, std::vector<Arg> inputs, std::vector<Arg> outputs, double flops,
           const std::string& name, int weights = -1) {
    if (name.find(variant_) == std::string::npos) return false;
    const Kernel* kernel = nullptr;
    for (const Kernel* k : host_kernels())
      if (id == k->id) kernel = k;
    if (!kernel) return false;
    const auto bytes = std::as_bytes(std::span(&params, 1));
    Prepared prepared;
    if (auto status = kernel->prepare({bytes, inputs, outputs, team_.size()}, prepared); !status) {
      std::printf("%-34s %s\n", name.c_str(), status.error().text().c_str());
      return false;
    }
    Memory scratch(prepared.scratch_bytes);
    std::vector<Memory> copies;
    if (weights >= 0)
      for (int64_t bytes = storage_bytes(inputs[weights]), all = 0; all < kColdBytes; all += bytes)
        copies.emplace_back(bytes, inputs[weights].data);
    const LaunchCall call{bytes, inputs, outputs, scratch.data.get(), prepared.state.get(), &team_};
    double best = 1e9, total = 0;
    for (int i = 0; i < 30 && (i < 5 || total < 0.15); ++i) {
      if (weights >= 0) inputs[weights].data = copies[static_cast<size_t>(i) % copies.size()].data.get();
      const double begin = now(team_.size());
      (void)kernel->launch(call);
      const double t = now(team_.size()) - begin;
      total += t;
      best = std::min(best, t);
    }
    if (flops > 0)
      std::printf("%-34s %-28s %9.1f us %8.1f GFLOP/s %5.1f %%\n", name.c_str(), id.c_str(), best * 1e6,
                  flops / best * 1e-9, flops / best / peak_ * 100);
    sum_ += best;
    return true;
  }
  double take_sum() { return std::exchange(sum_, 0); }

 private:
  // The register tile on data in the first-level cache, on every thread.
  void measure_peak() {
    const MicroTable& table = bf16_ ? avx512_bf16::kMicro : lanes_ == 16 ? avx512::kMicro : avx2::kMicro;
    const int64_t rows = table.max_rows[2], width = 2 * lanes_, k = lanes_;
    const MicroBlock block{0, 0, k};
    std::vector<MicroBlock> blocks(2000, block);
    double best = 1e9;
    for (int i = 0; i < 20; ++i) {
      const double begin = now(team_.size());
      team_.parallel_for(team_.size(), [&](int64_t, int64_t, int) {
        alignas(64) float a[14 * 16] = {}, b[16 * 32] = {}, c[14 * 32];
        MicroTile t{};
        t.a = a, t.b = b, t.c = c;
        t.blocks = blocks.data(), t.count = static_cast<int64_t>(blocks.size());
        t.a_jump = (rows + 1) / 2 * lanes_, t.c_row = width, t.c_jump = (rows + 1) / 2 * width,
        t.c_vector = lanes_;
        t.lanes = lanes_;
        table.dense[2][rows](t);
      });
      best = std::min(best, now(team_.size()) - begin);
    }
    peak_ = 2.0 * static_cast<double>(rows * width * k * pair()) * 2000 * team_.size() / best;
    std::printf("peak %.1f GFLOP/s on %d threads (%s)\n", peak_ * 1e-9, team_.size(), id("").c_str() + 1);
  }

  Team& team_;
  std::string filter_, variant_, isa_;
  bool bf16_ = false;
  int64_t lanes_ = 16;
  double peak_ = 1, sum_ = 0;
  std::vector<Memory> memory_;
};

double total = 0;  // seconds of a network's layers

void matmul_layer(Bench& bench, const std::string& name, int64_t batch, int64_t m, int64_t n, int64_t k,
                  bool constant, bool transpose_b, bool gelu = false) {
  if (!bench.wants(name)) return;
  const double flops = 2.0 * static_cast<double>(batch * m * n * k);
  for (int64_t vectors = 2; vectors <= 4; ++vectors) {
    MatmulPackedParams params;
    params.cache = bench.cache();
    params.vectors = vectors;
    std::vector<Arg> extras;
    if (gelu) {
      const DType f32[] = {DType::f32, DType::f32};
      ProgramBuilder builder(f32);
      const uint8_t x = builder.binary(ExprOp::add, 0, 1),
                    half = builder.binary(ExprOp::mul, x, builder.constant(DType::f32, 0.5)),
                    erf = builder.unary(
                        ExprOp::erf,
                        builder.binary(ExprOp::mul, x, builder.constant(DType::f32, 0.70710678)));
      params.matmul.epilogue = *builder.finish(builder.binary(
          ExprOp::mul, half, builder.binary(ExprOp::add, erf, builder.constant(DType::f32, 1))));
      extras.push_back(bench.tensor(DType::f32, {n}));
    }
    const Arg a = bench.tensor(DType::f32, {batch, m, k}), c = bench.tensor(DType::f32, {batch, m, n});
    Arg b;
    if (constant) {
      b = bench.tensor(DType::u8, {*packed_b_bytes(k, n, bench.lanes(), bench.pair())});
      params.packed = 1, params.k = k, params.n = n, params.b_rank = 2;
    } else if (transpose_b) {
      b = bench.tensor(DType::f32, {batch, n, k});
      params.matmul.perm_b[1] = 2, params.matmul.perm_b[2] = 1;
    } else {
      b = bench.tensor(DType::f32, {batch, k, n});
    }
    std::vector<Arg> inputs = {a, b};
    inputs.insert(inputs.end(), extras.begin(), extras.end());
    std::vector<Arg> halves = inputs;
    const auto seven = constant && !bench.bf16() ? strassen_b_bytes(k, n, bench.lanes()) : std::nullopt;
    if (seven) halves[1] = bench.tensor(DType::u8, {*seven});
    for (params.together = 0; params.together <= (constant && bench.threads() > 1); ++params.together) {
      const std::string how = fmt::format(" x{}{}", vectors, params.together ? " together" : "");
      bench.run(bench.id("matmul.packed"), params, inputs, {c}, flops, name + how, constant ? 1 : -1);
      if (seven) bench.run(bench.id("matmul.strassen"), params, halves, {c}, flops, name + " Strassen" + how, 1);
    }
    bench.forget();
  }
}

// Heads that lie side by side in one tensor of q, k and v.
void attention_layer(Bench& bench, const std::string& name, int64_t heads, int64_t length, int64_t size) {
  if (!bench.wants(name) || bench.bf16()) return;
  AttentionParams params;
  params.heads_q = {0, heads}, params.heads_k = {heads, heads}, params.heads_v = {2 * heads, heads};
  for (int8_t* perm : {params.perm_q, params.perm_k, params.perm_v, params.perm_out}) std::swap(perm[1], perm[2]);
  params.scale = 0.125;
  const Arg all = bench.tensor(DType::f32, {1, length, 3 * heads, size}),
            out = bench.tensor(DType::f32, {1, length, heads, size});
  bench.run(bench.id("attention.blocked"), params, {all, all, all}, {out},
            4.0 * static_cast<double>(heads * length * length * size), name);
  bench.forget();
}

// Few queries by the keys and values of all tokens before, [heads, keys, size] each, as a decoder keeps them.
void decoding_layer(Bench& bench, const std::string& name, int64_t heads, int64_t queries, int64_t keys, int64_t size) {
  if (!bench.wants(name) || bench.bf16()) return;
  AttentionParams params;
  params.heads_q = params.heads_k = params.heads_v = {0, heads};
  params.scale = 0.125;
  const Arg q = bench.tensor(DType::f32, {1, heads, queries, size}), k = bench.tensor(DType::f32, {1, heads, keys, size}),
            v = bench.tensor(DType::f32, {1, heads, keys, size}), out = bench.tensor(DType::f32, {1, heads, queries, size});
  bench.run(bench.id("attention.blocked"), params, {q, k, v}, {out}, 4.0 * static_cast<double>(heads * queries * keys * size), name, 1);
  bench.forget();
}

void bert(Bench& bench) {
  for (int64_t queries : {1, 4, 16}) decoding_layer(bench, fmt::format("decoding 12x{} of 1024x64", queries), 12, queries, 1024, 64);
  attention_layer(bench, "attention 12x4096x64", 12, 4096, 64);
  matmul_layer(bench, "decoding qk 12x1x1024x64", 12, 1, 1024, 64, false, true);
  matmul_layer(bench, "decoding pv 12x1x64x1024", 12, 1, 64, 1024, false, false);
  matmul_layer(bench, "decoding 1x3072x768 dynamic", 1, 1, 3072, 768, false, false);
  matmul_layer(bench, "decoding 1x768x3072 dynamic turned", 1, 1, 768, 3072, false, true);
  attention_layer(bench, "attention 12x128x64", 12, 128, 64);
  attention_layer(bench, "attention 12x197x64", 12, 197, 64);
  attention_layer(bench, "attention 16x1024x128", 16, 1024, 128);
  matmul_layer(bench, "bert 128x768x768", 1, 128, 768, 768, true, false);
  matmul_layer(bench, "bert 128x3072x768", 1, 128, 3072, 768, true, false);
  matmul_layer(bench, "bert 128x3072x768 gelu", 1, 128, 3072, 768, true, false, true);
  matmul_layer(bench, "bert 128x768x3072", 1, 128, 768, 3072, true, false);
  matmul_layer(bench, "bert qk", 12, 128, 128, 64, false, true);
  matmul_layer(bench, "bert pv", 12, 128, 64, 128, false, false);
  matmul_layer(bench, "fc 1x1000x2048", 1, 1, 1000, 2048, true, false);
  matmul_layer(bench, "vit 197x768x768", 1, 197, 768, 768, true, false);
  matmul_layer(bench, "vit 197x3072x768", 1, 197, 3072, 768, true, false);
  matmul_layer(bench, "vit 197x768x3072", 1, 197, 768, 3072, true, false);
  matmul_layer(bench, "gpt2 64x3072x768", 1, 64, 3072, 768, true, false);
  for (int64_t rows : {1, 4, 16, 32}) matmul_layer(bench, fmt::format("few {}x3072x768", rows), 1, rows, 3072, 768, true, false);
  matmul_layer(bench, "gpt2 64x768x3072", 1, 64, 768, 3072, true, false);
  matmul_layer(bench, "gpt2 128x50257x768", 1, 128, 50257, 768, true, false);
}

// A convolution with bias and ReLU, pads of half the kernel unless it has none; the sum adds up the fastest variant `times`
// times.
void conv_layer(Bench& bench, const std::string& net, int times, int64_t c, int64_t o, int64_t in, int64_t k,
                int64_t stride, int64_t group = 1, bool padded = true) {
  const std::string name =
      fmt::format("{} {}x{} {}-{} k{} s{}{}", net, in, in, c, o, k, stride, group > 1 ? " dw" : "");
  if (!bench.wants(name)) return;
  const int64_t pad = padded ? k / 2 : 0, out = (in + 2 * pad - k) / stride + 1;
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  const DType f32[] = {DType::f32};
  ProgramBuilder relu(f32);
  ConvPackedParams params;
  params.cache = bench.cache();
  params.conv.group = group;
  params.conv.epilogue = *relu.finish(relu.binary(ExprOp::max, 0, relu.constant(DType::f32, 0)));
  for (int i = 0; i < 2; ++i) {
    params.conv.strides[i] = stride;
    params.conv.pads_begin[i] = params.conv.pads_end[i] = pad;
  }
  const int64_t dims[] = {o, c / group, k, k};
  params.w_rank = 4;
  std::copy(dims, dims + 4, params.w_dims);
  const ConvLayout layout = group > 1 ? ConvLayout::depthwise
                            : c <= 4  ? ConvLayout::first
                                      : ConvLayout::blocked;
  if (bench.bf16() && layout != ConvLayout::blocked) return;
  const char* kernel = group > 1 ? "conv.depthwise" : c <= 4 ? "conv.first" : "conv.blocked";
  const double flops = 2.0 * static_cast<double>(out * out * o * c / group * k * k);
  double best = 1e9;
  if (k == 3 && stride == 1 && layout == ConvLayout::blocked)
    for (int64_t m : {2, 4})
      for (params.rows = m, params.vectors = 2; params.vectors <= 3; ++params.vectors) {
        const Arg x = bench.tensor(DType::f32, {1, c, in, in}, block), y = bench.tensor(DType::f32, {1, o, out, out}, block),
                  bias = bench.tensor(DType::f32, {o}),
                  w = bench.tensor(DType::u8, {*conv_packed_bytes(m == 2 ? ConvLayout::winograd2 : ConvLayout::winograd4,
                                                                  {1, o, c, 9}, bench.lanes(), bench.pair())});
        bench.run(bench.id("conv.winograd"), params, {x, w, bias}, {y}, flops,
                  name + " winograd " + std::to_string(m) + " x" + std::to_string(params.vectors));
        best = std::min(best, bench.take_sum());
        bench.forget();
      }
  params.rows = 0;
  for (params.vectors = layout == ConvLayout::depthwise ? 1 : 2;
       params.vectors <= (layout == ConvLayout::depthwise ? 2 : 4); ++params.vectors) {
    const Arg x = bench.tensor(DType::f32, {1, c, in, in}, c <= 4 ? kLinear : block),
              y = bench.tensor(DType::f32, {1, o, out, out}, block), bias = bench.tensor(DType::f32, {o}),
              w = bench.tensor(DType::u8, {*conv_packed_bytes(layout, {group, o / group, c / group, k * k},
                                                              bench.lanes(), bench.pair())});
    bench.run(bench.id(kernel), params, {x, w, bias}, {y}, flops,
              name + " x" + std::to_string(params.vectors));
    best = std::min(best, bench.take_sum());
    bench.forget();
  }
  total += best * times;
}

Program clamp6() {
  const DType f32[] = {DType::f32};
  ProgramBuilder b(f32);
  return *b.finish(b.binary(ExprOp::min, b.binary(ExprOp::max, 0, b.constant(DType::f32, 0)), b.constant(DType::f32, 6)));
}

// A depthwise convolution of `wide` channels with products from `c` channels and to `o` around it (0: without): in one step,
// by several numbers of rows.
void separable_layer(Bench& bench, const std::string& net, int64_t c, int64_t wide, int64_t o, int64_t in, int64_t k,
                     int64_t stride) {
  const std::string name = fmt::format("{} {}x{} {}-{}-{} k{} s{} separable", net, in, in, c, wide, o, k, stride);
  if (!bench.wants(name) || bench.bf16()) return;
  const int64_t out = (in + 2 * (k / 2) - k) / stride + 1, source = c ? c : wide, result = o ? o : wide;
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  double flops = 2.0 * static_cast<double>(out * out * wide * (k * k + o) + in * in * wide * c);
  for (int64_t vectors = 2; vectors <= 3; ++vectors)
    for (int64_t rows : {1, 2, 4, 8, 14}) {
      if (rows > out) continue;
      SeparableParams params;
      params.rows = rows;
      std::vector<Arg> inputs = {bench.tensor(DType::f32, {1, source, in, in}, block)};
      auto stage = [&](int which, int64_t from, int64_t to, int64_t taps, bool bounded) {
        ConvPackedParams& p = params.stage[which];
        p.cache = bench.cache();
        const bool plane = which == kDepthwiseStage;
        p.w_rank = 4;
        p.w_dims[0] = to, p.w_dims[1] = plane ? 1 : from, p.w_dims[2] = p.w_dims[3] = taps;
        p.vectors = plane ? 1 : which == kExpandStage ? vectors : 2;
        p.conv.group = plane ? to : 1;
        if (bounded) p.conv.epilogue = clamp6();
        for (int i = 0; plane && i < 2; ++i) p.conv.strides[i] = stride, p.conv.pads_begin[i] = p.conv.pads_end[i] = taps / 2;
        params.operands[which] = 2;
        inputs.push_back(bench.tensor(
            DType::u8, {*conv_packed_bytes(plane ? ConvLayout::depthwise : ConvLayout::blocked,
                                           {p.conv.group, to / p.conv.group, plane ? 1 : from, taps * taps}, bench.lanes())}));
        inputs.push_back(bench.tensor(DType::f32, {to}));
      };
      if (c) stage(kExpandStage, c, wide, 1, true);
      stage(kDepthwiseStage, wide, wide, k, true);
      if (o) stage(kProjectStage, wide, o, 1, false);
      bench.run(bench.id("conv.separable"), params, inputs, {bench.tensor(DType::f32, {1, result, out, out}, block)}, flops,
                fmt::format("{} x{} {} rows", name, vectors, rows));
      bench.take_sum();
      bench.forget();
    }
}

void report(const char* net) {
  if (total > 0) std::printf("%s: %.2f ms in all\n", net, total * 1e3);
  total = 0;
}

void first_layers(Bench& bench) {
  conv_layer(bench, "squeezenet", 1, 3, 64, 224, 3, 2, 1, false);
  conv_layer(bench, "vgg", 1, 3, 64, 224, 3, 1);
  conv_layer(bench, "convnext", 1, 3, 96, 224, 4, 4, 1, false);
  conv_layer(bench, "vit", 1, 3, 768, 224, 16, 16, 1, false);
  conv_layer(bench, "digits", 1, 1, 32, 28, 5, 1);
  conv_layer(bench, "unet", 1, 1, 64, 256, 3, 1);
  conv_layer(bench, "four", 1, 4, 32, 128, 3, 1);
  report("first layers");
}

void resnet50(Bench& bench) {
  conv_layer(bench, "resnet", 1, 3, 64, 224, 7, 2);
  const int64_t width[] = {64, 128, 256, 512}, repeats[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t w = width[stage], size = 56 >> stage, before = stage ? size * 2 : size;
    const int times = static_cast<int>(repeats[stage]);
    conv_layer(bench, "resnet", 1, stage ? 2 * w : 64, w, before, 1, 1);
    conv_layer(bench, "resnet", times - 1, 4 * w, w, size, 1, 1);
    conv_layer(bench, "resnet", stage ? times - 1 : times, w, w, size, 3, 1);
    if (stage) conv_layer(bench, "resnet", 1, w, w, before, 3, 2);
    conv_layer(bench, "resnet", times, w, 4 * w, size, 1, 1);
    conv_layer(bench, "resnet", 1, stage ? 2 * w : 64, 4 * w, before, 1, stage ? 2 : 1);
  }
  report("resnet50 convolutions");
}

void mobilenet(Bench& bench) {
  conv_layer(bench, "mobilenet", 1, 3, 32, 224, 3, 2);
  struct Stage {
    int64_t expand, out, repeats, stride;
  };
  int64_t c = 32, size = 112;
  for (const Stage& stage : {Stage{1, 16, 1, 1},
                             {6, 24, 2, 2},
                             {6, 32, 3, 2},
                             {6, 64, 4, 2},
                             {6, 96, 3, 1},
                             {6, 160, 3, 2},
                             {6, 320, 1, 1}})
    for (int64_t i = 0; i < stage.repeats; ++i) {
      const int64_t stride = i ? 1 : stage.stride, wide = c * stage.expand;
      if (wide != c) conv_layer(bench, "mobilenet", 1, c, wide, size, 1, 1);
      conv_layer(bench, "mobilenet", 1, wide, wide, size, 3, stride, wide);
      size /= stride;
      conv_layer(bench, "mobilenet", 1, wide, stage.out, size, 1, 1);
      c = stage.out;
    }
  conv_layer(bench, "mobilenet", 1, 320, 1280, 7, 1, 1);
  report("mobilenet_v2 convolutions");
  struct Chain {
    int64_t in, stride, c, wide, o;
  };
  for (const Chain& chain : {Chain{112, 1, 0, 32, 16},
                             {112, 2, 16, 96, 24},
                             {56, 1, 24, 144, 24},
                             {56, 2, 24, 144, 32},
                             {28, 1, 32, 192, 32},
                             {28, 2, 32, 192, 64},
                             {14, 1, 64, 384, 64},
                             {14, 1, 96, 576, 96},
                             {14, 2, 96, 576, 160},
                             {7, 1, 160, 960, 160}})
    for (int parts = 1; parts < 4; ++parts) {
      const bool expands = parts & 1, projects = parts & 2;
      if (expands && !chain.c) continue;
      separable_layer(bench, "mobilenet", expands ? chain.c : 0, chain.wide, projects ? chain.o : 0, chain.in, 3, chain.stride);
    }
}

// Filters of `k` taps along lines of `in` positions, by minimal filtering and directly.
void line_layer(Bench& bench, int64_t c, int64_t o, int64_t in, int64_t k) {
  const std::string name = fmt::format("line {} {}-{} k{}", in, c, o, k);
  if (!bench.wants(name) || bench.bf16()) return;
  const int64_t out = in - k + 1;
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  ConvPackedParams params;
  params.cache = bench.cache();
  params.w_rank = 3;
  params.w_dims[0] = o, params.w_dims[1] = c, params.w_dims[2] = k;
  for (int64_t values : {0, 6, 8})  // 0: directly
    for (params.vectors = 2; params.vectors <= 4; ++params.vectors) {
      const ConvLayout layout = values == 0   ? ConvLayout::blocked
                                : values == 6 ? ConvLayout::winograd_line6
                                              : ConvLayout::winograd_line8;
      params.rows = values ? values + 1 - k : 0;
      const Arg x = bench.tensor(DType::f32, {1, c, in}, block), y = bench.tensor(DType::f32, {1, o, out}, block),
                w = bench.tensor(DType::u8, {*conv_packed_bytes(layout, {1, o, c, k}, bench.lanes())});
      bench.run(bench.id(values ? "conv.winograd_line" : "conv.blocked"), params, {x, w}, {y},
                2.0 * static_cast<double>(out * o * c * k), fmt::format("{} values {} x{}", name, values, params.vectors));
      bench.forget();
    }
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  auto team = tenon::Team::create(argc > 1 ? std::atoi(argv[1]) : 1);
  if (!team) return 1;
  tenon::Bench bench(**team, argc > 2 ? argv[2] : "", argc > 3 && std::string_view(argv[3]) == "bf16", argc > 4 ? argv[4] : "");
  bert(bench);
  first_layers(bench);
  resnet50(bench);
  mobilenet(bench);
  line_layer(bench, 256, 512, 512, 5);
  line_layer(bench, 256, 512, 512, 3);
}
