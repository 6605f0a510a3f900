#include "gemm/micro.h"

#include "common/vector_math.h"
#include "gemm/pack.h"

namespace tenon::TN_ISA {
namespace {

#if defined(__AVX512BF16__)
constexpr int kGroup = 2;
#else
constexpr int kGroup = 1;
#endif

// In place, while the tile is in the first-level cache: within Micro::run it would cost the sums their registers.
__attribute__((noinline)) void apply_silu(const MicroTile& tile, int rows, int vectors) {
  const int half = (rows + 1) / 2;
  for (int v = 0; v < vectors; ++v)
    for (int part = 0; part < 2; ++part) {
      float* at = tile.c + v * tile.c_vector + part * tile.c_jump;
      const int count = part ? rows - half : half;
#pragma GCC unroll 2
      for (int m = 0; m < count; ++m) store(at + m * tile.c_row, silu(load(at + m * tile.c_row)));
    }
}

template <int kRows, int kVectors, int kStep>
struct Micro {
  static constexpr int kHalf = (kRows + 1) / 2;
  static constexpr int kWidth = kVectors * kLanes;

  // One k: every row of A times a row of B.
  static inline __attribute__((always_inline)) void step(const float* a, const float* a2, const float* b,
                                                         Vec (&sum)[kRows][kVectors]) {
    Vec right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 14
    for (int m = 0; m < kRows; ++m) {
      const Vec left = broadcast(m < kHalf ? a + m * kStep : a2 + (m - kHalf) * kStep);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[m][v] = accumulate(left, right[v], sum[m][v]);
    }
  }

  static inline __attribute__((always_inline)) Vec column_bias(const MicroTile& tile, int v, Mask mask) {
    const float* at = tile.bias + v * kLanes;
    return v + 1 < kVectors || tile.lanes == kLanes ? load(at) : load_masked(at, mask);
  }

  // A sum that does not resume one starts from the bias.
  static inline __attribute__((always_inline)) void start(const MicroTile& tile, Vec (&sum)[kRows][kVectors]) {
    const Mask mask = first_lanes(tile.lanes);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec first = tile.bias ? column_bias(tile, v, mask) : zero();
#pragma GCC unroll 14
      for (int m = 0; m < kRows; ++m) sum[m][v] = first;
    }
  }

  static inline __attribute__((always_inline)) void resume(const MicroTile& tile,
                                                           Vec (&sum)[kRows][kVectors]) {
    const Mask mask = first_lanes(tile.lanes);
#pragma GCC unroll 14
    for (int m = 0; m < kRows; ++m) {
      const float* row =
          m < kHalf ? tile.c + m * tile.c_row : tile.c + tile.c_jump + (m - kHalf) * tile.c_row;
#pragma GCC unroll 4
      for (int v = 0; v + 1 < kVectors; ++v) sum[m][v] = load(row + v * tile.c_vector);
      sum[m][kVectors - 1] = load_masked(row + (kVectors - 1) * tile.c_vector, mask);
    }
  }

  static inline __attribute__((always_inline)) void finish(const MicroTile& tile,
                                                           Vec (&sum)[kRows][kVectors]) {
    const Mask mask = first_lanes(tile.lanes);
    const bool whole = tile.lanes == kLanes;
    if (tile.bias && tile.accumulate) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const Vec bias = column_bias(tile, v, mask);
#pragma GCC unroll 14
        for (int m = 0; m < kRows; ++m) sum[m][v] = add(sum[m][v], bias);
      }
    }
    if (tile.row_bias) {
#pragma GCC unroll 14
      for (int m = 0; m < kRows; ++m) {
        const Vec bias = broadcast(tile.row_bias + m);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[m][v] = add(sum[m][v], bias);
      }
    }
    if (tile.add) {
#pragma GCC unroll 14
      for (int m = 0; m < kRows; ++m) {
        const float* row =
            m < kHalf ? tile.add + m * tile.add_row : tile.add + tile.add_jump + (m - kHalf) * tile.add_row;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const float* at = row + v * tile.add_vector;
          sum[m][v] = add(sum[m][v], v + 1 < kVectors || whole ? load(at) : load_masked(at, mask));
        }
      }
    }
    if (tile.bounded) {
      const Vec low = splat(tile.low), high = splat(tile.high);
#pragma GCC unroll 14
      for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[m][v] = min(high, max(low, sum[m][v]));
    }
    const bool fill = tile.fill;
    if (!whole && fill) {
#pragma GCC unroll 14
      for (int m = 0; m < kRows; ++m) sum[m][kVectors - 1] = keep(sum[m][kVectors - 1], mask);
    }
#pragma GCC unroll 14
    for (int m = 0; m < kRows; ++m) {
      float* row = m < kHalf ? tile.c + m * tile.c_row : tile.c + tile.c_jump + (m - kHalf) * tile.c_row;
#pragma GCC unroll 4
      for (int v = 0; v + 1 < kVectors; ++v) store(row + v * tile.c_vector, sum[m][v]);
      float* last = row + (kVectors - 1) * tile.c_vector;
      if (whole || fill)
        store(last, sum[m][kVectors - 1]);
      else
        store_masked(last, mask, sum[m][kVectors - 1]);
    }
  }

  static void run(const MicroTile& tile) {
    Vec sum[kRows][kVectors];
    if (tile.accumulate) {
      resume(tile, sum);
    } else {
      start(tile, sum);
    }
    const char* prefetch = tile.prefetch;
    const MicroBlock* block = tile.blocks;
    for (const MicroBlock* end = block + tile.count; block != end; ++block) {
      const float* a = tile.a + block->a;
      const float* a2 = a + tile.a_jump;
      const float* b = tile.b + block->b;
      if constexpr (kStep == 1) {
        step(a, a2, b, sum);
        continue;
      }
      int64_t k = block->k;
      for (; k >= 4; k -= 4) {
        if (prefetch) {
          _mm_prefetch(prefetch, _MM_HINT_T1);
          prefetch += 64;
        }
        step(a, a2, b, sum);
        step(a + 1, a2 + 1, b + kWidth, sum);
        step(a + 2, a2 + 2, b + 2 * kWidth, sum);
        step(a + 3, a2 + 3, b + 3 * kWidth, sum);
        a += 4, a2 += 4, b += 4 * kWidth;
      }
      for (; k > 0; --k) {
        step(a, a2, b, sum);
        ++a, ++a2, b += kWidth;
      }
    }
    finish(tile, sum);
    if (tile.silu) apply_silu(tile, kRows, kVectors);
  }
};

#define TN_ROWS_1_3(v, s) nullptr, Micro<1, v, s>::run, Micro<2, v, s>::run, Micro<3, v, s>::run
#define TN_ROWS_1_4(v, s) TN_ROWS_1_3(v, s), Micro<4, v, s>::run
#define TN_ROWS_1_6(v, s) TN_ROWS_1_4(v, s), Micro<5, v, s>::run, Micro<6, v, s>::run
#define TN_ROWS_1_9(v, s) TN_ROWS_1_6(v, s), Micro<7, v, s>::run, Micro<8, v, s>::run, Micro<9, v, s>::run
#define TN_ROWS_1_12(v, s) TN_ROWS_1_9(v, s), Micro<10, v, s>::run, Micro<11, v, s>::run, Micro<12, v, s>::run
#define TN_ROWS_1_14(v, s) TN_ROWS_1_12(v, s), Micro<13, v, s>::run, Micro<14, v, s>::run

}  // namespace

#if defined(__AVX512F__)
extern const MicroTable kMicro{kLanes,
                               kGroup,
                               {0, 14, 14, 9, 6},
                               {{},
                                {TN_ROWS_1_14(1, kLanes)},
                                {TN_ROWS_1_14(2, kLanes)},
                                {TN_ROWS_1_9(3, kLanes)},
                                {TN_ROWS_1_6(4, kLanes)}},
                               {{}, {TN_ROWS_1_14(1, 1)}, {TN_ROWS_1_14(2, 1)}},
                               pack_a,
                               pack_b,
                               pair_blocks};
#else
extern const MicroTable kMicro{kLanes,
                               kGroup,
                               {0, 12, 6, 4, 3},
                               {{},
                                {TN_ROWS_1_12(1, kLanes)},
                                {TN_ROWS_1_6(2, kLanes)},
                                {TN_ROWS_1_4(3, kLanes)},
                                {TN_ROWS_1_3(4, kLanes)}},
                               {{}, {TN_ROWS_1_12(1, 1)}, {TN_ROWS_1_6(2, 1)}},
                               pack_a,
                               pack_b,
                               pair_blocks};
#endif

}  // namespace tenon::TN_ISA
