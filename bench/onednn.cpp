// The library's own f32 kernels against those of the oneDNN module, layer by layer of well-known networks, as a table.
// `bench_onednn [threads] [filter]`; the module is looked for as load_module does.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/team.h"
#include "conv/layout.h"
#include "device/kernel_table.h"
#include "matmul/packed.h"
#include "onednn/params.h"
#include "pool/params.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

class Bench {
 public:
  Bench(Team& team, std::string filter) : team_(team), filter_(std::move(filter)) {
    isa_ = cpu_features() & kAvx512 ? "avx512" : "avx2";
  }
  const std::string& isa() const { return isa_; }
  int64_t lanes() const { return isa_ == "avx512" ? 16 : 8; }
  bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }

  Arg tensor(DType dtype, std::vector<int64_t> dims, Format format = kLinear) {
    Arg arg;
    arg.dtype = dtype;
    arg.format = format;
    arg.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), arg.dims);
    arg.data = memory(storage_bytes(arg));
    return arg;
  }

  // Microseconds of the fastest launch, or 0 if the kernel is not there or refuses; forgets the tensors.
  template <class P>
  double time(const std::string& id, const P& params, std::vector<Arg> inputs, std::vector<Arg> outputs) {
    const Kernel* kernel = full_kernel_table().find(id);
    const auto bytes = std::as_bytes(std::span(&params, 1));
    Prepared prepared;
    double best = 0;
    if (kernel && kernel->prepare({bytes, inputs, outputs, team_.size()}, prepared)) {
      const LaunchCall call{bytes, inputs, outputs, memory(prepared.scratch_bytes), prepared.state.get(), &team_};
      double total = 0;
      for (int i = 0; i < 30 && (i < 5 || total < 1e5); ++i) {
        const auto begin = Clock::now();
        if (!kernel->launch(call)) break;
        const double t = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
        best = i ? std::min(best, t) : t;
        total += t;
      }
    }
    memory_.clear();
    return best;
  }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  float* memory(int64_t bytes) {
    const auto size = static_cast<size_t>((bytes + 127) / 64 * 64);
    memory_.emplace_back(static_cast<float*>(std::aligned_alloc(64, size)));
    std::mt19937 random(7);
    for (size_t i = 0; i < size / 4; ++i) memory_.back().get()[i] = static_cast<float>(random() % 2048) / 1024.0f - 1.0f;
    return memory_.back().get();
  }

  Team& team_;
  std::string filter_, isa_;
  std::vector<std::unique_ptr<float, Free>> memory_;
};

double least(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

struct Totals {
  double own = 0, blocked = 0, last = 0;
} totals;

void row(const std::string& name, int times, double own, double blocked, double last) {
  totals.own += own * times;
  totals.blocked += least(blocked, last) * times;
  const double best = least(blocked, last);
  std::printf("| %-30s | %d | %8.1f | %8.1f | %8.1f | %5.2f |\n", name.c_str(), times, own, blocked, last, best > 0 ? own / best : 0);
  std::fflush(stdout);
}

void header(const char* first, const char* second) {
  std::printf("\n| layer | times | own µs | oneDNN %s µs | oneDNN %s µs | own / oneDNN |\n| --- | --- | --- | --- | --- | --- |\n",
              first, second);
  totals = {};
}
void footer(const char* name) {
  std::printf("%s: own %.2f ms, oneDNN %.2f ms\n", name, totals.own / 1e3, totals.blocked / 1e3);
}

struct Layer {
  int64_t c, o, in, k, stride, group;
  bool padded = true;  // by half the kernel
  int64_t pad() const { return padded ? k / 2 : 0; }
  int64_t out() const { return (in + 2 * pad() - k) / stride + 1; }
};

Program relu() {
  const DType f32[] = {DType::f32};
  ProgramBuilder builder(f32);
  return *builder.finish(builder.binary(ExprOp::max, 0, builder.constant(DType::f32, 0)));
}

ConvParams conv_params(const Layer& l) {
  ConvParams p;
  p.group = l.group;
  p.epilogue = relu();
  for (int i = 0; i < 2; ++i) {
    p.strides[i] = l.stride;
    p.pads_begin[i] = p.pads_end[i] = l.pad();
  }
  return p;
}

double own_conv(Bench& bench, const Layer& l) {
  ConvPackedParams p;
  p.conv = conv_params(l);
  p.w_rank = 4;
  const int64_t dims[] = {l.o, l.c / l.group, l.k, l.k};
  std::copy(dims, dims + 4, p.w_dims);
  const ConvLayout layout = l.group > 1 ? ConvLayout::depthwise : l.c <= 4 ? ConvLayout::first : ConvLayout::blocked;
  const char* kernel = l.group > 1 ? "conv.depthwise.f32." : l.c <= 4 ? "conv.first.f32." : "conv.blocked.f32.";
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  double best = 0;
  for (p.vectors = 1; p.vectors <= 4; ++p.vectors) {
    const auto bytes = conv_packed_bytes(layout, {l.group, l.o / l.group, l.c / l.group, l.k * l.k}, bench.lanes());
    best = least(best, bench.time(kernel + bench.isa(), p,
                                  {bench.tensor(DType::f32, {1, l.c, l.in, l.in}, l.c <= 4 ? kLinear : block),
                                   bench.tensor(DType::u8, {*bytes}), bench.tensor(DType::f32, {l.o})},
                                  {bench.tensor(DType::f32, {1, l.o, l.out(), l.out()}, block)}));
  }
  return best;
}

double onednn_conv(Bench& bench, const Layer& l, OnednnConvLayout layout, int64_t block, Format x, Format y) {
  OnednnConvParams p;
  p.conv = conv_params(l);
  p.layout = layout;
  p.block = block;
  p.w_rank = 4;
  const int64_t dims[] = {l.o, l.c / l.group, l.k, l.k};
  std::copy(dims, dims + 4, p.w_dims);
  const auto bytes = onednn_conv_bytes(layout, block, l.group, 4, dims);
  if (!bytes) return 0;
  return bench.time("onednn.conv.f32", p,
                    {bench.tensor(DType::f32, {1, l.c, l.in, l.in}, x), bench.tensor(DType::u8, {*bytes}),
                     bench.tensor(DType::f32, {l.o})},
                    {bench.tensor(DType::f32, {1, l.o, l.out(), l.out()}, y)});
}

void conv_layer(Bench& bench, const char* net, int times, Layer l) {
  const std::string name = fmt::format("{} {}x{} {}-{} k{} s{}{}", net, l.in, l.in, l.c, l.o, l.k, l.stride, l.group > 1 ? " dw" : "");
  if (!bench.wants(name)) return;
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  const OnednnConvLayout layout = l.group > 1 ? OnednnConvLayout::depthwise
                                  : l.c <= 3  ? OnednnConvLayout::panels
                                              : OnednnConvLayout::blocked;
  const double first = onednn_conv(bench, l, layout, bench.lanes(), l.c <= 3 ? kLinear : block, block);
  double last = 0;
  for (int64_t panel : {16, 32, 48, 64})
    last = least(last, l.group > 1 ? (panel == 16 ? onednn_conv(bench, l, layout, 16, kChannelsLast, kChannelsLast) : 0)
                                   : onednn_conv(bench, l, OnednnConvLayout::panels, panel, kChannelsLast, kChannelsLast));
  row(name, times, own_conv(bench, l), first, last);
}

void resnet50(Bench& bench) {
  header("blocked", "channels-last");
  conv_layer(bench, "resnet", 1, {3, 64, 224, 7, 2, 1});
  const int64_t width[] = {64, 128, 256, 512}, repeats[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t w = width[stage], size = 56 >> stage, before = stage ? size * 2 : size;
    const int times = static_cast<int>(repeats[stage]);
    conv_layer(bench, "resnet", 1, {stage ? 2 * w : 64, w, before, 1, 1, 1});
    conv_layer(bench, "resnet", times - 1, {4 * w, w, size, 1, 1, 1});
    conv_layer(bench, "resnet", stage ? times - 1 : times, {w, w, size, 3, 1, 1});
    if (stage) conv_layer(bench, "resnet", 1, {w, w, before, 3, 2, 1});
    conv_layer(bench, "resnet", times, {w, 4 * w, size, 1, 1, 1});
    conv_layer(bench, "resnet", 1, {stage ? 2 * w : 64, 4 * w, before, 1, stage ? 2 : 1, 1});
  }
  footer("resnet50 convolutions");
}

void mobilenet(Bench& bench) {
  header("blocked", "channels-last");
  conv_layer(bench, "mobilenet", 1, {3, 32, 224, 3, 2, 1});
  struct Stage {
    int64_t expand, out, repeats, stride;
  };
  int64_t c = 32, size = 112;
  for (const Stage& stage : {Stage{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2},
                             {6, 320, 1, 1}})
    for (int64_t i = 0; i < std::min<int64_t>(stage.repeats, 2); ++i) {
      const int64_t stride = i ? 1 : stage.stride, wide = c * stage.expand;
      const int times = i ? static_cast<int>(stage.repeats) - 1 : 1;
      if (wide != c) conv_layer(bench, "mobilenet", times, {c, wide, size, 1, 1, 1});
      conv_layer(bench, "mobilenet", times, {wide, wide, size, 3, stride, wide});
      size /= stride;
      conv_layer(bench, "mobilenet", times, {wide, stage.out, size, 1, 1, 1});
      c = stage.out;
    }
  conv_layer(bench, "mobilenet", 1, {320, 1280, 7, 1, 1, 1});
  footer("mobilenet_v2 convolutions");
}

void pool_layer(Bench& bench, const char* net, int times, int64_t c, int64_t in, int64_t k, int64_t stride, int64_t pad, int64_t ceil = 0) {
  const std::string name = fmt::format("{} pool {}x{} {} k{} s{}", net, in, in, c, k, stride);
  if (!bench.wants(name)) return;
  PoolParams p;
  p.ceil_mode = ceil;
  for (int i = 0; i < 2; ++i) p.kernel[i] = k, p.strides[i] = stride, p.pads_begin[i] = p.pads_end[i] = pad;
  const int64_t room = in + 2 * pad - k, out = (ceil ? ceil_div(room, stride) : room / stride) + 1;
  const Format block = blocked(static_cast<uint8_t>(bench.lanes()));
  auto time = [&](const std::string& id, Format format) {
    return bench.time(id, p, {bench.tensor(DType::f32, {1, c, in, in}, format)}, {bench.tensor(DType::f32, {1, c, out, out}, format)});
  };
  const double own = time("pool.blocked.f32." + bench.isa(), block);
  row(name, times, own, time("onednn.pool.f32", block), time("onednn.pool.f32", kChannelsLast));
}

void pools(Bench& bench) {
  header("blocked", "channels-last");
  pool_layer(bench, "squeezenet", 1, 64, 111, 3, 2, 0, 1);
  pool_layer(bench, "squeezenet", 1, 128, 55, 3, 2, 0, 1);
  pool_layer(bench, "squeezenet", 1, 256, 27, 3, 2, 0, 1);
  pool_layer(bench, "resnet", 1, 64, 112, 3, 2, 1);
  pool_layer(bench, "vgg", 1, 64, 224, 2, 2, 0);
  pool_layer(bench, "vgg", 1, 512, 28, 2, 2, 0);
  pool_layer(bench, "inception", 1, 192, 28, 3, 1, 1);
  footer("pools");
}

void first_layers(Bench& bench) {
  header("blocked", "channels-last");
  conv_layer(bench, "squeezenet", 1, {3, 64, 224, 3, 2, 1, false});
  conv_layer(bench, "mobilenet", 1, {3, 32, 224, 3, 2, 1});
  conv_layer(bench, "resnet", 1, {3, 64, 224, 7, 2, 1});
  conv_layer(bench, "vgg", 1, {3, 64, 224, 3, 1, 1});
  conv_layer(bench, "convnext", 1, {3, 96, 224, 4, 4, 1, false});
  conv_layer(bench, "vit", 1, {3, 768, 224, 16, 16, 1, false});
  conv_layer(bench, "digits", 1, {1, 32, 28, 5, 1, 1});
  conv_layer(bench, "digits", 1, {1, 32, 28, 3, 1, 1, false});
  conv_layer(bench, "unet", 1, {1, 64, 256, 3, 1, 1});
  conv_layer(bench, "four", 1, {4, 32, 128, 3, 1, 1});
  footer("first layers");
}

double own_product(Bench& bench, int64_t batch, int64_t m, int64_t n, int64_t k, bool constant, bool transpose_b) {
  double best = 0;
  for (int64_t vectors = 2; vectors <= 4; ++vectors) {
    MatmulPackedParams p;
    p.vectors = vectors;
    Arg b;
    if (constant) {
      b = bench.tensor(DType::u8, {*packed_b_bytes(k, n, bench.lanes())});
      p.packed = 1, p.k = k, p.n = n, p.b_rank = 2;
    } else {
      b = bench.tensor(DType::f32, transpose_b ? std::vector<int64_t>{batch, n, k} : std::vector<int64_t>{batch, k, n});
      if (transpose_b) std::swap(p.matmul.perm_b[1], p.matmul.perm_b[2]);
    }
    best = least(best, bench.time("matmul.packed.f32." + bench.isa(), p, {bench.tensor(DType::f32, {batch, m, k}), b},
                                  {bench.tensor(DType::f32, {batch, m, n})}));
  }
  return best;
}

double onednn_product(Bench& bench, int64_t batch, int64_t m, int64_t n, int64_t k, int64_t panel, bool transpose_b) {
  OnednnMatmulParams p;
  p.panel = panel;
  Arg b;
  if (panel) {
    b = bench.tensor(DType::u8, {*onednn_matmul_bytes(panel, k, n)});
    p.k = k, p.n = n, p.b_rank = 2;
  } else {
    b = bench.tensor(DType::f32, transpose_b ? std::vector<int64_t>{batch, n, k} : std::vector<int64_t>{batch, k, n});
    if (transpose_b) std::swap(p.matmul.perm_b[1], p.matmul.perm_b[2]);
  }
  return bench.time("onednn.matmul.f32", p, {bench.tensor(DType::f32, {batch, m, k}), b}, {bench.tensor(DType::f32, {batch, m, n})});
}

void product(Bench& bench, const char* name, int times, int64_t batch, int64_t m, int64_t n, int64_t k, bool constant,
             bool transpose_b) {
  if (!bench.wants(name)) return;
  double packed = 0;
  for (int64_t panel : {32, 48, 64})
    if (constant) packed = least(packed, onednn_product(bench, batch, m, n, k, panel, false));
  row(name, times, own_product(bench, batch, m, n, k, constant, transpose_b), packed,
      onednn_product(bench, batch, m, n, k, 0, transpose_b));
}

void bert(Bench& bench) {
  header("packed", "plain");
  product(bench, "bert 128x768x768", 48, 1, 128, 768, 768, true, false);
  product(bench, "bert 128x3072x768", 12, 1, 128, 3072, 768, true, false);
  product(bench, "bert 128x768x3072", 12, 1, 128, 768, 3072, true, false);
  product(bench, "bert scores 12 x 128x128x64", 12, 12, 128, 128, 64, false, true);
  product(bench, "bert values 12 x 128x64x128", 12, 12, 128, 64, 128, false, false);
  footer("bert-base, 128 tokens, products");
  header("packed", "plain");
  product(bench, "fc 1x1000x2048", 1, 1, 1, 1000, 2048, true, false);
  product(bench, "vit 197x3072x768", 12, 1, 197, 3072, 768, true, false);
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  auto team = tenon::Team::create(argc > 1 ? std::atoi(argv[1]) : 1);
  if (!team) return 1;
  tenon::Bench bench(**team, argc > 2 ? argv[2] : "");
  std::printf("%s, %d threads, %s\n", tenon::full_kernel_table().libraries().c_str(), (*team)->size(), bench.isa().c_str());
  first_layers(bench);
  pools(bench);
  bert(bench);
  resnet50(bench);
  mobilenet(bench);
}
