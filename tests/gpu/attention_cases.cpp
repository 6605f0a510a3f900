// attention: a few cases for every run, and a sweep (gpu_attention).
#include "attention/params.h"
#include <array>
#include <cmath>

#include "gpu/case_tables.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

enum class Layout {
  heads_first,  // [B,H,S,D]
  rows_first,   // [B,S,H,D], the result too
  parts,        // q, k and v are heads of wider tensors, as one product makes them
  columns,      // k and v lie [B,H,D,S]: no vectors
};
enum class Mask { none, full, keys, scores, absent };

struct Problem {
  int64_t batch, heads, kv_heads, queries, keys, size, value_size;
};
struct Element {
  DType storage;
  bool tf32 = false;
};
struct Tile {
  int32_t warps_m, warps_n, keys;
  bool wgmma = false;
};

// What the tactic offers for such rows.
std::vector<Tile> tiles_for(const Problem& p, Element element) {
  const auto bytes = static_cast<int64_t>(size_of(element.storage)), row = std::max(p.size, p.value_size) * bytes;
  std::vector<Tile> out;
  if (row <= 128) out = {{1, 4, 128}, {2, 4, 128}, {4, 1, 64}, {8, 1, 64}};
  else if (row <= 256) out = {{1, 4, 128}, {2, 2, 64}, {4, 1, 64}, {8, 1, 64}};
  else if (row <= 512) out = {{1, 4, 64}, {2, 2, 64}, {4, 1, 32}};
  else out = {{1, 2, 32}, {4, 1, 16}};
  if (bytes == 2 && row <= 256) out.insert(out.end(), {{4, 1, 64, true}, {8, 1, 64, true}, {12, 1, 64, true}});
  if (bytes == 2 && row <= 128) out.insert(out.end(), {{8, 1, 128, true}, {2, 4, 256}});
  return out;
}

struct Extras {
  Layout layout = Layout::heads_first;
  Mask mask = Mask::none;
  Causal causal = Causal::none;
  bool zero_masked = false;
};

Case attention(const Problem& p, Element element, Tile tile, const Extras& extras) {
  AttentionParams params;
  params.scale = 1 / std::sqrt(static_cast<double>(p.size));
  params.causal = extras.causal;
  params.zero_masked = extras.zero_masked;
  auto spec = [&](const D& dims) { return Spec(f32, dims).stored(element.storage); };
  auto set = [](int8_t* perm, std::array<int8_t, 4> to) { std::copy(to.begin(), to.end(), perm); };
  Spec q = spec({p.batch, p.heads, p.queries, p.size}), k = spec({p.batch, p.kv_heads, p.keys, p.size}),
       v = spec({p.batch, p.kv_heads, p.keys, p.value_size}), out = spec({p.batch, p.heads, p.queries, p.value_size});
  switch (extras.layout) {
    case Layout::heads_first: break;
    case Layout::parts:
      params.heads_q = {0, p.heads};
      params.heads_k = {p.heads, p.kv_heads};
      params.heads_v = {p.heads + p.kv_heads, p.kv_heads};
      [[fallthrough]];
    case Layout::rows_first: {
      const int64_t all = extras.layout == Layout::parts ? p.heads + 2 * p.kv_heads : 0;
      q = spec({p.batch, p.queries, all ? all : p.heads, p.size});
      k = spec({p.batch, p.keys, all ? all : p.kv_heads, p.size});
      v = spec({p.batch, p.keys, all ? all : p.kv_heads, p.value_size});
      out = spec({p.batch, p.queries, p.heads, p.value_size});
      for (int8_t* perm : {params.perm_q, params.perm_k, params.perm_v, params.perm_out}) set(perm, {0, 2, 1, 3});
      break;
    }
    case Layout::columns:
      k = spec({p.batch, p.kv_heads, p.size, p.keys});
      v = spec({p.batch, p.kv_heads, p.value_size, p.keys});
      set(params.perm_k, {0, 1, 3, 2});
      set(params.perm_v, {0, 1, 3, 2});
      break;
  }
  // Heads are constant in size, all else may change.
  q = q.dynamic(~(1u << params.perm_q[3]));
  k = k.dynamic(~(1u << params.perm_k[3]));
  v = v.dynamic(~(1u << params.perm_v[3]));
  std::vector<Spec> inputs = {q, k, v};
  switch (extras.mask) {
    case Mask::none: inputs.emplace_back(); break;
    case Mask::full: inputs.push_back(Spec(f32, {p.batch, 1, p.queries, p.keys}).dynamic(~0u)); break;
    case Mask::keys: inputs.push_back(Spec(f32, {p.keys}).dynamic(~0u)); break;
    case Mask::scores: inputs.push_back(Spec(f32, {p.heads, p.queries, p.keys}).stored(element.storage).dynamic(~0u)); break;
    case Mask::absent: {
      Spec mask = Spec(f32, {p.batch, 1, p.queries, p.keys}).dynamic(~0u);
      mask.masks = true;
      inputs.push_back(mask);
      break;
    }
  }
  const char* causal[] = {"", " causal", " causal last"};
  const char* mask[] = {"", " mask", " key mask", " bias", " absent keys"};
  const char* layout[] = {"", " rows", " parts", " columns"};
  Case c = make_case(fmt::format("attention {}{} {}x{}/{} {}x{} heads of {},{} tile {}x{}x{}{}{}{}{}", name_of(element.storage),
                                 element.tf32 ? " tf32" : "", p.batch, p.heads, p.kv_heads, p.queries, p.keys, p.size,
                                 p.value_size, tile.warps_m, tile.warps_n, tile.keys, tile.wgmma ? "w" : "", mask[static_cast<int>(extras.mask)],
                                 causal[static_cast<int>(extras.causal)], layout[static_cast<int>(extras.layout)]),
                     "cuda.attention.flash", "attention.reference", std::move(inputs), {out.dynamic(~0u)});
  c.with(AttentionFlashParams{params, tile.warps_m, tile.warps_n, tile.keys, element.tf32, tile.wgmma});
  auto bytes = std::as_bytes(std::span(&params, 1));
  c.reference_params.assign(bytes.begin(), bytes.end());
  c.scale = element.tf32 ? 300 : element.storage == f32 ? 3 : 2;
  c.operations = 2.0 * static_cast<double>(p.batch * p.heads * p.queries * p.keys * (p.size + p.value_size));
  return c;
}

constexpr Element kElements[] = {{f16}, {bf16}, {f32}, {f32, true}};

}  // namespace

void attention_cases(std::vector<Case>& out) {
  for (Element element : kElements) {
    const Problem bert{2, 3, 3, 128, 128, 64, 64}, odd{1, 4, 2, 65, 77, 80, 72}, large{1, 1, 1, 33, 50, 256, 256};
    for (Tile tile : tiles_for(bert, element)) {
      out.push_back(attention(bert, element, tile, {Layout::parts, Mask::absent, Causal::none, true}));
      out.push_back(attention({1, 2, 2, 197, 197, 64, 64}, element, tile, {Layout::parts, Mask::absent, Causal::none, true}));
    }
    for (Tile tile : tiles_for(odd, element))
      out.push_back(attention(odd, element, tile, {Layout::columns, Mask::none, Causal::last}));
    // Several steps of keys with each kind of loop.
    for (Tile tile : tiles_for(bert, element))
      for (Causal causal : {Causal::none, Causal::first})
        for (Mask mask : {Mask::none, Mask::scores})
          if (tile.wgmma) out.push_back(attention({1, 2, 2, 200, 328, 64, 64}, element, tile, {Layout::rows_first, mask, causal}));
    for (Tile tile : tiles_for(large, element))
      out.push_back(attention(large, element, tile, {Layout::rows_first, Mask::scores}));
  }
}

void attention_sweep(std::vector<Case>& out) {
  attention_cases(out);
  size_t turn = 0;
  for (int64_t size : {32, 64, 80, 96, 128, 256})
    for (Element element : kElements)
      for (Tile tile : tiles_for({1, 1, 1, 1, 1, size, size}, element)) {
        // One source each; all lengths and layouts with it.
        Extras extras;
        const size_t kind = turn++;
        extras.zero_masked = kind % 2 == 0;
        extras.causal = static_cast<Causal>(kind % 3);
        const bool masked = kind % 4 != 1;
        constexpr std::pair<int64_t, int64_t> kLengths[] = {{1, 1}, {1, 197}, {7, 64}, {64, 7}, {64, 64}, {128, 128}, {197, 197}, {100, 384}, {384, 100}, {512, 512}};
        size_t at = kind;
        for (auto [queries, keys] : kLengths) {
          extras.layout = static_cast<Layout>(at % 4);
          extras.mask = !masked ? Mask::none : kind % 5 == 0 ? Mask::scores : at % 3 == 0 ? Mask::full : at % 3 == 1 ? Mask::keys : Mask::absent;
          const int64_t heads = size > 96 ? 2 : 4;
          out.push_back(attention({queries * keys > 100000 ? 1 : 2, heads, at % 2 ? heads / 2 : heads, queries, keys, size, size}, element, tile, extras));
          ++at;
        }
      }
  // Speed: BERT, ViT, GPT-2, long ones.
  struct Row {
    Problem problem;
    Mask mask;
    Causal causal;
  };
  for (const Row& row : {Row{{1, 12, 12, 128, 128, 64, 64}, Mask::full, Causal::none}, Row{{1, 12, 12, 197, 197, 64, 64}, Mask::none, Causal::none},
                         Row{{32, 12, 12, 128, 128, 64, 64}, Mask::full, Causal::none}, Row{{32, 12, 12, 197, 197, 64, 64}, Mask::none, Causal::none},
                         Row{{1, 16, 16, 384, 384, 64, 64}, Mask::full, Causal::none}, Row{{32, 16, 16, 384, 384, 64, 64}, Mask::full, Causal::none},
                         Row{{4, 16, 16, 2048, 2048, 64, 64}, Mask::none, Causal::none}, Row{{4, 16, 16, 2048, 2048, 128, 128}, Mask::none, Causal::none},
                         Row{{4, 16, 16, 2048, 2048, 128, 128}, Mask::none, Causal::first}})
    for (Element element : kElements)
      for (Tile tile : tiles_for(row.problem, element)) {
        if (element.storage == bf16) continue;
        out.push_back(attention(row.problem, element, tile, {Layout::parts, row.mask, row.causal, row.mask != Mask::none}));
        out.back().large = true;
      }
}

}  // namespace tenon::test
