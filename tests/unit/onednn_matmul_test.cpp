// Products of the oneDNN module against the reference kernel.
#include <numeric>

#include "onednn/params.h"
#include "unit/onednn_harness.h"

namespace tenon::testing {
namespace {

using Dims = std::vector<int64_t>;

struct Case {
  Dims a, b;                       // as the product sees them: [batch…, M, K], [batch…, K, N]
  std::vector<int> perm_a, perm_b, perm_out;   // empty: identity
  int64_t panel = 0;
  const char* epilogue = "";
  // Per extra: s the result's dims, n one value a column, m one value a row, 1 one value, b the result's dims with a
  // first dim of 1.
  std::string extras;
  int threads = 1;
};

std::string list(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ",")); }

void set_perm(const std::vector<int>& perm, int8_t* out) {
  for (size_t i = 0; i < perm.size(); ++i) out[i] = static_cast<int8_t>(perm[i]);
}

// The dims in memory of an operand that has `dims` after perm.
Dims stored(const Dims& dims, const std::vector<int>& perm) {
  Dims out = dims;
  for (size_t i = 0; i < perm.size(); ++i) out[static_cast<size_t>(perm[i])] = dims[i];
  return out;
}

Dims result_dims(const Case& c) {
  const size_t rank = std::max(c.a.size(), c.b.size());
  Dims out(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const size_t ia = i + c.a.size() - rank, ib = i + c.b.size() - rank;
    if (i + 2 >= rank) continue;
    if (i + c.a.size() >= rank) out[i] = std::max(out[i], c.a[ia]);
    if (i + c.b.size() >= rank) out[i] = std::max(out[i], c.b[ib]);
  }
  out[rank - 2] = c.a[c.a.size() - 2];
  out[rank - 1] = c.b[c.b.size() - 1];
  return out;
}

void check(const Case& c, uint32_t seed) {
  SCOPED_TRACE(fmt::format("a {} b {} perms {} {} {} panel {} '{}' {} threads {}", list(c.a), list(c.b),
                           fmt::join(c.perm_a, ","), fmt::join(c.perm_b, ","), fmt::join(c.perm_out, ","), c.panel,
                           c.epilogue, c.extras, c.threads));
  Random random(seed);
  OnednnMatmulParams p;
  set_perm(c.perm_a, p.matmul.perm_a);
  set_perm(c.perm_b, p.matmul.perm_b);
  set_perm(c.perm_out, p.matmul.perm_out);
  if (*c.epilogue) p.matmul.epilogue = program(c.epilogue, static_cast<int>(c.extras.size()) + 1);
  const Dims result = result_dims(c);
  Dims out_dims = result;
  for (size_t i = 0; i < c.perm_out.size(); ++i) out_dims[i] = result[static_cast<size_t>(c.perm_out[i])];
  std::vector<Tensor> inputs{random.tensor(stored(c.a, c.perm_a)), random.tensor(stored(c.b, c.perm_b))};
  for (char kind : c.extras) {
    Dims dims = result;
    if (kind == 'n') dims = {result.back()};
    if (kind == 'm') dims.back() = 1;
    if (kind == '1') dims = {1};
    if (kind == 'b') dims[0] = 1;
    inputs.push_back(random.tensor(dims));
  }
  Tensor expected = Tensor::make(DType::f32, out_dims), actual = Tensor::make(DType::f32, out_dims);
  Status status = run("matmul.reference", p.matmul, inputs, {expected});
  ASSERT_TRUE(status) << text(status);
  if (c.panel) {
    p.panel = c.panel;
    p.k = c.b[c.b.size() - 2];
    p.n = c.b.back();
    p.b_rank = static_cast<int64_t>(c.b.size());
    OnednnMatmulPackParams pack;
    std::copy(p.matmul.perm_b, p.matmul.perm_b + kMaxRank, pack.perm_b);
    pack.panel = c.panel;
    Tensor packed = Tensor::make(DType::u8, {*onednn_matmul_bytes(c.panel, p.k, p.n)});
    status = run("onednn.matmul.pack", pack, {inputs[1]}, {packed});
    ASSERT_TRUE(status) << text(status);
    inputs[1] = packed;
  }
  for (Tensor& input : inputs) input.memory->freeze();
  status = run("onednn.matmul.f32", p, inputs, {actual}, c.threads);
  ASSERT_TRUE(status) << text(status);
  EXPECT_LE(difference(actual, expected), 4e-6);
}

TEST(OnednnMatmul, Packed) {
  TN_NEED_ONEDNN();
  uint32_t seed = 1;
  for (int threads : {1, 2})
    for (int64_t panel : {16, 32, 48, 64})
      for (auto [k, n] : {std::pair<int64_t, int64_t>{1, 1}, {17, 33}, {64, 64}, {65, 130}, {256, 100}})
        for (int64_t m : {1, 2, 7, 64, 130}) {
          check({{m, k}, {k, n}, {}, {}, {}, panel, "", "", threads}, seed++);
          check({{m, k}, {k, n}, {}, {1, 0}, {}, panel, "max(add(x0, x1), 0)", "n", threads}, seed++);
          check({{2, m, k}, {k, n}, {}, {}, {}, panel, "add(add(x0, x1), x2)", "ns", threads}, seed++);
          check({{m, k}, {k, n}, {1, 0}, {1, 0}, {}, panel, "", "", threads}, seed++);
          check({{1, 2, m, k}, {1, k, n}, {}, {}, {}, panel, "mul(x0, 0.125)", "", threads}, seed++);
        }
}

TEST(OnednnMatmul, Batched) {
  TN_NEED_ONEDNN();
  uint32_t seed = 5000;
  const std::vector<int> heads{0, 2, 1, 3}, heads_t{0, 2, 3, 1}, swap{0, 1, 3, 2};
  for (int threads : {1, 2})
    for (int64_t batch : {1, 3})
      for (int64_t s : {1, 5, 17, 64}) {
        const Dims q{batch, 4, s, 24}, kt{batch, 4, 24, s}, scores{batch, 4, s, s};
        check({q, kt, {}, {}, {}, 0, "", "", threads}, seed++);
        check({q, kt, {}, swap, {}, 0, "mul(x0, 0.25)", "", threads}, seed++);
        check({q, kt, heads, heads_t, {}, 0, "mul(x0, 0.25)", "", threads}, seed++);
        check({q, kt, heads, heads_t, {}, 0, "add(mul(x0, 0.25), x1)", "s", threads}, seed++);
        check({scores, q, {}, heads, heads, 0, "", "", threads}, seed++);
        check({scores, q, swap, heads, heads, 0, "max(x0, 0)", "", threads}, seed++);
        check({{batch, 4, s, 24}, {24, 10}, heads, {}, {}, 0, "add(x0, x1)", "n", threads}, seed++);
        check({{batch, 1, s, 24}, {4, 24, 10}, {}, {}, {}, 0, "mul(x0, x1)", "1", threads}, seed++);
        check({{s, 24}, {batch, 24, 10}, {}, {}, {}, 0, "add(x0, x1)", "n", threads}, seed++);
        for (const char* extra : {"m", "b"}) check({q, kt, {}, {}, {}, 0, "add(x0, x1)", extra, threads}, seed++);
      }
}

TEST(OnednnMatmul, Epilogues) {
  TN_NEED_ONEDNN();
  struct Row { const char* text; const char* extras; };
  const Row rows[] = {
      {"mul(mul(add(x0, x1), 0.5), add(erf(mul(add(x0, x1), 0.70710678)), 1))", "n"},
      {"add(max(add(x0, x1), 0), x2)", "ns"}, {"mul(add(x0, x1), sigmoid(add(x0, x1)))", "n"}, {"tanh(add(x0, x1))", "n"},
      {"add(mul(x0, x1), x2)", "nn"}, {"sub(x0, x1)", "s"}, {"mul(x0, x1)", "1"}, {"add(x0, x1)", "1"},
  };
  uint32_t seed = 9000;
  for (const Row& row : rows)
    for (int64_t panel : {0, 16, 64})
      for (int64_t n : {1, 16, 37}) check({{5, 20}, {20, n}, {}, {}, {}, panel, row.text, row.extras, 1}, seed++);
}

TEST(OnednnMatmul, RandomPermutations) {
  TN_NEED_ONEDNN();
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    Case c;
    const size_t batch = static_cast<size_t>(random.integer(0, 3));
    const int64_t m = random.integer(1, 20), k = random.integer(1, 20), n = random.integer(1, 20);
    for (size_t d = 0; d < batch; ++d) {
      const int64_t extent = random.integer(1, 3);
      c.a.push_back(random.integer(0, 3) ? extent : 1);
      c.b.push_back(random.integer(0, 3) ? extent : 1);
    }
    c.a.insert(c.a.end(), {m, k});
    c.b.insert(c.b.end(), {k, n});
    const auto perm = [&](bool keep_last) {
      std::vector<int> out(batch + 2);
      std::iota(out.begin(), out.end(), 0);
      for (size_t j = 0; j < 6; ++j) std::swap(out[static_cast<size_t>(random.integer(0, static_cast<int64_t>(batch) + (keep_last ? 0 : 1)))], out[0]);
      return out;
    };
    c.perm_a = perm(true);
    c.perm_b = perm(true);
    c.perm_out = perm(true);
    if (random.integer(0, 1)) std::swap(c.perm_a[batch], c.perm_a[batch + 1]);
    if (random.integer(0, 1)) std::swap(c.perm_b[batch], c.perm_b[batch + 1]);
    c.threads = static_cast<int>(random.integer(1, 2));
    check(c, 20000 + static_cast<uint32_t>(i));
  }
}

TEST(OnednnMatmul, ForgedCalls) {
  TN_NEED_ONEDNN();
  Random random(1);
  OnednnMatmulParams good;
  good.panel = 16;
  good.k = 20;
  good.n = 30;
  good.b_rank = 2;
  const Tensor a = random.tensor({4, 20}), b = random.tensor({20, 30}), out = Tensor::make(DType::f32, {4, 30});
  const Tensor packed = Tensor::make(DType::u8, {*onednn_matmul_bytes(16, 20, 30)});
  ASSERT_TRUE(run("onednn.matmul.pack", OnednnMatmulPackParams{{0, 1}, 16}, {b}, {packed}));
  ASSERT_TRUE(run("onednn.matmul.f32", good, {a, packed}, {out}));
  std::vector<OnednnMatmulParams> forged;
  const auto forge = [&](auto change) { forged.push_back(good); change(forged.back()); };
  for (int64_t value : {int64_t{0}, int64_t{-16}, int64_t{8}, int64_t{64}, int64_t{1} << 60}) forge([&](auto& p) { p.panel = value; });
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{32}, int64_t{64}, int64_t{1} << 60}) {
    forge([&](auto& p) { p.k = value; });
    forge([&](auto& p) { p.n = value; });
    if (value != 0) forge([&](auto& p) { p.b_rank = value; });
  }
  forge([](auto& p) { p.matmul.perm_a[0] = 7; });
  forge([](auto& p) { p.matmul.perm_a[0] = -1; });
  forge([](auto& p) { p.matmul.perm_out[0] = 1; });
  forge([](auto& p) { p.matmul.epilogue = program("add(x0, x1)", 2); });
  forge([](auto& p) { p.matmul.epilogue = program("sin(x0)", 1); });
  for (size_t i = 0; i < forged.size(); ++i)
    EXPECT_FALSE(run("onednn.matmul.f32", forged[i], {a, packed}, {out})) << "change " << i;
  EXPECT_FALSE(run("onednn.matmul.f32", good, {a, b}, {out}));
  EXPECT_FALSE(run("onednn.matmul.f32", good, {random.tensor({4, 21}), packed}, {out}));
  EXPECT_FALSE(run("onednn.matmul.f32", good, {a, packed}, {Tensor::make(DType::f32, {4, 31})}));
  EXPECT_FALSE(run("onednn.matmul.f32", good, {a, Tensor::make(DType::u8, {packed.arg.dims[0] - 64})}, {out}));
  for (const OnednnMatmulPackParams& pack : {OnednnMatmulPackParams{{0, 1}, 64}, OnednnMatmulPackParams{{0, 0}, 16},
                                             OnednnMatmulPackParams{{0, 9}, 16}, OnednnMatmulPackParams{{0, 1}, 0}})
    EXPECT_FALSE(run("onednn.matmul.pack", pack, {b}, {packed}));
}

}  // namespace
}  // namespace tenon::testing
