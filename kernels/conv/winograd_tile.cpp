#include "conv/winograd_tile.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

inline __attribute__((always_inline)) Vec times(double factor, Vec x) { return mul(splat(static_cast<float>(factor)), x); }
inline __attribute__((always_inline)) Vec times_plus(double factor, Vec x, Vec plus) {
  return fma(splat(static_cast<float>(factor)), x, plus);
}

constexpr double square(double x) { return x * x; }

// The inputs of one line, in place, become values at the points 0, near, -near, (far, -far,) infinity.
template <int m>
inline __attribute__((always_inline)) void forward(Vec (&d)[m + 2]) {
  if constexpr (m == 2) {
    const Vec zero = sub(d[2], d[0]), plus = add(d[2], d[1]), minus = sub(d[2], d[1]), infinity = sub(d[3], d[1]);
    d[0] = zero, d[1] = plus, d[2] = minus, d[3] = infinity;
  } else {
    constexpr WinogradPoints at = winograd_points(4);
    constexpr double near = square(at.near), far = square(at.far);
    const Vec zero = times_plus(-(near + far), d[2], times_plus(near * far, d[0], d[4]));
    const Vec infinity = times_plus(-(near + far), d[3], times_plus(near * far, d[1], d[5]));
    const Vec even_near = times_plus(-far, d[2], d[4]), odd_near = times(at.near, times_plus(-far, d[1], d[3]));
    const Vec even_far = times_plus(-near, d[2], d[4]), odd_far = times(at.far, times_plus(-near, d[1], d[3]));
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
    constexpr WinogradPoints at = winograd_points(4);
    constexpr double near = square(at.near), far = square(at.far);
    const Vec even_far = add(s[3], s[4]), odd_far = sub(s[3], s[4]);
    y[0] = add(s[0], add(even, even_far));
    y[1] = times_plus(at.near, odd, times(at.far, odd_far));
    y[2] = times_plus(near, even, times(far, even_far));
    y[3] = times_plus(near * at.near, odd, times_plus(far * at.far, odd_far, s[5]));
  }
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
      forward<m>(d);
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
    forward<m>(d);
#pragma GCC unroll 6
    for (int r = 0; r < n; ++r) lines[c][r] = d[r];
  }
}

template <int m>
inline __attribute__((always_inline)) void row(const Vec (&lines)[m + 2][m + 2], int r, Vec (&d)[m + 2]) {
#pragma GCC unroll 6
  for (int c = 0; c < m + 2; ++c) d[c] = lines[c][r];
  forward<m>(d);
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

}  // namespace

extern const WinogradTable kWinograd;
#if defined(__AVX512BF16__)
const WinogradTable kWinograd{input<2>, nullptr, output<2>, nullptr};
#else
const WinogradTable kWinograd{input<2>, input<4>, output<2>, output<4>};
#endif

}  // namespace tenon::TN_ISA
