// pool.blocked.f32.<isa> and pool.linear.f32.<isa>: max and average pooling, a row of output pixels at a
// time.
#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "pool/geometry.h"
#include "pool/rows.h"

namespace tenon {
namespace {

// Taps of one output coordinate that are inside x, and how many are inside x or its padding.
struct Window {
  int64_t start, first, count, padded;
};

Window window(const PoolGeometry& g, int dim, int64_t at) {
  Window w{at * g.stride[dim] - g.pad[dim], 0, 0, 0};
  const int64_t step = g.dilation[dim], taps = g.kernel[dim];
  auto below = [&](int64_t bound) {  // taps before the coordinate `bound`
    return bound > w.start ? std::min(taps, ceil_div(bound - w.start, step)) : int64_t{0};
  };
  w.first = below(0);
  w.count = std::max<int64_t>(below(g.in[dim]) - w.first, 0);
  w.padded = below(g.in[dim] + g.pad_end[dim]);
  return w;
}

constexpr int64_t kEvenRows = 8;  // of a thread, that divide evenly enough

struct State : KernelState {
  PoolGeometry g;
  int64_t planes = 0, pixel = 1;
  std::vector<int64_t> divisors;  // of the last dim, per output column: average only
};

template <int kLanes, bool kBlocked>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const auto& params = call.as<PoolParams>();
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  for (const Arg* arg : {&x, &y}) {
    TN_TRY(expect_type(*arg, DType::f32, "tensor"));
    TN_TRY(expect_format(*arg, kBlocked ? blocked(kLanes) : kLinear, "tensor"));
  }
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(pool_geometry(params, x, y, s.g));
  if (params.kind == PoolKind::lp) return fail(Code::invalid_plan, "lp pooling is the reference's");
  s.pixel = kBlocked ? kLanes : 1;
  s.planes = kBlocked ? x.dims[0] * ceil_div(x.dims[1], kLanes) : s.g.planes;
  if (s.planes * s.g.out_count > 0 && params.kind == PoolKind::average) {
    for (int64_t t = 0; t < s.g.out[2]; ++t) {
      const Window w = window(s.g, 2, t);
      s.divisors.push_back(params.count_include_pad ? w.padded : w.count);
    }
    prepared.scratch_bytes = call.threads * round_up(s.g.out[2] * 4, 64);
  }
  prepared.state = std::move(state);
  return {};
}

template <const PoolTable& kTable, bool kBlocked>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const PoolGeometry& g = s.g;
  const auto& params = call.as<PoolParams>();
  const bool average = params.kind == PoolKind::average;
  if (g.out_count * s.planes == 0) return {};
  // Threads divide rows, where there are enough the same ones of all channel blocks: so each finds most of its input where it wrote it.
  const int64_t rows = g.out[0] * g.out[1], blocks = kBlocked ? s.planes / call.inputs[0].dims[0] : 1,
                alike = rows >= kEvenRows * call.team->size() ? blocks : 1;
  call.team->parallel_for(s.planes / alike * rows, [&](int64_t begin, int64_t end, int member) {
    auto* scale =
        static_cast<float*>(call.scratch) + (average ? member * (round_up(g.out[2] * 4, 64) / 4) : 0);
    int64_t scaled_by = -1;
    PoolRow row{};
    row.row_steps[0] = g.dilation[0] * g.in[1] * g.in[2] * s.pixel;
    row.row_steps[1] = g.dilation[1] * g.in[2] * s.pixel;
    row.width = g.in[2], row.stride = g.stride[2], row.dilation = g.dilation[2], row.taps = g.kernel[2];
    row.pad = g.pad[2], row.outputs = g.out[2];
    auto run = [&](int64_t plane, int64_t at) {
      const Window d = window(g, 0, at / g.out[1]), h = window(g, 1, at % g.out[1]);
      row.rows[0] = d.count, row.rows[1] = h.count;
      const int64_t first = (d.start + d.first * g.dilation[0]) * g.in[1] + h.start + h.first * g.dilation[1];
      row.x = call.inputs[0].as<const float>() + (plane * g.in_count + first * g.in[2]) * s.pixel;
      row.y = call.outputs[0].as<float>() + (plane * rows + at) * g.out[2] * s.pixel;
      if (average) {
        const int64_t outer = params.count_include_pad ? d.padded * h.padded : d.count * h.count;
        if (outer != scaled_by)
          for (int64_t t = 0; t < g.out[2]; ++t) {
            const int64_t count = outer * s.divisors[static_cast<size_t>(t)];
            scale[t] = count ? 1.0f / static_cast<float>(count) : 0.0f;
          }
        scaled_by = outer;
        row.scale = scale;
      }
      (kBlocked ? kTable.blocked : kTable.linear)(row);
    };
    for (int64_t last; begin < end; begin = last) {
      const int64_t unit = begin / rows;  // of `alike` planes
      last = std::min(end, (unit + 1) * rows);
      for (int64_t plane = unit * alike; plane < (unit + 1) * alike; ++plane)
        for (int64_t at = begin; at < last; ++at) run(plane, at % rows);
    }
  });
  return {};
}

}  // namespace

extern const Kernel kPoolBlockedAvx2{"pool.blocked.f32.avx2", sizeof(PoolParams),       kAvx2, 0,
                                     prepare<8, true>,        launch<avx2::kPool, true>};
extern const Kernel kPoolBlockedAvx512{"pool.blocked.f32.avx512", sizeof(PoolParams),
                                       kAvx2 | kAvx512,           0,
                                       prepare<16, true>,         launch<avx512::kPool, true>};
extern const Kernel kPoolLinearAvx2{"pool.linear.f32.avx2", sizeof(PoolParams),        kAvx2, 0,
                                    prepare<8, false>,      launch<avx2::kPool, false>};
extern const Kernel kPoolLinearAvx512{"pool.linear.f32.avx512", sizeof(PoolParams),
                                      kAvx2 | kAvx512,          0,
                                      prepare<16, false>,       launch<avx512::kPool, false>};

}  // namespace tenon
