// gather, scatter, concat, pad, iota, shape_value, and what goes along an axis.
#include "gpu/case_tables.h"
#include "index/params.h"
#include "move/params.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

void gathers(std::vector<Case>& out) {
  struct Row { D x, indices; int64_t axis; bool large = false; };
  for (const Row& row : {Row{{5}, {}, 0}, Row{{30, 64}, {7}, 0}, Row{{30, 7}, {2, 3}, 0}, Row{{4, 9, 5}, {2, 6}, 1}, Row{{4, 9}, {3}, 1}, Row{{4, 9}, {0}, 1},
                         Row{{2, 3, 16}, {4}, 1}, Row{{30522, 768}, {32, 128}, 0, true}})
    for (DType type : {f32, f16, i64, boolean})
      for (DType index : {i32, i64}) {
        if (row.large && (index == i32 || type == i64 || type == boolean)) continue;
        const int64_t n = row.x[static_cast<size_t>(row.axis)];
        D y(row.x.begin(), row.x.begin() + row.axis);
        y.insert(y.end(), row.indices.begin(), row.indices.end());
        y.insert(y.end(), row.x.begin() + row.axis + 1, row.x.end());
        auto c = make_case("gather", "cuda.gather", "gather.reference",
                           {Spec(type, row.x).range(0, 1), Spec(index, row.indices).range(static_cast<double>(-n), static_cast<double>(n - 1))}, {Spec(type, y)});
        c.with(GatherParams{row.axis}).large = row.large;
        out.push_back(c);
        if (row.large || type != f32) continue;
        c.name += " dynamic";
        c.inputs[1] = c.inputs[1].dynamic(~0u);
        c.outputs[0] = c.outputs[0].dynamic(((1u << row.indices.size()) - 1) << row.axis);
        out.push_back(c);
      }
  for (const Row& row : {Row{{5}, {3}, 0}, Row{{4, 9, 5}, {4, 6, 5}, 1}, Row{{4, 9, 5}, {2, 9, 3}, 0}, Row{{3, 0}, {3, 0}, 1}})
    for (DType type : {f32, f16, i64}) {
      const double n = static_cast<double>(row.x[static_cast<size_t>(row.axis)]);
      out.push_back(make_case("gather_elements", "cuda.gather_elements", "gather_elements.reference",
                              {Spec(type, row.x).range(0, 9), Spec(i64, row.indices).range(-n, n - 1)}, {Spec(type, row.indices)}));
      out.back().with(GatherParams{row.axis});
    }
  struct Nd { D x, indices, y; int64_t batch; };
  for (const Nd& row : {Nd{{5, 6}, {3, 2}, {3}, 0}, Nd{{5, 6, 4}, {3, 1}, {3, 6, 4}, 0}, Nd{{5, 5, 4}, {2, 3, 2}, {2, 3, 4}, 0}, Nd{{2, 7, 4}, {2, 3, 1}, {2, 3, 4}, 1}})
    for (DType type : {f32, f16}) {
      out.push_back(make_case("gather_nd", "cuda.gather_nd", "gather_nd.reference", {Spec(type, row.x), Spec(i64, row.indices).range(-5, 4)}, {Spec(type, row.y)}));
      out.back().with(GatherNdParams{row.batch});
    }
}

void concats(std::vector<Case>& out) {
  struct Row { std::vector<D> x; D y; int64_t axis; };
  std::vector<D> many(40, D{2, 3});
  for (const Row& row : {Row{{{3}, {4}}, {7}, 0}, Row{{{2, 8}, {2, 16}}, {2, 24}, 1}, Row{{{2, 3, 5}, {2, 1, 5}, {2, 0, 5}}, {2, 4, 5}, 1}, Row{{{4, 5}}, {4, 5}, 1},
                         Row{{{2, 3, 4, 4}, {2, 5, 4, 4}}, {2, 8, 4, 4}, 1}, Row{many, {2, 120}, 1}, Row{{{1, 64, 28, 28}, {1, 32, 28, 28}}, {1, 96, 28, 28}, 1}})
    for (DType type : {f32, f16, u8, i64})
      for (Format format : {kLinear, kChannelsLast}) {
        if (format == kChannelsLast && row.y.size() < 4) continue;
        std::vector<Spec> in;
        for (const D& dims : row.x) in.push_back(Spec(type, dims, format).range(0, 9));
        auto c = make_case("concat", "cuda.concat", "concat.reference", in, {Spec(type, row.y, format)});
        out.push_back(c.with(ConcatParams{row.axis}));
        if (type != f32) continue;
        for (Spec& s : c.inputs) s = s.dynamic(~0u);
        c.outputs[0] = c.outputs[0].dynamic(~0u);
        out.push_back(c);
      }
}

void pads(std::vector<Case>& out) {
  struct Row { D x, y, begins; };
  for (const Row& row : {Row{{5}, {9}, {2}}, Row{{4, 6}, {7, 4}, {1, -1}}, Row{{1, 3, 5, 6}, {1, 3, 9, 8}, {0, 0, 2, 1}}, Row{{2, 3}, {2, 3}, {0, 0}}, Row{{}, {}, {}}})
    for (PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::edge, PadMode::wrap})
      for (DType type : {f32, f16, i64, u8}) {
        PadParams p{mode, static_cast<int64_t>(row.x.size()), {}};
        std::copy(row.begins.begin(), row.begins.end(), p.begins);
        for (Format format : {kLinear, kChannelsLast}) {
          if (format == kChannelsLast && row.x.size() < 4) continue;
          auto c = make_case("pad", "cuda.pad", "pad.reference", {Spec(type, row.x, format).range(0, 9)}, {Spec(type, row.y, format)});
          out.push_back(c.with(p));
          c.inputs.push_back(Spec(type, {}).range(3, 4));
          if (type == f32) c.inputs[0] = c.inputs[0].dynamic(~0u), c.outputs[0] = c.outputs[0].dynamic(~0u);
          out.push_back(c);
        }
      }
}

void scatters(std::vector<Case>& out) {
  for (ScatterReduction reduction : {ScatterReduction::none, ScatterReduction::add, ScatterReduction::mul, ScatterReduction::max, ScatterReduction::min})
    for (DType type : {f32, f16, bf16, f64, i8, u8, i16, i32, u32, i64, u64}) {
      // Without a reduction every element is written once.
      const bool none = reduction == ScatterReduction::none;
      const Spec x = is_float(type) ? Spec(type, {6, 10}).range(0.5, 1.5) : Spec(type, {6, 10}).range(1, 3);
      Spec u = x, index(i64, {4, 10});
      u.dims = {4, 10};
      index = none ? index.permuted() : index.range(-10, 9);
      auto c = make_case("scatter_elements", "cuda.scatter_elements", "scatter_elements.reference", {x, index, u}, {x});
      out.push_back(c.with(ScatterElementsParams{1, reduction}));
      out.back().scale = 4;
      Spec rows(i64, {5, 1}), updates = x;
      rows = none ? rows : rows.range(-6, 5);
      updates.dims = {5, 10};
      if (none) rows = Spec(i64, {1, 1}).range(-6, 5), updates.dims = {1, 10};
      c = make_case("scatter_nd", "cuda.scatter_nd", "scatter_nd.reference", {x, rows, updates}, {x});
      out.push_back(c.with(ScatterNdParams{reduction}));
      out.back().scale = 4;
    }
}

void along_axes(std::vector<Case>& out) {
  struct Row { D dims; int64_t axis; };
  for (const Row& row : {Row{{7}, 0}, Row{{3, 40}, 1}, Row{{3, 40, 5}, 1}, Row{{2, 1000}, 1}, Row{{300, 6}, 0}, Row{{2, 0}, 1}, Row{{70, 3}, 0}})
    for (DType type : {f32, f16, f64, i32, i64, u8})
      for (int flags = 0; flags < 4; ++flags) {
        const Spec x = Spec(type, row.dims).range(is_float(type) ? 0.1 : 0, type == u8 ? 1 : 2);
        out.push_back(make_case("cumsum", "cuda.cumsum", "cumsum.reference", {x}, {x}));
        out.back().with(CumsumParams{row.axis, flags & 1, flags >> 1, 0});
        if (is_float(type)) continue;
        out.push_back(make_case("cumsum", "cuda.cumsum", "cumsum.reference", {x}, {x}));
        out.back().with(CumsumParams{row.axis, flags & 1, flags >> 1, 1});
      }
  struct Top { D dims; int64_t axis, k; bool large = false; };
  for (const Top& row : {Top{{9}, 0, 3}, Top{{4, 100}, 1, 100}, Top{{3, 50, 4}, 1, 7}, Top{{2, 5000}, 1, 50}, Top{{2, 5000}, 1, 1000}, Top{{3, 7}, 1, 0}, Top{{2, 2048}, 1, 2048},
                         Top{{64, 1000}, 1, 5, true}, Top{{1, 80000}, 1, 300, true}})
    for (DType type : {f32, f16, f64, i32, u8, i64})
      for (bool largest : {true, false}) {
        if (row.large && (type != f32 || !largest)) continue;
        const Spec x = is_float(type) ? Spec(type, row.dims) : Spec(type, row.dims).range(0, 90);
        D y = row.dims;
        y[static_cast<size_t>(row.axis)] = row.k;
        auto c = make_case("top_k", "cuda.top_k", "top_k.reference", {x}, {Spec(type, y), Spec(i64, y)});
        c.with(TopKParams{row.axis, largest}).large = row.large;
        out.push_back(c);
        if (type != f32 || row.large) continue;
        c.inputs[0] = c.inputs[0].dynamic(~0u);
        for (Spec& s : c.outputs) s = s.dynamic(~0u);
        out.push_back(c);
      }
  for (DType type : {f32, f16, i64}) {
    out.push_back(make_case("reverse_sequence", "cuda.reverse_sequence", "reverse_sequence.reference",
                            {Spec(type, {9, 4, 3}).range(0, 9), Spec(i64, {4}).range(0, 9)}, {Spec(type, {9, 4, 3})}));
    out.back().with(ReverseSequenceParams{1, 0});
  }
}

}  // namespace

void index_cases(std::vector<Case>& out) {
  gathers(out);
  concats(out);
  pads(out);
  scatters(out);
  along_axes(out);
  for (DType type : {f32, f64, f16, bf16, i16, i32, i64}) {
    out.push_back(make_case("iota", "cuda.iota", "iota.reference", {}, {Spec(type, {77})}));
    out.back().with(IotaParams{3, 2, 1});
  }
  ShapeValueParams values{3, {7, -1, int64_t{1} << 40}};
  out.push_back(make_case("shape_value", "cuda.shape_value", "shape_value.reference", {}, {Spec(i64, {3})}));
  out.back().with(values);
}

}  // namespace tenon::test
