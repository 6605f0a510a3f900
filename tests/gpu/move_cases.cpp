#include "gpu/case_tables.h"
#include "move/params.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

Case make(std::string name, const char* kernel, const char* reference, std::vector<Spec> inputs, std::vector<Spec> outputs) {
  Case c{std::move(name), kernel, reference};
  c.inputs = std::move(inputs);
  c.outputs = std::move(outputs);
  return c;
}

void reformats(std::vector<Case>& out) {
  for (const D& dims : {D{2, 3, 5, 7}, D{1, 64, 9, 11}, D{2, 40, 6}, D{1, 17, 3, 4, 5}, D{3, 70}, D{0, 4, 2, 2}})
    for (auto [from, to] : {std::pair{f32, f32}, {f32, f16}, {f16, f32}, {bf16, bf16}, {f16, bf16}})
      for (bool back : {false, true})
        out.push_back(make("reformat", "cuda.reformat", "reformat.reference",
                           {Spec(f32, dims, back ? kChannelsLast : kLinear).stored(from)},
                           {Spec(f32, dims, back ? kLinear : kChannelsLast).stored(to)}));
  out.push_back(make("cast linear", "cuda.reformat", "reformat.reference", {Spec(f32, {1003})}, {Spec(f32, {1003}).stored(f16)}));
  const Spec i(i64, {2, 9, 4, 4}), b(boolean, {2, 9, 4, 4});
  for (Spec s : {i, b}) {
    Spec last = s.range(0, 1);
    last.format = kChannelsLast;
    out.push_back(make("reformat", "cuda.reformat", "reformat.reference", {s.range(0, 1)}, {last}));
  }
  const Spec d = Spec(f32, {3, 24, 10, 12}).dynamic(13);
  Spec e = d;
  e.format = kChannelsLast;
  out.push_back(make("reformat dynamic", "cuda.reformat", "reformat.reference", {d}, {e.stored(f16)}));
  out.push_back(make("reformat dynamic back", "cuda.reformat", "reformat.reference", {e.stored(f16)}, {d}));
  const D large{64, 256, 56, 56};
  for (auto [from, to] : {std::pair{f32, f32}, {f32, f16}, {f16, f16}})
    for (bool back : {false, true}) {
      out.push_back(make("reformat large", "cuda.reformat", "reformat.reference",
                         {Spec(f32, large, back ? kChannelsLast : kLinear).stored(from)},
                         {Spec(f32, large, back ? kLinear : kChannelsLast).stored(to)}));
      out.back().large = true;
    }
  out.push_back(make("reformat image", "cuda.reformat", "reformat.reference", {Spec(f32, {32, 3, 224, 224})},
                     {Spec(f32, {32, 3, 224, 224}, kChannelsLast).stored(f16)}));
  out.back().large = true;
}

void transposes(std::vector<Case>& out) {
  struct Row { D dims, perm; bool large = false; };
  for (const Row& row : {Row{{}, {}}, Row{{5}, {0}}, Row{{33, 65}, {1, 0}}, Row{{2, 7, 5}, {0, 2, 1}}, Row{{4, 16, 24}, {1, 0, 2}},
                         Row{{2, 3, 4, 5}, {3, 1, 0, 2}}, Row{{2, 12, 64, 32}, {0, 2, 1, 3}}, Row{{2, 12, 64, 32}, {0, 1, 3, 2}},
                         Row{{2, 1, 3, 2, 1, 2, 3, 2}, {7, 5, 3, 1, 0, 2, 4, 6}}, Row{{0, 5}, {1, 0}}, Row{{2, 3, 4, 8, 5, 8}, {0, 2, 4, 1, 3, 5}},
                         Row{{32, 128, 12, 64}, {0, 2, 1, 3}, true}, Row{{4096, 4096}, {1, 0}, true}})
    for (DType type : {f32, f16, u8, i64, boolean, f64}) {
      if (row.large && type != f32 && type != f16) continue;
      TransposeParams p{static_cast<int64_t>(row.perm.size()), {}};
      D to;
      for (size_t i = 0; i < row.perm.size(); ++i) p.perm[i] = row.perm[i], to.push_back(row.dims[static_cast<size_t>(row.perm[i])]);
      auto c = make(fmt::format("transpose {}", fmt::join(row.perm, "")), "cuda.transpose", "transpose.reference",
                    {Spec(type, row.dims).range(0, 1)}, {Spec(type, to)});
      c.with(p).large = row.large;
      out.push_back(c);
      if (row.large || type != f32 || row.dims.size() < 2) continue;
      for (DType stored : {f16, bf16})
        for (bool widens : {false, true}) {
          Case mixed = c;
          Spec& spec = widens ? mixed.inputs[0] : mixed.outputs[0];
          spec = spec.stored(stored);
          out.push_back(std::move(mixed));
        }
      c.name += " dynamic";
      c.inputs[0] = c.inputs[0].dynamic(1);
      for (size_t i = 0; i < row.perm.size(); ++i)
        if (row.perm[i] == 0) c.outputs[0] = c.outputs[0].dynamic(1u << i);
      out.push_back(c);
    }
}

void slices(std::vector<Case>& out) {
  struct Row { D dims, starts, steps, sizes; };
  for (const Row& row : {Row{{10}, {3}, {1}, {5}}, Row{{10}, {9}, {-1}, {10}}, Row{{6, 32}, {2, 8}, {1, 1}, {3, 16}},
                         Row{{6, 33}, {5, 1}, {-2, 3}, {3, 9}}, Row{{2, 8, 16, 16}, {0, 4, 0, 0}, {1, 1, 1, 1}, {2, 4, 16, 16}},
                         Row{{2, 8, 16, 16}, {0, 0, 1, 1}, {1, 1, 2, 2}, {2, 8, 8, 8}}, Row{{4, 4}, {0, 0}, {1, 1}, {0, 4}}, Row{{}, {}, {}, {}}})
    for (DType type : {f32, f16, i64, u8}) {
      SliceParams p{static_cast<int64_t>(row.dims.size()), {}, {}};
      std::copy(row.starts.begin(), row.starts.end(), p.starts);
      std::copy(row.steps.begin(), row.steps.end(), p.steps);
      for (bool dynamic : {false, true}) {
        auto c = make("slice", "cuda.slice", "slice.reference",
                      {Spec(type, row.dims).range(0, 100).dynamic(dynamic ? ~0u : 0)},
                      {Spec(type, row.sizes).dynamic(dynamic ? ~0u : 0)});
        out.push_back(c.with(p));
      }
      if (row.dims.size() == 4 && type == f16) {
        auto c = make("slice nhwc", "cuda.slice", "slice.reference", {Spec(f32, row.dims, kChannelsLast).stored(f16)},
                      {Spec(f32, row.sizes, kChannelsLast).stored(f16)});
        out.push_back(c.with(p));
      }
    }
}

void expands(std::vector<Case>& out) {
  for (auto [from, to] : {std::pair<D, D>{{}, {3, 4}}, {{1, 8}, {5, 8}}, {{5, 1}, {5, 8}}, {{4, 1, 1, 7}, {2, 4, 3, 5, 7}}, {{3}, {3}}, {{1}, {0}}})
    for (DType type : {f32, f16, boolean, i64}) {
      out.push_back(make("expand", "cuda.expand", "expand.reference", {Spec(type, from).range(0, 1)}, {Spec(type, to)}));
      if (!from.empty() && from[0] != 1)
        out.push_back(make("expand dynamic", "cuda.expand", "expand.reference", {Spec(type, from).range(0, 1).dynamic(1)},
                           {Spec(type, to).dynamic(~0u)}));
    }
}

}  // namespace

void move_cases(std::vector<Case>& out) {
  reformats(out);
  transposes(out);
  slices(out);
  expands(out);
  out.push_back(make("copy", "cuda.copy", "copy.linear", {Spec(f32, {3, 35})}, {Spec(f32, {105})}));
}

}  // namespace tenon::test
