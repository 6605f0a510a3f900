// matmul kernels: the reference against sums by hand, the packed ones against the reference.
#include <cmath>

#include "matmul/packed.h"
#include "matmul/params.h"
#include "support/guarded_run.h"

namespace tenon::guarded {
namespace {

struct Case {
  std::vector<int64_t> batch_a, batch_b;
  int64_t m, n, k;
  std::vector<int8_t> perm_a, perm_b, perm_out;  // empty: identity
};

std::vector<int64_t> stored(std::vector<int64_t> logical, const std::vector<int8_t>& perm, int8_t* out) {
  if (perm.empty()) return logical;
  std::copy(perm.begin(), perm.end(), out);
  std::vector<int64_t> dims(logical.size());
  for (size_t i = 0; i < perm.size(); ++i) dims[static_cast<size_t>(perm[i])] = logical[i];
  return dims;
}

std::vector<int64_t> join(std::vector<int64_t> batch, int64_t rows, int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

std::vector<int64_t> batch_of(const Case& c) {
  std::vector<int64_t> a = c.batch_a, b = c.batch_b;
  while (a.size() < b.size()) a.insert(a.begin(), 1);
  while (b.size() < a.size()) b.insert(b.begin(), 1);
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] == 1) a[i] = b[i];
  return a;
}

std::vector<int64_t> out_dims(const Case& c, const MatmulParams& params) {
  const std::vector<int64_t> logical = join(batch_of(c), c.m, c.n);
  std::vector<int64_t> dims;
  for (size_t i = 0; i < logical.size(); ++i)
    dims.push_back(logical[static_cast<size_t>(params.perm_out[i])]);
  return dims;
}

const DType kF32x3[3] = {DType::f32, DType::f32, DType::f32};

Program bias_relu() {
  ProgramBuilder b({kF32x3, 2});
  return *b.finish(b.binary(ExprOp::max, b.binary(ExprOp::add, 0, 1), b.constant(DType::f32, 0)));
}
Program residual() {
  ProgramBuilder b({kF32x3, 3});
  return *b.finish(b.binary(ExprOp::add, b.binary(ExprOp::add, 0, 1), 2));
}
Program silu() {
  ProgramBuilder b({kF32x3, 2});
  const uint8_t x = b.binary(ExprOp::add, 0, 1);
  return *b.finish(b.binary(ExprOp::mul, x, b.unary(ExprOp::sigmoid, x)));
}

// A case's operands, and what the reference makes of them.
struct Operands {
  MatmulParams params;
  Tensor a, b;
  std::vector<Tensor> extras;
  Tensor expected;
  bool packable;  // b is one matrix

  // `rounded`: a and b are numbers that bf16 holds.
  Operands(const Case& c, const Program& epilogue, const std::vector<std::vector<int64_t>>& extra_dims, int seed, bool rounded) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    params.epilogue = epilogue;
    a = Tensor(DType::f32, stored(join(c.batch_a, c.m, c.k), c.perm_a, params.perm_a)).random(random);
    b = Tensor(DType::f32, stored(join(c.batch_b, c.k, c.n), c.perm_b, params.perm_b)).random(random);
    if (rounded) a.round(), b.round();
    std::copy(c.perm_out.begin(), c.perm_out.end(), params.perm_out);
    for (const auto& dims : extra_dims) extras.push_back(Tensor(DType::f32, dims).random(random));
    expected = Tensor(DType::f32, out_dims(c, params));
    EXPECT_OK(run("matmul.reference", params, inputs(b), {&expected}));
    packable = std::all_of(c.batch_b.begin(), c.batch_b.end(), [](int64_t d) { return d == 1; });
  }
  std::vector<const Tensor*> inputs(const Tensor& right) const {
    std::vector<const Tensor*> out = {&a, &right};
    for (const Tensor& e : extras) out.push_back(&e);
    return out;
  }
};

// Small blocks as well as usual ones, with every width.
int64_t some_cache(int64_t vectors, int64_t m) { return (vectors + m) % 2 ? kUsualCache : kLeastCache; }

// Runs every instruction set and panel width, b dynamic and packed, against the reference.
void check_floats(const Case& c, const Program& epilogue, const std::vector<std::vector<int64_t>>& extra_dims,
           int seed) {
  const Operands given(c, epilogue, extra_dims, seed, false);
  const auto& [params, a, b, extras, expected, packable] = given;
  auto inputs = [&](const Tensor& right) { return given.inputs(right); };
  for (const std::string& isa : instruction_sets()) {
    for (int64_t vectors = 1; vectors <= 4; ++vectors) {
      MatmulPackedParams packed{params, 0, 0, 0, 0, vectors, 0, some_cache(vectors, c.m)};
      Tensor one(expected.arg().dtype, out_dims(c, params)), three = one, blob_out = one;
      EXPECT_OK(run("matmul.packed.f32." + isa, packed, inputs(b), {&one}));
      EXPECT_LT(distance(one, expected), 1e-5)
          << isa << " x" << vectors << " m" << c.m << " n" << c.n << " k" << c.k;
      for (packed.together = 0; packed.together < 2; ++packed.together) {
        three = Tensor(expected.arg().dtype, out_dims(c, params));
        EXPECT_OK(run("matmul.packed.f32." + isa, packed, inputs(b), {&three}, 3));
        EXPECT_TRUE(same_bytes(one, three)) << "threads change the result";
      }
      if (!packable) continue;
      const int64_t lanes = isa == "avx512" ? 16 : 8;
      Tensor blob(DType::u8, {*packed_b_bytes(c.k, c.n, lanes)});
      MatmulPackParams pack;
      std::copy(params.perm_b, params.perm_b + kMaxRank, pack.perm_b);
      pack.vectors = vectors;
      EXPECT_OK(run("matmul.pack_b.f32." + isa, pack, {&b}, {&blob}, 2));
      packed = {params, 1, c.k, c.n, b.arg().rank, vectors};  // the usual cache: blocks do not change a result
      EXPECT_OK(run("matmul.packed.f32." + isa, packed, inputs(blob), {&blob_out}, 2));
      packed.cache = some_cache(vectors, c.m);
      EXPECT_TRUE(same_bytes(one, blob_out)) << "packing changes the result";
      const auto seven = strassen_b_bytes(c.k, c.n, lanes);
      if (!seven) continue;
      Tensor halves(DType::u8, {*seven});
      one = three = Tensor(expected.arg().dtype, out_dims(c, params));
      EXPECT_OK(run("matmul.pack_strassen.f32." + isa, pack, {&b}, {&halves}, 2));
      EXPECT_OK(run("matmul.strassen.f32." + isa, packed, inputs(halves), {&one}));
      EXPECT_LT(distance(one, expected), 1e-5) << "Strassen " << isa << " x" << vectors << " m" << c.m << " n" << c.n << " k" << c.k;
      for (packed.together = 0; packed.together < 2; ++packed.together) {
        three = Tensor(expected.arg().dtype, out_dims(c, params));
        EXPECT_OK(run("matmul.strassen.f32." + isa, packed, inputs(halves), {&three}, 3));
        EXPECT_TRUE(same_bytes(one, three)) << "threads change the result of Strassen's product";
      }
    }
  }
}

// The kernels of bf16 pairs, b dynamic and packed, against the reference on operands that bf16 holds.
void check_pairs(const Case& c, const Program& epilogue, const std::vector<std::vector<int64_t>>& extra_dims, int seed) {
  const Operands given(c, epilogue, extra_dims, seed, true);
  const auto& [params, a, b, extras, expected, packable] = given;
  auto inputs = [&](const Tensor& right) { return given.inputs(right); };
  for (const std::string& isa : pair_instruction_sets())
    for (int64_t vectors = 1; vectors <= 4; ++vectors) {
      SCOPED_TRACE(fmt::format("{} x{} m{} n{} k{}", isa, vectors, c.m, c.n, c.k));
      MatmulPackedParams packed{params, 0, 0, 0, 0, vectors, 0, some_cache(vectors, c.m)};
      Tensor one(expected.arg().dtype, out_dims(c, params)), three = one;
      EXPECT_OK(run("matmul.packed.bf16." + isa, packed, inputs(b), {&one}));
      EXPECT_LT(distance(one, expected), 1e-5);
      for (packed.together = 0; packed.together < 2; ++packed.together) {
        three = Tensor(expected.arg().dtype, out_dims(c, params));
        EXPECT_OK(run("matmul.packed.bf16." + isa, packed, inputs(b), {&three}, 3));
        EXPECT_TRUE(same_bytes(one, three)) << "threads change the result";
      }
      if (!packable) continue;
      Tensor blob(DType::u8, {*packed_b_bytes(c.k, c.n, 16, 2)});
      MatmulPackParams pack;
      std::copy(params.perm_b, params.perm_b + kMaxRank, pack.perm_b);
      pack.vectors = vectors;
      EXPECT_OK(run("matmul.pack_b.bf16." + isa, pack, {&b}, {&blob}, 2));
      packed = {params, 1, c.k, c.n, b.arg().rank, vectors};
      EXPECT_OK(run("matmul.packed.bf16." + isa, packed, inputs(blob), {&three}, 2));
      EXPECT_TRUE(same_bytes(one, three)) << "packing changes the result";
    }
}

void check(const Case& c, const Program& epilogue, const std::vector<std::vector<int64_t>>& extra_dims, int seed) {
  check_floats(c, epilogue, extra_dims, seed);
  check_pairs(c, epilogue, extra_dims, seed);
}

TEST(Matmul, ReferenceMultiplies) {
  std::mt19937 random(1);
  for (DType type : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::i32, DType::u64}) {
    Tensor a(type, {2, 3}), b(type, {3, 2}), out(type, {2, 2});
    a.random(random);
    b.random(random);
    ASSERT_TRUE(run("matmul.reference", MatmulParams{}, {&a, &b}, {&out})) << name_of(type);
    if (type != DType::i32) continue;
    const auto *x = a.as<int32_t>(), *y = b.as<int32_t>();
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        EXPECT_EQ(out.as<int32_t>()[i * 2 + j],
                  x[i * 3] * y[j] + x[i * 3 + 1] * y[2 + j] + x[i * 3 + 2] * y[4 + j]);
  }
}

TEST(Matmul, PackedEqualsReference) {
  const Case cases[] = {
      {{}, {}, 1, 1, 1, {}, {}, {}},
      {{}, {}, 1, 1000, 77, {}, {}, {}},
      {{}, {}, 13, 50, 33, {}, {}, {}},
      {{}, {}, 128, 70, 65, {}, {1, 0}, {}},
      {{}, {}, 29, 31, 47, {1, 0}, {}, {}},
      {{}, {}, 40, 33, 48, {1, 0}, {1, 0}, {1, 0}},
      {{2, 3}, {}, 7, 33, 19, {}, {}, {}},
      {{2, 3}, {2, 3}, 17, 21, 16, {}, {}, {}},
      {{2, 1}, {1, 3}, 17, 21, 16, {}, {}, {}},
      {{3}, {2, 1}, 5, 18, 8, {}, {}, {}},
      {{}, {}, 600, 40, 900, {}, {}, {}},
      {{}, {}, 30, 70, 2500, {}, {}, {}},
      {{5}, {1}, 1, 20, 10, {}, {}, {}},
      {{}, {}, 1, 32, 32, {}, {}, {}},
      {{}, {}, 129, 96, 64, {}, {1, 0}, {}},
      {{2, 3}, {}, 37, 224, 96, {}, {}, {}},
      {{}, {}, 51, 64, 2112, {1, 0}, {}, {}},
      {{}, {}, 500, 160, 128, {}, {}, {}},
      {{}, {}, 65, 177, 832, {}, {}, {}},
      {{}, {}, 33, 65, 1568, {1, 0}, {1, 0}, {}},
      {{}, {}, 300, 640, 1600, {}, {}, {1, 0}},
      {{26}, {}, 60, 100, 96, {}, {}, {}},
      {{3}, {}, 70, 110, 1600, {}, {}, {2, 0, 1}},
      // Attention: q [b,s,h,d] by k [b,s,h,d], and p [b,h,s,s] by v [b,s,h,d] back to [b,s,h,d].
      {{2, 3}, {2, 3}, 20, 20, 16, {0, 2, 1, 3}, {0, 2, 3, 1}, {}},
      {{2, 3}, {2, 3}, 20, 24, 20, {}, {0, 2, 1, 3}, {0, 2, 1, 3}},
      {{4}, {4}, 9, 18, 33, {2, 0, 1}, {1, 0, 2}, {2, 1, 0}},
  };
  int seed = 0;
  for (const Case& c : cases) check(c, {}, {}, ++seed);
}

// A row that is not finite, or far larger than the others, changes no other row; a row of zeros gives zeros. The same where
// only a part of k is so.
void check_rows_apart(int64_t k, int64_t from_k) {
  constexpr int64_t m = 80, n = 640;
  for (const std::string& isa : instruction_sets()) {
    const int64_t lanes = isa == "avx512" ? 16 : 8;
    std::mt19937 random(3);
    Tensor a(DType::f32, {m, k}), b(DType::f32, {k, n}), bias(DType::f32, {n}), blob(DType::u8, {*strassen_b_bytes(k, n, lanes)});
    a.random(random), b.random(random), bias.random(random);
    MatmulPackParams pack;
    pack.vectors = 2;
    EXPECT_OK(run("matmul.pack_strassen.f32." + isa, pack, {&b}, {&blob}));
    for (float factor : {INFINITY, NAN, 1e7f, 0.0f}) {
      Tensor other = a;
      float* row = other.as<float>() + 5 * k;
      for (int64_t i = from_k; i < k; ++i) row[i] *= factor;
      for (bool fused : {false, true}) {
        MatmulPackedParams packed{{}, 1, k, n, 2, 2};
        if (fused) packed.matmul.epilogue = bias_relu();
        std::vector<const Tensor*> inputs = {&other, &blob}, plain = {&other, &b};
        if (fused) inputs.push_back(&bias), plain.push_back(&bias);
        Tensor out(DType::f32, {m, n}), expected = out;
        EXPECT_OK(run("matmul.strassen.f32." + isa, packed, inputs, {&out}));
        for (int64_t cache : {int64_t{0}, kMostCache + 1}) {
          MatmulPackedParams forged = packed;
          forged.cache = cache;
          EXPECT_FALSE(run("matmul.strassen.f32." + isa, forged, inputs, {&out})) << cache;
        }
        EXPECT_OK(run("matmul.reference", packed.matmul, plain, {&expected}));
        Tensor shared(DType::f32, {m, n});
        packed.together = 1;
        EXPECT_OK(run("matmul.strassen.f32." + isa, packed, inputs, {&shared}, 3));
        EXPECT_EQ(std::memcmp(shared.as<float>(), out.as<float>(), m * n * sizeof(float)), 0) << isa << " " << factor << fused;
        for (int64_t r = 0; r < m; ++r) {
          double error = 0, norm = 0;
          for (int64_t i = r * n; i < (r + 1) * n; ++i) {
            error += std::pow(out.as<float>()[i] - expected.as<float>()[i], 2);
            norm += std::pow(expected.as<float>()[i], 2);
          }
          if (r == 5 && !(factor <= 1e7f)) continue;
          EXPECT_LE(std::sqrt(error), 1e-5 * std::sqrt(norm)) << isa << " row " << r << " with a row 5 of " << factor;
        }
      }
    }
  }
}

TEST(Matmul, StrassensRowsStayApart) {
  check_rows_apart(128, 0);
  check_rows_apart(1600, 800);
}

TEST(Matmul, Epilogues) {
  const Case plain{{}, {}, 45, 50, 33, {}, {}, {}}, turned{{2}, {2}, 19, 34, 20, {}, {}, {2, 0, 1}},
      batched{{2, 2}, {2, 2}, 15, 40, 17, {}, {}, {0, 2, 1, 3}};
  check(plain, bias_relu(), {{50}}, 1);
  check(plain, bias_relu(), {{45, 1}}, 2);
  check(plain, bias_relu(), {{}}, 3);
  check(plain, residual(), {{50}, {45, 50}}, 4);
  check(plain, residual(), {{45, 50}, {50}}, 5);
  check(plain, residual(), {{45, 50}, {45, 50}}, 6);
  check(plain, silu(), {{50}}, 7);
  const Case deep{{}, {}, 20, 50, 1500, {}, {}, {}}, deep_turned{{2}, {2}, 7, 18, 1100, {}, {}, {0, 2, 1}};
  check(deep, residual(), {{50}, {20, 50}}, 12);
  check(deep, silu(), {{50}}, 13);
  check(deep_turned, silu(), {{18}}, 14);
  check(turned, bias_relu(), {{34}}, 8);
  check(turned, residual(), {{2, 1, 34}, {2, 19, 34}}, 9);
  check(batched, residual(), {{2, 1, 15, 40}, {2, 2, 15, 40}}, 10);
  check(batched, silu(), {{2, 15, 40}}, 11);
  const Case halves{{}, {}, 45, 75, 96, {}, {}, {}}, slabs{{}, {}, 37, 81, 1568, {}, {}, {}},
      few{{}, {}, 20, 81, 1568, {}, {}, {}};
  Case columns = halves, deep_columns = slabs;
  columns.perm_out = deep_columns.perm_out = {1, 0};
  for (const Case& c : {halves, slabs, few, columns, deep_columns}) {
    check(c, bias_relu(), {{c.n}}, 15);
    check(c, residual(), {{c.n}, {c.m, c.n}}, 16);
    check(c, residual(), {{c.m, c.n}, {c.n}}, 17);
    check(c, silu(), {{c.n}}, 18);
  }
}

TEST(Matmul, EmptyDims) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{0, 5, 3}, {4, 0, 3}, {4, 5, 0}}) {
    check({{}, {}, m, n, k, {}, {}, {}}, bias_relu(), {{n}}, 1);
    check({{0}, {}, 4, 5, 3, {}, {}, {}}, {}, {}, 1);
  }
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  Tensor a(DType::f32, {4, 6}), b(DType::f32, {6, 5}), out(DType::f32, {4, 5}), wrong(DType::f32, {5, 5}),
      half(DType::f16, {4, 6}), blob(DType::u8, {6 * 16 * 4});
  for (const std::string& isa : instruction_sets()) {
    const std::string id = "matmul.packed.f32." + isa;
    MatmulPackedParams params{{}, 0, 0, 0, 0, 2};
    EXPECT_FALSE(run(id, params, {&a, &b}, {&wrong}));
    EXPECT_FALSE(run(id, params, {&half, &b}, {&out}));
    EXPECT_FALSE(run(id, params, {&a, &a}, {&out}));
    EXPECT_FALSE(run(id, params, {&a, &b, &b}, {&out}));
    EXPECT_FALSE(run(id, params, {&a, nullptr}, {&out}));
    for (int64_t vectors : {int64_t{0}, int64_t{5}, int64_t{-1}}) {
      params.vectors = vectors;
      EXPECT_FALSE(run(id, params, {&a, &b}, {&out}));
    }
    params = {{}, 1, 6, 5, 2, 2};
    params.n = isa == "avx512" ? 17 : 40;
    EXPECT_FALSE(run(id, params, {&a, &blob}, {&out}));
    params = {{}, 1, int64_t{1} << 62, int64_t{1} << 62, 2, 2};
    EXPECT_FALSE(run(id, params, {&a, &blob}, {&out}));
    params = {{}, 1, 6, 5, 200, 2};
    EXPECT_FALSE(run(id, params, {&a, &blob}, {&out}));
    params = {{}, 0, 0, 0, 0, 2, 2};
    EXPECT_FALSE(run(id, params, {&a, &b}, {&out})) << "together is 2";
    for (int64_t cache : {int64_t{-1}, kLeastCache - 1, kMostCache + 1}) {
      params = {{}, 0, 0, 0, 0, 2, 0, cache};
      EXPECT_FALSE(run(id, params, {&a, &b}, {&out})) << cache;
    }
    params = {{}, 0, 0, 0, 0, 2};
    params.matmul.perm_a[0] = 7;
    EXPECT_FALSE(run(id, params, {&a, &b}, {&out}));
  }
}

}  // namespace
}  // namespace tenon::guarded
