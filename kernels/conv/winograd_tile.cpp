#include "conv/winograd_tile.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

inline __attribute__((always_inline)) Vec times(double factor, Vec x) { return mul(splat(static_cast<float>(factor)), x); }
inline __attribute__((always_inline)) Vec times_plus(double factor, Vec x, Vec plus) {
  return fma(splat(static_cast<float>(factor)), x, plus);
}

constexpr double square(double x) { return x * x; }

// The inputs of one line, in place, become values at the points 0, ± each of winograd_points, infinity.
template <int n>
inline __attribute__((always_inline)) void forward(Vec (&d)[n]) {
  if constexpr (n == 4) {
    const Vec zero = sub(d[2], d[0]), plus = add(d[2], d[1]), minus = sub(d[2], d[1]), infinity = sub(d[3], d[1]);
    d[0] = zero, d[1] = plus, d[2] = minus, d[3] = infinity;
  } else if constexpr (n == 8) {
    constexpr WinogradPoints points = winograd_points(8);
    constexpr double a = square(points.at[0]), b = square(points.at[1]), c = square(points.at[2]);
    Vec out[8];
    out[0] = times_plus(-(a + b + c), d[4], times_plus(a * b + a * c + b * c, d[2], times_plus(-a * b * c, d[0], d[6])));
    out[7] = times_plus(-(a + b + c), d[5], times_plus(a * b + a * c + b * c, d[3], times_plus(-a * b * c, d[1], d[7])));
    constexpr double others[3][2] = {{b + c, b * c}, {a + c, a * c}, {a + b, a * b}};
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      const Vec even = times_plus(-others[i][0], d[4], times_plus(others[i][1], d[2], d[6]));
      const Vec odd = times(points.at[i], times_plus(-others[i][0], d[3], times_plus(others[i][1], d[1], d[5])));
      out[1 + 2 * i] = add(even, odd);
      out[2 + 2 * i] = sub(even, odd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) d[i] = out[i];
  } else {
    constexpr WinogradPoints points = winograd_points(6);
    constexpr double near = square(points.at[0]), far = square(points.at[1]);
    const Vec zero = times_plus(-(near + far), d[2], times_plus(near * far, d[0], d[4]));
    const Vec infinity = times_plus(-(near + far), d[3], times_plus(near * far, d[1], d[5]));
    const Vec even_near = times_plus(-far, d[2], d[4]), odd_near = times(points.at[0], times_plus(-far, d[1], d[3]));
    const Vec even_far = times_plus(-near, d[2], d[4]), odd_far = times(points.at[1], times_plus(-near, d[1], d[3]));
    d[0] = zero, d[1] = add(even_near, odd_near), d[2] = sub(even_near, odd_near), d[3] = add(even_far, odd_far);
    d[4] = sub(even_far, odd_far), d[5] = infinity;
  }
}

// Sums at the points become the m outputs of a line.
template <int m>
inline __attribute__((always_inline)) void backward(const Vec (&s)[m + 2], Vec (&y)[m]) {
  const Vec even = add(s[1], s[2]), odd = sub(s[1], s[2]);
  if constexpr (m == 2) {
    y[0] = add(s[0], even);
    y[1] = add(odd, s[3]);
  } else {
    constexpr WinogradPoints points = winograd_points(6);
    constexpr double near = square(points.at[0]), far = square(points.at[1]);
    const Vec even_far = add(s[3], s[4]), odd_far = sub(s[3], s[4]);
    y[0] = add(s[0], add(even, even_far));
    y[1] = times_plus(points.at[0], odd, times(points.at[1], odd_far));
    y[2] = times_plus(near, even, times(far, even_far));
    y[3] = times_plus(near * points.at[0], odd, times_plus(far * points.at[1], odd_far, s[5]));
  }
}

constexpr double power(double x, int exponent) { return exponent == 0 ? 1 : x * power(x, exponent - 1); }

// Output k of F(m, n + 1 - m): the sums at the points times the points' powers.
template <int n, int m, int k>
inline __attribute__((always_inline)) Vec line_output(const Vec& zero, const Vec (&pairs)[n / 2 - 1], const Vec& infinity) {
  constexpr WinogradPoints points = winograd_points(n);
  Vec y = power(points.at[0], k) == 1 ? pairs[0] : times(power(points.at[0], k), pairs[0]);
#pragma GCC unroll 3
  for (int i = 1; i < n / 2 - 1; ++i)
    y = power(points.at[i], k) == 1 ? add(pairs[i], y) : times_plus(power(points.at[i], k), pairs[i], y);
  if (k == 0) y = add(zero, y);
  return k == m - 1 ? add(infinity, y) : y;
}

// The values of the tile's columns at x: lines[column][row].
template <int m>
inline __attribute__((always_inline)) void columns(const WinogradInput& tile, const float* x, Vec (&lines)[m + 2][m + 2]) {
  constexpr int n = m + 2;
  const bool whole = tile.row_begin == 0 && tile.row_end == n && tile.column_begin == 0 && tile.column_end == n;
  if (whole) {
#pragma GCC unroll 6
    for (int c = 0; c < n; ++c) {
      Vec d[n];
#pragma GCC unroll 6
      for (int r = 0; r < n; ++r) d[r] = load(x + r * tile.row_step + c * kLanes);
      forward<n>(d);
#pragma GCC unroll 6
      for (int r = 0; r < n; ++r) lines[c][r] = d[r];
    }
    return;
  }
  for (int c = 0; c < n; ++c) {
    Vec d[n];
#pragma GCC unroll 6
    for (int r = 0; r < n; ++r) {
      const bool inside = r >= tile.row_begin && r < tile.row_end && c >= tile.column_begin && c < tile.column_end;
      d[r] = inside ? load(x + r * tile.row_step + c * kLanes) : zero();
    }
    forward<n>(d);
#pragma GCC unroll 6
    for (int r = 0; r < n; ++r) lines[c][r] = d[r];
  }
}

template <int m>
inline __attribute__((always_inline)) void row(const Vec (&lines)[m + 2][m + 2], int r, Vec (&d)[m + 2]) {
#pragma GCC unroll 6
  for (int c = 0; c < m + 2; ++c) d[c] = lines[c][r];
  forward<m + 2>(d);
}

template <int m>
void input(const WinogradInput& tile) {
  constexpr int n = m + 2;
  Vec lines[n][n];
  columns<m>(tile, tile.x, lines);
  float* to = tile.to;
#if defined(__AVX512BF16__)
  Vec second[n][n];
  if (tile.second) {
    columns<m>(tile, tile.second, second);
  } else {
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < n; ++r) second[c][r] = zero();
  }
#pragma GCC unroll 6
  for (int r = 0; r < n; ++r) {
    Vec d[n], e[n];
    row<m>(lines, r, d);
    row<m>(second, r, e);
#pragma GCC unroll 6
    for (int c = 0; c < n; ++c, to += tile.step) store(to, pairs(d[c], e[c]));
  }
#else
#pragma GCC unroll 6
  for (int r = 0; r < n; ++r) {
    Vec d[n];
    row<m>(lines, r, d);
#pragma GCC unroll 6
    for (int c = 0; c < n; ++c, to += tile.step) store(to, d[c]);
  }
#endif
}

template <int m>
void output(const WinogradOutput& tile) {
  constexpr int n = m + 2;
  const Mask mask = first_lanes(tile.lanes);
  const Vec bias = tile.bias ? load_masked(tile.bias, mask) : zero();
  const Vec low = splat(tile.bounded ? tile.low : -__builtin_inff()), high = splat(tile.bounded ? tile.high : __builtin_inff());
  Vec lines[m][n];  // [row][column]
#pragma GCC unroll 6
  for (int c = 0; c < n; ++c) {
    Vec s[n], y[m];
#pragma GCC unroll 6
    for (int r = 0; r < n; ++r) s[r] = load(tile.from + (r * n + c) * tile.step);
    backward<m>(s, y);
#pragma GCC unroll 4
    for (int r = 0; r < m; ++r) lines[r][c] = y[r];
  }
  for (int r = 0; r < tile.rows; ++r) {
    Vec y[m];
    backward<m>(lines[r], y);
    float* to = tile.y + r * tile.row_step;
    const float* other = tile.add ? tile.add + r * tile.row_step : nullptr;
#pragma GCC unroll 4
    for (int c = 0; c < m; ++c) {
      if (c >= tile.columns) break;
      Vec sum = add(y[c], bias);
      if (other) sum = add(sum, load(other + c * kLanes));
      store(to + c * kLanes, keep(min(high, max(low, sum)), mask));
    }
  }
}

#if !defined(__AVX512BF16__)

template <int n>
void input_line(const WinogradInput& tile) {
  Vec d[n];
  if (tile.row_begin == 0 && tile.row_end == n) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) d[i] = load(tile.x + i * tile.row_step);
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) d[i] = i >= tile.row_begin && i < tile.row_end ? load(tile.x + i * tile.row_step) : zero();
  }
  forward<n>(d);
#pragma GCC unroll 8
  for (int i = 0; i < n; ++i) store(tile.to + i * tile.step, d[i]);
}

template <int n, int m, int k = 0>
inline __attribute__((always_inline)) void store_line(const WinogradOutput& tile, const Vec& at_zero,
                                                      const Vec (&even)[n / 2 - 1], const Vec (&odd)[n / 2 - 1],
                                                      const Vec& infinity, Vec low, Vec high, Vec bias, Mask mask) {
  if constexpr (k < m) {
    if (k >= tile.rows) return;
    Vec sum = add(line_output<n, m, k>(at_zero, k % 2 ? odd : even, infinity), bias);
    if (tile.add) sum = add(sum, load(tile.add + k * tile.row_step));
    store(tile.y + k * tile.row_step, keep(min(high, max(low, sum)), mask));
    store_line<n, m, k + 1>(tile, at_zero, even, odd, infinity, low, high, bias, mask);
  }
}

template <int n, int m>
void output_line(const WinogradOutput& tile) {
  const Mask mask = first_lanes(tile.lanes);
  const Vec bias = tile.bias ? load_masked(tile.bias, mask) : zero();
  const Vec low = splat(tile.bounded ? tile.low : -__builtin_inff()), high = splat(tile.bounded ? tile.high : __builtin_inff());
  Vec even[n / 2 - 1], odd[n / 2 - 1];
#pragma GCC unroll 3
  for (int i = 0; i < n / 2 - 1; ++i) {
    const Vec plus = load(tile.from + (1 + 2 * i) * tile.step), minus = load(tile.from + (2 + 2 * i) * tile.step);
    even[i] = add(plus, minus);
    odd[i] = sub(plus, minus);
  }
  store_line<n, m>(tile, load(tile.from), even, odd, load(tile.from + (n - 1) * tile.step), low, high, bias, mask);
}

#endif

}  // namespace

extern const WinogradTable kWinograd;
#if defined(__AVX512BF16__)
const WinogradTable kWinograd{input<2>, nullptr, output<2>, nullptr, {}, {}};
#else
const WinogradTable kWinograd{
    input<2>,
    input<4>,
    output<2>,
    output<4>,
    {input_line<6>, input_line<8>},
    {{nullptr, nullptr, output_line<6, 2>, output_line<6, 3>, output_line<6, 4>, output_line<6, 5>, nullptr},
     {nullptr, nullptr, output_line<8, 2>, output_line<8, 3>, output_line<8, 4>, output_line<8, 5>, output_line<8, 6>}}};
#endif

}  // namespace tenon::TN_ISA
