// Kernels that take elements where indices say, against index formulas; indices out of range.
#include <cmath>
#include <limits>

#include "index/params.h"
#include "support/kernels.h"

namespace tenon::test {
namespace {

// Indices in [-n, n), as i32 or i64.
Tensor random_indices(std::vector<int64_t> dims, int64_t n, std::mt19937& rng, std::vector<int64_t>& wrapped) {
  const auto count = static_cast<size_t>(count_of(dims));
  std::vector<int64_t> values(count);
  wrapped.resize(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<int64_t>(rng() % static_cast<uint64_t>(2 * n)) - n;
    wrapped[i] = values[i] < 0 ? values[i] + n : values[i];
  }
  if (rng() % 2) return Tensor::of(DType::i64, std::move(dims), values);
  return Tensor::of(DType::i32, std::move(dims), std::vector<int32_t>(values.begin(), values.end()));
}

class Index : public testing::TestWithParam<int> {
 protected:
  std::mt19937 rng{static_cast<uint32_t>(GetParam()) * 104729u + 3};
};

TEST_P(Index, Gather) {
  std::vector<int64_t> dims = random_dims(rng, 1 + rng() % 4, GetParam() % 4 ? 7 : 30);
  const size_t axis = rng() % dims.size();
  std::vector<int64_t> index_dims = random_dims(rng, rng() % 3, 9), at;
  Tensor indices = random_indices(index_dims, dims[axis], rng, at);
  DType type = rng() % 2 ? DType::f32 : rng() % 2 ? DType::u8 : DType::f64;
  Tensor x = Tensor::random(type, dims, rng);
  std::vector<int64_t> out_dims(dims.begin(), dims.begin() + static_cast<ptrdiff_t>(axis));
  out_dims.insert(out_dims.end(), index_dims.begin(), index_dims.end());
  out_dims.insert(out_dims.end(), dims.begin() + static_cast<ptrdiff_t>(axis) + 1, dims.end());
  const size_t size = size_of(type);
  for (const char* id : {"gather.reference", "gather.rows"}) {
    Tensor out(type, out_dims);
    run_ok(id, GatherParams{static_cast<int64_t>(axis)}, {&x, &indices}, {&out});
    for (int64_t flat = 0; flat < count_of(out_dims); ++flat) {
      std::vector<int64_t> to = unravel(flat, out_dims), from(dims.size()), which;
      for (size_t d = 0; d < axis; ++d) from[d] = to[d];
      for (size_t d = 0; d < index_dims.size(); ++d) which.push_back(to[axis + d]);
      for (size_t d = axis + 1; d < dims.size(); ++d) from[d] = to[index_dims.size() + d - 1];
      from[axis] = at[static_cast<size_t>(ravel(which, index_dims))];
      ASSERT_EQ(std::memcmp(out.data() + static_cast<size_t>(flat) * size,
                            x.data() + static_cast<size_t>(ravel(from, dims)) * size, size), 0) << id;
    }
  }
}

TEST_P(Index, GatherElements) {
  std::vector<int64_t> dims = random_dims(rng, 1 + rng() % 3, 8), index_dims = dims, at;
  const size_t axis = rng() % dims.size();
  for (size_t d = 0; d < dims.size(); ++d)
    index_dims[d] = 1 + static_cast<int64_t>(rng() % static_cast<uint64_t>(d == axis ? 11 : dims[d]));
  Tensor indices = random_indices(index_dims, dims[axis], rng, at), x = Tensor::random(DType::i64, dims, rng);
  Tensor out(DType::i64, index_dims);
  run_ok("gather_elements.reference", GatherParams{static_cast<int64_t>(axis)}, {&x, &indices}, {&out});
  for (int64_t flat = 0; flat < count_of(index_dims); ++flat) {
    std::vector<int64_t> from = unravel(flat, index_dims);
    from[axis] = at[static_cast<size_t>(flat)];
    ASSERT_EQ(out.as<int64_t>()[flat], x.as<int64_t>()[ravel(from, dims)]);
  }
}

TEST_P(Index, GatherNd) {
  // x [B, P, Q, R], indices [B, I, depth] with one batch dim, or none with indices [I, depth].
  const bool batched = rng() % 2;
  std::vector<int64_t> dims = random_dims(rng, 4, 5);
  const int64_t b = batched ? 1 : 0, depth = 1 + static_cast<int64_t>(rng() % static_cast<uint64_t>(4 - b)), rows = 6;
  std::vector<int64_t> index_dims = batched ? std::vector<int64_t>{dims[0], rows, depth} : std::vector<int64_t>{rows, depth};
  const int64_t total = count_of(index_dims) / depth;
  std::vector<int64_t> values(static_cast<size_t>(total * depth)), wrapped = values;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t n = dims[static_cast<size_t>(b + static_cast<int64_t>(i) % depth)];
    values[i] = static_cast<int64_t>(rng() % static_cast<uint64_t>(2 * n)) - n;
    wrapped[i] = (values[i] + n) % n;
  }
  Tensor indices = Tensor::of(DType::i64, index_dims, values), x = Tensor::random(DType::f32, dims, rng);
  std::vector<int64_t> out_dims(index_dims.begin(), index_dims.end() - 1);
  out_dims.insert(out_dims.end(), dims.begin() + static_cast<ptrdiff_t>(b + depth), dims.end());
  Tensor out(DType::f32, out_dims);
  run_ok("gather_nd.reference", GatherNdParams{b}, {&x, &indices}, {&out});
  const int64_t inner = count_of(out_dims) / total;
  for (int64_t flat = 0; flat < count_of(out_dims); ++flat) {
    const int64_t row = flat / inner;
    std::vector<int64_t> from;
    if (batched) from.push_back(row / rows);
    for (int64_t d = 0; d < depth; ++d) from.push_back(wrapped[static_cast<size_t>(row * depth + d)]);
    std::vector<int64_t> tail_dims(dims.begin() + static_cast<ptrdiff_t>(from.size()), dims.end());
    for (int64_t i : unravel(flat % inner, tail_dims)) from.push_back(i);
    ASSERT_EQ(out.as<uint32_t>()[flat], x.as<uint32_t>()[ravel(from, dims)]);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Index, testing::Range(0, 30));

TEST(IndexRange, ValuesOutOfRangeAreRefusedByName) {
  std::mt19937 rng(4);
  Tensor x = Tensor::random(DType::f32, {5, 3}, rng);
  for (int64_t bad : {int64_t{5}, int64_t{-6}, INT64_MAX, INT64_MIN}) {
    Tensor indices = Tensor::of(DType::i64, {2}, std::vector<int64_t>{1, bad}), out(DType::f32, {2, 3});
    for (const char* id : {"gather.reference", "gather.rows"}) {
      std::string text = refusal(id, GatherParams{0}, {&x, &indices}, {&out});
      EXPECT_NE(text.find(std::to_string(bad)), std::string::npos) << text;
      EXPECT_NE(text.find("[-5, 4]"), std::string::npos) << text;
    }
    Tensor pairs = Tensor::of(DType::i64, {1, 2}, std::vector<int64_t>{bad, 0}), one(DType::f32, {1});
    EXPECT_NE(refusal("gather_nd.reference", GatherNdParams{0}, {&x, &pairs}, {&one}), "");
    Tensor each = Tensor::of(DType::i64, {1, 3}, std::vector<int64_t>{0, bad, 0}), row(DType::f32, {1, 3});
    EXPECT_NE(refusal("gather_elements.reference", GatherParams{0}, {&x, &each}, {&row}), "");
  }
}

TEST(IndexRange, EmptyDims) {
  Tensor x(DType::f32, {0, 3}), none(DType::i64, {0}), out(DType::f32, {0, 3});
  run_ok("gather.rows", GatherParams{0}, {&x, &none}, {&out});
  Tensor one = Tensor::of(DType::i64, {1}, std::vector<int64_t>{0}), row(DType::f32, {1, 3});
  EXPECT_NE(refusal("gather.rows", GatherParams{0}, {&x, &one}, {&row}), "");
}

TEST(Scatter, LaterUpdatesCountAndReductionsCombine) {
  Tensor x = Tensor::of(DType::f32, {4}, std::vector<float>{1, 2, 3, 4});
  Tensor indices = Tensor::of(DType::i64, {3}, std::vector<int64_t>{-1, 0, 3});
  Tensor updates = Tensor::of(DType::f32, {3}, std::vector<float>{10, 20, 30}), out(DType::f32, {4});
  auto scattered = [&](ScatterReduction reduction) {
    run_ok("scatter_elements.reference", ScatterElementsParams{0, reduction}, {&x, &indices, &updates}, {&out});
    std::vector<float> elements = out.values<float>();
    Tensor rows = indices;
    rows.arg.rank = 2, rows.arg.dims[1] = 1;
    run_ok("scatter_nd.reference", ScatterNdParams{reduction}, {&x, &rows, &updates}, {&out});
    EXPECT_EQ(out.values<float>(), elements);
    return elements;
  };
  EXPECT_EQ(scattered(ScatterReduction::none), (std::vector<float>{20, 2, 3, 30}));
  EXPECT_EQ(scattered(ScatterReduction::add), (std::vector<float>{21, 2, 3, 44}));
  EXPECT_EQ(scattered(ScatterReduction::mul), (std::vector<float>{20, 2, 3, 1200}));
  EXPECT_EQ(scattered(ScatterReduction::max), (std::vector<float>{20, 2, 3, 30}));
  EXPECT_EQ(scattered(ScatterReduction::min), (std::vector<float>{1, 2, 3, 4}));
  const float nan = std::numeric_limits<float>::quiet_NaN();  // the largest and the smallest of it and others is it
  x = Tensor::of(DType::f32, {4}, std::vector<float>{nan, 2, 3, 4});
  updates = Tensor::of(DType::f32, {3}, std::vector<float>{nan, 20, 30});
  for (ScatterReduction reduction : {ScatterReduction::max, ScatterReduction::min}) {
    run_ok("scatter_elements.reference", ScatterElementsParams{0, reduction}, {&x, &indices, &updates}, {&out});
    const std::vector<float> kept = out.values<float>();
    EXPECT_TRUE(std::isnan(kept[0]) && std::isnan(kept[3]));
    EXPECT_EQ(kept[1], 2);
  }
  Tensor beyond = Tensor::of(DType::i64, {3}, std::vector<int64_t>{0, 4, 0});
  EXPECT_NE(refusal("scatter_elements.reference", ScatterElementsParams{0, {}}, {&x, &beyond, &updates}, {&out}), "");
  EXPECT_NE(refusal("scatter_elements.reference", ScatterElementsParams{1, {}}, {&x, &indices, &updates}, {&out}), "");
  EXPECT_NE(refusal("scatter_elements.reference", ScatterElementsParams{0, static_cast<ScatterReduction>(9)},
                    {&x, &indices, &updates}, {&out}), "");
}

TEST_P(Index, TopKAndCumsum) {
  std::vector<int64_t> dims = random_dims(rng, 3, 9);
  const size_t axis = rng() % 3;
  const int64_t n = dims[axis], k = static_cast<int64_t>(rng() % static_cast<uint64_t>(n + 1)), largest = rng() % 2;
  std::vector<int32_t> numbers(static_cast<size_t>(count_of(dims)));
  for (int32_t& v : numbers) v = static_cast<int32_t>(rng() % 7) - 3;
  Tensor x = Tensor::of(DType::i32, dims, numbers), sums(DType::i32, dims), products(DType::i32, dims);
  std::vector<int64_t> out_dims = dims;
  out_dims[axis] = k;
  Tensor values(DType::i32, out_dims), indices(DType::i64, out_dims);
  run_ok("top_k.reference", TopKParams{static_cast<int64_t>(axis), largest}, {&x}, {&values, &indices});
  const CumsumParams sum{static_cast<int64_t>(axis), static_cast<int64_t>(rng() % 2), static_cast<int64_t>(rng() % 2)};
  run_ok("cumsum.reference", sum, {&x}, {&sums});
  CumsumParams product = sum;
  product.product = 1;
  run_ok("cumsum.reference", product, {&x}, {&products});
  for (int64_t flat = 0; flat < count_of(dims); ++flat) {
    std::vector<int64_t> index = unravel(flat, dims), other = index;
    const int32_t mine = numbers[static_cast<size_t>(flat)];
    int64_t rank = 0, total = 0, factors = 1;  // how many come before this one in the order; the sum up to here
    for (other[axis] = 0; other[axis] < n; ++other[axis]) {
      const int32_t theirs = numbers[static_cast<size_t>(ravel(other, dims))];
      const bool first = other[axis] < index[axis], same = other[axis] == index[axis];
      rank += theirs == mine ? first : (theirs > mine) == (largest != 0);
      if (same ? !sum.exclusive : first != (sum.reverse != 0)) total += theirs, factors *= theirs;
    }
    ASSERT_EQ(sums.as<int32_t>()[flat], total);
    ASSERT_EQ(products.as<int32_t>()[flat], factors);
    if (rank >= k) continue;
    std::vector<int64_t> at = index;
    at[axis] = rank;
    ASSERT_EQ(values.as<int32_t>()[ravel(at, out_dims)], mine);
    ASSERT_EQ(indices.as<int64_t>()[ravel(at, out_dims)], index[axis]);
  }
}

TEST(ReverseSequence, LengthsOutOfRangeAreRefused) {
  Tensor x = Tensor::of(DType::i32, {3, 2}, std::vector<int32_t>{1, 2, 3, 4, 5, 6}), out(DType::i32, {3, 2});
  Tensor lengths = Tensor::of(DType::i64, {2}, std::vector<int64_t>{2, 3});
  run_ok("reverse_sequence.reference", ReverseSequenceParams{1, 0}, {&x, &lengths}, {&out});
  EXPECT_EQ(out.values<int32_t>(), (std::vector<int32_t>{3, 6, 1, 4, 5, 2}));
  Tensor beyond = Tensor::of(DType::i64, {2}, std::vector<int64_t>{2, 4});
  EXPECT_NE(refusal("reverse_sequence.reference", ReverseSequenceParams{1, 0}, {&x, &beyond}, {&out}), "");
  EXPECT_NE(refusal("reverse_sequence.reference", ReverseSequenceParams{0, 0}, {&x, &lengths}, {&out}), "");
}

}  // namespace
}  // namespace tenon::test
