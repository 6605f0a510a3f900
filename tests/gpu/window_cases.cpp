// pool, resize.
#include "gpu/case_tables.h"
#include "pool/params.h"
#include "resize/params.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

void pools(std::vector<Case>& out) {
  struct Row { D x, y; PoolParams p; bool large = false; };
  auto p2 = [](int64_t k, int64_t s, int64_t pad, int64_t dilation = 1) {
    PoolParams p;
    for (int i = 0; i < 2; ++i) p.kernel[i] = k, p.strides[i] = s, p.pads_begin[i] = p.pads_end[i] = pad, p.dilations[i] = dilation;
    return p;
  };
  PoolParams one, three, ceil = p2(3, 2, 0);
  one.kernel[0] = 3, one.strides[0] = 2, one.pads_begin[0] = 1;
  for (int i = 0; i < 3; ++i) three.kernel[i] = 2, three.strides[i] = 2;
  ceil.ceil_mode = 1;
  for (const Row& row : {Row{{2, 3, 10}, {2, 3, 5}, one}, Row{{2, 24, 9, 11}, {2, 24, 5, 6}, p2(3, 2, 1)}, Row{{1, 16, 8, 8}, {1, 16, 4, 4}, p2(2, 2, 0)},
                         Row{{1, 5, 10, 10}, {1, 5, 6, 6}, p2(3, 1, 0, 2)}, Row{{1, 8, 6, 6, 4}, {1, 8, 3, 3, 2}, three}, Row{{1, 8, 8, 8}, {1, 8, 4, 4}, ceil},
                         Row{{32, 64, 112, 112}, {32, 64, 56, 56}, p2(3, 2, 1), true}, Row{{1, 3, 7, 7}, {1, 3, 1, 1}, p2(7, 7, 0)}})
    for (PoolKind kind : {PoolKind::max, PoolKind::average, PoolKind::lp})
      for (DType storage : {f32, f16})
        for (Format format : {kLinear, kChannelsLast})
          for (int flag : {0, 1}) {
            if (row.large && (kind != PoolKind::max || flag)) continue;
            PoolParams p = row.p;
            p.kind = kind;
            auto c = make_case(fmt::format("pool {} {}", static_cast<int>(kind), name_of(format)), "cuda.pool", "pool.reference",
                               {Spec(f32, row.x, format).stored(storage)}, {Spec(f32, row.y, format).stored(storage)});
            if (kind == PoolKind::average) p.count_include_pad = flag;
            if (kind == PoolKind::lp) p.p = flag ? 3 : 2;
            if (kind == PoolKind::max && flag) {
              p.storage_order = row.x.size() > 3;
              c.outputs.push_back(Spec(i64, row.y));
            }
            c.with(p).large = row.large;
            out.push_back(c);
            if (row.large || storage == f16 || flag) continue;
            c.inputs[0] = c.inputs[0].dynamic(13);
            c.outputs[0] = c.outputs[0].dynamic(13);
            out.push_back(c);
          }
  for (DType type : {u8, i8, i32, f64}) {
    auto c = make_case("pool max", "cuda.pool", "pool.reference", {Spec(type, {2, 4, 9, 9}).range(0, 100)}, {Spec(type, {2, 4, 5, 5})});
    out.push_back(c.with(p2(3, 2, 1)));
  }
}

void resizes(std::vector<Case>& out) {
  struct Row { D x, y; std::vector<double> scales; };
  for (const Row& row : {Row{{1, 3, 5, 7}, {1, 3, 10, 14}, {1, 1, 2, 2}}, Row{{2, 16, 6, 8}, {2, 16, 9, 5}, {0, 0, 0, 0}}, Row{{1, 8, 8, 8}, {1, 8, 4, 4}, {1, 1, 0.5, 0.5}},
                         Row{{2, 4, 9}, {2, 4, 13}, {0, 0, 0}}})
    for (ResizeMode mode : {ResizeMode::nearest, ResizeMode::linear, ResizeMode::cubic})
      for (int coordinates = 0; coordinates < 7; ++coordinates)
        for (int nearest = 0; nearest < (mode == ResizeMode::nearest ? 4 : 2); ++nearest)
          for (Format format : {kLinear, kChannelsLast})
            for (DType type : {f32, f16, u8}) {
              if (type != f32 && (coordinates > 2 || nearest > 0)) continue;
              ResizeParams p;
              p.rank = static_cast<int64_t>(row.x.size());
              p.mode = mode;
              p.coordinates = static_cast<ResizeCoordinates>(coordinates);
              if (mode == ResizeMode::nearest) p.nearest = static_cast<ResizeNearest>(nearest);
              else p.exclude_outside = nearest && mode == ResizeMode::cubic;
              std::copy(row.scales.begin(), row.scales.end(), p.scales);
              for (int64_t d = 0; d < p.rank; ++d) p.roi[d] = d > 1 ? 0.2 : 0, p.roi[p.rank + d] = d > 1 ? 1.3 : 1;
              p.extrapolation_value = 3;
              const Spec x = type == u8 ? Spec(u8, row.x, format).range(0, 255) : Spec(f32, row.x, format).stored(type);
              Spec y = x;
              y.dims = row.y;
              auto c = make_case(fmt::format("resize mode {} coordinates {} nearest {} {}", static_cast<int>(mode), coordinates, nearest, name_of(format)),
                                 "cuda.resize", "resize.reference", {x}, {y});
              out.push_back(c.with(p));
            }
  ResizeParams p;
  p.rank = 4;
  p.mode = ResizeMode::linear;
  for (int d = 0; d < 4; ++d) p.scales[d] = d < 2 ? 1 : 2;
  for (DType storage : {f32, f16})
    for (Format format : {kLinear, kChannelsLast}) {
      auto c = make_case("resize large", "cuda.resize", "resize.reference", {Spec(f32, {8, 64, 128, 128}, format).stored(storage)},
                         {Spec(f32, {8, 64, 256, 256}, format).stored(storage)});
      c.with(p).large = true;
      out.push_back(c);
    }
}

}  // namespace

void window_cases(std::vector<Case>& out) {
  pools(out);
  resizes(out);
}

}  // namespace tenon::test
