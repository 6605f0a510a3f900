// reduce, softmax, layer_norm, group_norm.
#include "gpu/case_tables.h"
#include "norm/params.h"
#include "reduce/params.h"
#include "softmax/params.h"

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

D reduced_dims(const D& dims, uint64_t axes, bool keep) {
  D out;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!(axes >> i & 1)) out.push_back(dims[i]);
    else if (keep) out.push_back(1);
  }
  return out;
}

Case reduce(ReduceKind kind, Spec x, uint64_t axes, bool keep, Program prologue = {}, Program epilogue = {}) {
  ReduceParams p;
  p.kind = kind;
  p.keep_dims = keep;
  p.axes = axes;
  p.prologue = prologue;
  p.epilogue = epilogue;
  Spec y(is_arg(kind) ? i64 : x.type, reduced_dims(x.dims, axes, keep), keep ? x.format : kLinear);
  if (!is_arg(kind)) y.storage = x.storage;
  auto c = make(fmt::format("reduce {} {} [{}] over {:b}", static_cast<int>(kind), name_of(x.in_memory()), fmt::join(x.dims, ","), axes),
                "cuda.reduce", "reduce.reference", {x}, {y});
  if (x.fixed != ~0u) c.outputs[0] = c.outputs[0].dynamic(~0u);
  return c.with(p);
}

void reductions(std::vector<Case>& out) {
  for (int k = 0; k < static_cast<int>(ReduceKind::count_); ++k) {
    const auto kind = static_cast<ReduceKind>(k);
    for (DType type : {f32, f64, i32, u8, i64}) {
      Spec x(type, {7, 130});
      x = is_float(type) ? x.range(kind == ReduceKind::log_sum ? 0.1 : -1, 1.2) : x.range(is_signed(type) && kind != ReduceKind::log_sum ? -3 : 1, 3);
      if (kind == ReduceKind::prod && is_float(type)) x = x.range(0.9, 1.1);
      out.push_back(reduce(kind, x, 2, false));
      out.push_back(reduce(kind, x, 1, true));
    }
    for (DType storage : {f16, bf16}) out.push_back(reduce(kind, Spec(f32, {5, 77}).range(0.5, 1.1).stored(storage), 2, true));
  }
  for (DType type : {i8, u16, i16, u32, u64, boolean})
    for (ReduceKind kind : {ReduceKind::max, ReduceKind::min, ReduceKind::sum, ReduceKind::mean, ReduceKind::arg_max}) {
      if (type == boolean && kind != ReduceKind::max && kind != ReduceKind::min) continue;
      out.push_back(reduce(kind, Spec(type, {9, 33}).range(type == boolean || !is_signed(type) ? 0 : -5, type == boolean ? 1 : 5), 2, true));
    }
  struct Row { D dims; uint64_t axes; bool large = false; };
  for (const Row& row : {Row{{}, 0}, Row{{5}, 1}, Row{{5}, 0}, Row{{3, 4, 5, 6}, 0b1010}, Row{{3, 4, 5, 6}, 0b0101}, Row{{2, 3, 2, 3, 2, 3, 2, 2}, 0b10110101},
                         Row{{2, 64, 7, 7}, 0b1100}, Row{{2, 64, 7, 7}, 0b0010}, Row{{1, 100000}, 2}, Row{{100000, 3}, 1}, Row{{4, 0, 3}, 2}, Row{{0, 4}, 2},
                         Row{{1, 1}, 3}, Row{{33, 1000}, 2}, Row{{1000, 33}, 1},
                         Row{{4096, 4096}, 2, true}, Row{{4096, 4096}, 1, true}, Row{{64, 2048, 7, 7}, 12, true}, Row{{16, 1048576}, 2, true}})
    for (DType storage : {f32, f16}) {
      auto c = reduce(ReduceKind::mean, Spec(f32, row.dims).stored(storage), row.axes, true);
      c.large = row.large;
      if (c.inputs[0].dims != D{4, 0, 3}) out.push_back(c);
      c = reduce(ReduceKind::max, Spec(f32, row.dims).stored(storage), row.axes, false);
      c.large = row.large;
      out.push_back(c);
      if (!row.large && storage == f32) out.push_back(reduce(ReduceKind::sum, Spec(f32, row.dims).dynamic(~0u), row.axes, true));
    }
  for (DType storage : {f32, f16}) {
    out.push_back(reduce(ReduceKind::mean, Spec(f32, {2, 48, 7, 9}, kChannelsLast).stored(storage), 0b1100, true));
    out.push_back(reduce(ReduceKind::sum, Spec(f32, {2, 48, 7, 9}, kChannelsLast).stored(storage), 0b0010, true));
    out.push_back(reduce(ReduceKind::mean, Spec(f32, {64, 2048, 7, 7}, kChannelsLast).stored(storage), 0b1100, true));
    out.back().large = true;
    // sum((a - b)²) / 2 with an epilogue that has an operand of its own.
    auto c = reduce(ReduceKind::sum, Spec(f32, {6, 5, 64}).stored(storage), 4, true,
                    program("t0 = sub(x0, x1); mul(t0, t0)", {f32, f32}), program("add(mul(x0, 0.5), x1)", {f32, f32}));
    c.inputs = {Spec(f32, {6, 5, 64}).stored(storage), Spec(f32, {64}).stored(storage), Spec(f32, {5, 1}).stored(storage)};
    out.push_back(c);
  }
}

Case softmax(Spec x, int32_t axis, bool log, Program prologue = {}, Program epilogue = {}, std::vector<Spec> more = {}) {
  SoftmaxParams p;
  p.axis = axis;
  p.log = log;
  p.prologue = prologue;
  p.epilogue = epilogue;
  auto c = make(fmt::format("softmax {} [{}] along {}", name_of(x.in_memory()), fmt::join(x.dims, ","), axis), "cuda.softmax", "softmax.reference",
                {x}, {x});
  c.inputs.insert(c.inputs.end(), more.begin(), more.end());
  return c.with(p);
}

void softmaxes(std::vector<Case>& out) {
  struct Row { D dims; int32_t axis; bool large = false; };
  for (const Row& row : {Row{{5}, 0}, Row{{4, 10}, 1}, Row{{4, 10}, 0}, Row{{3, 1000}, 1}, Row{{2, 3, 33}, 2}, Row{{2, 33, 5}, 1}, Row{{2, 19, 6, 40}, 1},
                         Row{{3, 1}, 1}, Row{{3, 0}, 1}, Row{{0, 3}, 1}, Row{{2, 50000}, 1}, Row{{2, 3000}, 1}, Row{{9, 129, 64}, 1}, Row{{128, 12, 128}, 2},
                         Row{{32, 12, 384, 384}, 3, true}, Row{{8192, 1024}, 1, true}, Row{{64, 1000}, 1, true}, Row{{4096, 32000}, 1, true}})
    for (DType storage : {f32, f16, bf16})
      for (bool log : {false, true}) {
        auto c = softmax(Spec(f32, row.dims).stored(storage), row.axis, log);
        c.large = row.large;
        if (row.large && (log || storage == bf16)) continue;
        out.push_back(c);
        if (row.large || storage != f32) continue;
        for (auto* specs : {&c.inputs, &c.outputs})
          for (Spec& s : *specs) s = s.dynamic(~0u);
        out.push_back(c);
      }
  out.push_back(softmax(Spec(f64, {3, 70}), 1, false));
  out.push_back(softmax(Spec(f32, {2, 24, 5, 6}, kChannelsLast).stored(f16), 1, false));
  for (DType storage : {f32, f16}) {
    const Spec x = Spec(f32, {2, 4, 24, 48}).stored(storage);
    out.push_back(softmax(x, 3, false, program("add(mul(x0, 0.125), x1)", {f32, f32}), program("mul(x0, x1)", {f32, f32}),
                          {Spec(f32, {2, 1, 1, 48}).stored(storage), Spec(f32, {4, 1, 1}).stored(storage)}));
    out.push_back(softmax(x, 3, false, program("where(x1, x0, -10000)", {f32, boolean}), {}, {Spec(boolean, {24, 48}).range(0, 1)}));
  }
}

Case layer_norm(Spec x, int32_t axis, std::vector<Spec> more, int statistics = 0, Program epilogue = {}) {
  LayerNormParams p;
  p.axis = axis;
  p.epsilon = 1e-5f;
  p.epilogue = epilogue;
  auto c = make(fmt::format("layer_norm {} [{}] from {}", name_of(x.in_memory()), fmt::join(x.dims, ","), axis), "cuda.layer_norm",
                "layer_norm.reference", {x}, {x});
  more.resize(std::max<size_t>(2, more.size()));
  c.inputs.insert(c.inputs.end(), more.begin(), more.end());
  Spec s(f32, x.dims);
  for (size_t i = static_cast<size_t>(axis); i < s.dims.size(); ++i) s.dims[i] = 1;
  for (int i = 0; i < statistics; ++i) c.outputs.push_back(s);
  return c.with(p);
}

void norms(std::vector<Case>& out) {
  for (DType storage : {f32, f16, bf16}) {
    auto stored = [&](D dims) { return Spec(f32, std::move(dims)).stored(storage); };
    for (int64_t n : {1, 7, 64, 768, 1000, 5000, 40000}) out.push_back(layer_norm(stored({3, n}), 1, {stored({n}), stored({n})}));
    out.push_back(layer_norm(stored({4, 5, 6}), 1, {stored({5, 6}), stored({6})}, 2));
    out.push_back(layer_norm(stored({4, 5, 48}), 2, {}, 1));
    out.push_back(layer_norm(stored({4, 5, 48}), 2, {stored({48})}, 2, program("max(add(x0, x1), 0)", {f32, f32})));
    out.back().inputs.push_back(stored({4, 5, 48}));
    for (int64_t rows : {128, 4096, 32768}) {
      out.push_back(layer_norm(stored({rows, 768}), 1, {stored({768}), stored({768})}));
      out.back().large = true;
    }
    auto dynamic = layer_norm(stored({2, 9, 96}).dynamic(3), 2, {stored({96}), stored({96})});
    dynamic.outputs[0] = dynamic.inputs[0];
    out.push_back(dynamic);
    auto group = [&](D dims, Format format, int64_t groups) {
      GroupNormParams p;
      p.groups = groups;
      p.epsilon = 1e-5f;
      Spec x = stored(dims);
      x.format = format;
      auto c = make(fmt::format("group_norm {} [{}] {}", name_of(storage), fmt::join(dims, ","), name_of(format)), "cuda.group_norm",
                    "group_norm.reference", {x, stored({dims[1]}), stored({dims[1]})}, {x});
      return c.with(p);
    };
    for (Format format : {kLinear, kChannelsLast}) {
      out.push_back(group({2, 12, 5, 7}, format, 3));
      out.push_back(group({2, 64, 8, 8}, format, 8));
      out.push_back(group({2, 6, 40}, format, 6));
      out.push_back(group({1, 32, 30, 30}, format, 1));
      out.push_back(group({2, 320, 64, 64}, format, 32));
      out.back().large = true;
      out.push_back(group({2, 16, 4, 6}, format, 4));
      for (auto* specs : {&out.back().inputs, &out.back().outputs})
        for (Spec& s : *specs)
          if (s.dims.size() > 1) s = s.dynamic(13);
    }
  }
  out.push_back(layer_norm(Spec(f64, {3, 70}), 1, {Spec(f64, {70}), Spec(f64, {70})}));
}

}  // namespace

void rows_cases(std::vector<Case>& out) {
  reductions(out);
  softmaxes(out);
  norms(out);
}

}  // namespace tenon::test
