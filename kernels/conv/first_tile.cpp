#include "conv/first_tile.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

// Keeps the compiler from adding up pixels' places anew for every tap.
inline const float* opaque(const float* p) {
  asm("" : "+r"(p));
  return p;
}

inline void prefetch(const FirstRun& r, const float* ahead) {
  for (int64_t line = 0; line < r.ahead_lines; ++line)
    for (int64_t c = 0; c < r.channels; ++c)
      _mm_prefetch(reinterpret_cast<const char*>(ahead + c * r.channel_step + line * kFirstLine), _MM_HINT_T1);
}

template <int kVectors, int kPixels>
struct Tile {
  static constexpr int kHalf = (kPixels + 1) / 2, kWidth = kVectors * kLanes;
  using Sums = Vec[kPixels][kVectors];

  static inline __attribute__((always_inline)) Vec left(const float* a, const float* a2, int64_t step, int m) {
    return broadcast(m < kHalf ? a + m * step : a2 + (m - kHalf) * step);
  }

  static inline __attribute__((always_inline)) void add_tap(const float* a, const float* a2, int64_t step, const float* b,
                                                            Sums& sum) {
    Vec right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 14
    for (int m = 0; m < kPixels; ++m) {
      const Vec x = left(a, a2, step, m);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[m][v] = fma(x, right[v], sum[m][v]);
    }
  }

  // The last tap: each pixel is stored as soon as its sums are whole.
  static inline __attribute__((always_inline)) void end_taps(const float* a, const float* a2, int64_t step, const float* b,
                                                             Sums& sum, Vec low, Vec high, float* c, int64_t c_vector) {
    Vec right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 14
    for (int m = 0; m < kPixels; ++m) {
      const Vec x = left(a, a2, step, m);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) store(c + v * c_vector + m * kLanes, min(high, max(low, fma(x, right[v], sum[m][v]))));
    }
  }

  static void run(const FirstRun& r) {
    const int64_t step = r.step, second = r.second, c_vector = r.c_vector, last = r.depth - 1;
    const int64_t* const taps = r.taps;
    const float *const b = r.b, *const bias = r.bias;
    const Vec low = splat(r.low), high = splat(r.high);
    const float* ahead = r.ahead;
    const FirstPlace *const columns = r.columns, *const columns_end = columns + r.column_count;
    for (const FirstPlace *row = r.rows, *end = row + r.row_count; row != end; ++row) {
      const float* const row_a = r.a + row->a;
      float* const row_c = r.c + row->c;
      for (const FirstPlace* column = columns; column != columns_end; ++column) {
        prefetch(r, ahead);
        ahead += r.ahead_lines * kFirstLine;
        const float *const a = row_a + column->a, *const a2 = a + second, *at = b;
        Sums sum;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const Vec first = load(bias + v * kLanes);
#pragma GCC unroll 14
          for (int m = 0; m < kPixels; ++m) sum[m][v] = first;
        }
        for (int64_t i = 0; i < last; ++i, at += kWidth) add_tap(opaque(a + taps[i]), opaque(a2 + taps[i]), step, at, sum);
        end_taps(opaque(a + taps[last]), opaque(a2 + taps[last]), step, at, sum, low, high, row_c + column->c, c_vector);
      }
    }
  }
};

// Lanes first … last - 1; those bounds may lie outside the vector.
inline Mask lanes_between(int64_t first, int64_t last) {
  auto inside = [](int64_t n) { return n < 0 ? 0 : n > kLanes ? kLanes : n; };
#if defined(__AVX512F__)
  return static_cast<Mask>(first_lanes(inside(last)) & ~first_lanes(inside(first)));
#else
  return _mm256_andnot_si256(first_lanes(inside(first)), first_lanes(inside(last)));
#endif
}

void fill(const FirstPatch& p) {
  const int64_t width = p.width;
  const int64_t *const rows = p.rows, count = p.row_count;
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t begin = p.begin + i;
    const Mask mask = lanes_between(-begin, p.columns - begin);
    const float* x = p.x;
    float* to = p.to + i;
    for (int64_t row = 0; row < count; ++row, to += width)
      store(to, rows[row] == FirstPatch::kOutside ? zero() : load_masked(x + (rows[row] + begin), mask));
  }
}

void finish(float* c, int64_t pixels, int64_t lanes, bool silus) {
  const Mask mask = first_lanes(lanes);
  if (silus) {
#pragma GCC unroll 2
    for (int64_t i = 0; i < pixels; ++i) store(c + i * kLanes, silu(load(c + i * kLanes)));
  }
  if (lanes < kLanes)
    for (int64_t i = 0; i < pixels; ++i) store(c + i * kLanes, keep(load(c + i * kLanes), mask));
}

#define TN_PIXELS_1_3(v) nullptr, Tile<v, 1>::run, Tile<v, 2>::run, Tile<v, 3>::run
#define TN_PIXELS_1_4(v) TN_PIXELS_1_3(v), Tile<v, 4>::run
#define TN_PIXELS_1_6(v) TN_PIXELS_1_4(v), Tile<v, 5>::run, Tile<v, 6>::run
#define TN_PIXELS_1_9(v) TN_PIXELS_1_6(v), Tile<v, 7>::run, Tile<v, 8>::run, Tile<v, 9>::run
#define TN_PIXELS_1_12(v) TN_PIXELS_1_9(v), Tile<v, 10>::run, Tile<v, 11>::run, Tile<v, 12>::run
#define TN_PIXELS_1_14(v) TN_PIXELS_1_12(v), Tile<v, 13>::run, Tile<v, 14>::run

}  // namespace

#if defined(__AVX512F__)
extern const FirstTable kFirst{kLanes,
                               {0, 14, 14, 9, 6},
                               {{}, {TN_PIXELS_1_14(1)}, {TN_PIXELS_1_14(2)}, {TN_PIXELS_1_9(3)}, {TN_PIXELS_1_6(4)}},
                               fill,
                               finish};
#else
extern const FirstTable kFirst{kLanes,
                               {0, 12, 6, 4, 3},
                               {{}, {TN_PIXELS_1_12(1)}, {TN_PIXELS_1_6(2)}, {TN_PIXELS_1_4(3)}, {TN_PIXELS_1_3(4)}},
                               fill,
                               finish};
#endif

}  // namespace tenon::TN_ISA
