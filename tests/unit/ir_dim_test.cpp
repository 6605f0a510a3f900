#include <gtest/gtest.h>

#include <random>

#include "base/checked.h"
#include "ir/dim.h"

namespace tenon {
namespace {

Dim parse(const std::string& text) {
  auto dim = parse_dim(text);
  EXPECT_TRUE(dim.has_value()) << text;
  return dim ? *dim : Dim(-999);
}

TEST(Dim, EqualPolynomialsAreEqual) {
  EXPECT_EQ(parse("N + N"), parse("2*N"));
  EXPECT_EQ(parse("N*M - M*N"), Dim(0));
  EXPECT_EQ(floordiv(parse("6*B*S"), parse("2*B")), parse("3*S"));
  EXPECT_EQ(floordiv(parse("B*S*768"), parse("S*768")), parse("B"));
  EXPECT_EQ(floordiv(parse("4*N + 8"), Dim(4)), parse("N + 2"));
  EXPECT_EQ(max(parse("N + 1"), parse("N")), parse("N + 1"));
  EXPECT_NE(parse("N"), parse("M"));
}

TEST(Dim, BroadcastKeepsWhatIsKnown) {
  Dim n = parse("N"), m = parse("M");
  EXPECT_EQ(*broadcast(n, Dim(1)), n);
  EXPECT_EQ(*broadcast(n, Dim(5)), Dim(5));
  EXPECT_EQ(*broadcast(n, n), n);
  EXPECT_FALSE(broadcast(Dim(2), Dim(3)));
  Dim both = *broadcast(n, m);
  EXPECT_EQ(both, *broadcast(m, n));
  EXPECT_EQ(*broadcast(n, both), both);
  // A slice of at most 512 positions, added to something of N: N wherever it can be added at all.
  EXPECT_EQ(*broadcast(min(n, Dim(512)), n), n);
}

TEST(Dim, EvaluationFailsWhereNothingHolds) {
  auto two = [](std::string_view) { return std::optional<int64_t>(2); };
  EXPECT_FALSE(evaluate(floordiv(parse("N"), parse("N - 2")), two));
  auto by_name = [](std::string_view name) { return std::optional<int64_t>(name == "N" ? 2 : 3); };
  EXPECT_FALSE(evaluate(*broadcast(parse("N"), parse("M")), by_name));
  EXPECT_FALSE(evaluate(parse("N*9223372036854775807"), two));
}

// A random expression and what it is worth, computed beside it with plain integers.
struct Sample {
  Dim dim;
  int64_t value;
};

Sample random_dim(std::mt19937& rng, int depth, const int64_t (&symbols)[3]) {
  static const char* const kNames[] = {"A", "B", "C"};
  if (depth == 0 || rng() % 4 == 0) {
    if (rng() % 2) {
      size_t s = rng() % 3;
      return {Dim::symbol(kNames[s]), symbols[s]};
    }
    int64_t c = static_cast<int64_t>(rng() % 9) + 1;
    return {Dim(c), c};
  }
  Sample a = random_dim(rng, depth - 1, symbols), b = random_dim(rng, depth - 1, symbols);
  switch (rng() % 7) {
    case 0: return {a.dim + b.dim, a.value + b.value};
    case 1: return {a.dim - b.dim, a.value - b.value};
    case 2: return {a.dim * b.dim, a.value * b.value};
    case 3: return {max(a.dim, b.dim), std::max(a.value, b.value)};
    case 4: return {min(a.dim, b.dim), std::min(a.value, b.value)};
    case 5: if (b.value != 0) return {floordiv(a.dim, b.dim), floor_div(a.value, b.value)}; break;
    case 6: if (b.value != 0) return {ceildiv(a.dim, b.dim), ceil_div(a.value, b.value)}; break;
  }
  return a;
}

TEST(Dim, RandomExpressionsKeepTheirValue) {
  std::mt19937 rng(11);
  for (int round = 0; round < 3000; ++round) {
    const int64_t symbols[3] = {static_cast<int64_t>(rng() % 7) + 1, static_cast<int64_t>(rng() % 7) + 1,
                                static_cast<int64_t>(rng() % 7) + 1};
    Sample sample = random_dim(rng, 4, symbols);
    auto value_of = [&](std::string_view name) { return std::optional<int64_t>(symbols[name[0] - 'A']); };
    auto value = evaluate(sample.dim, value_of);
    ASSERT_TRUE(value) << sample.dim.text() << ": " << value.error().text();
    EXPECT_EQ(*value, sample.value) << sample.dim.text();
    EXPECT_EQ(parse(sample.dim.text()), sample.dim) << sample.dim.text();
    auto range = bounds(sample.dim, [](std::string_view) { return std::optional<Interval>({1, 7}); });
    ASSERT_TRUE(range);
    EXPECT_LE(range->low, *value) << sample.dim.text();
    EXPECT_GE(range->high, *value) << sample.dim.text();
  }
}

}  // namespace
}  // namespace tenon
