#include "gemm/micro.h"

#include "common/vector_math.h"
#include "gemm/pack.h"
#include "gemm/transpose.h"

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

template <int kRows, int kVectors>
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
      const Vec left = broadcast(m < kHalf ? a + m * kLanes : a2 + (m - kHalf) * kLanes);
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
    const int64_t lines = tile.prefetch_lines * 64;
    const MicroBlock* block = tile.blocks;
    for (const MicroBlock* end = block + tile.count; block != end; ++block) {
      const float* a = tile.a + block->a;
      const float* a2 = a + tile.a_jump;
      const float* b = tile.b + block->b;
      int64_t k = block->k;
      for (; k >= 4; k -= 4) {
        if (prefetch)
          for (const char* end = prefetch + lines; prefetch != end; prefetch += 64) _mm_prefetch(prefetch, _MM_HINT_T1);
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

#if defined(__AVX512F__)

template <int kRows, int kVectors>
struct HalfMicro {
  using Whole = Micro<kRows, kVectors>;
  static constexpr int kHalf = kRows / 2, kWidth = kVectors * kLanes, kLast = kVectors - 1;
  static_assert(kRows % 2 == 0);

  static inline Vec twice(Vec x) { return _mm512_broadcast_f32x8(_mm512_castps512_ps256(x)); }

  // both[m]: the last vector's sums of row m, and in the upper half those of row m + kHalf.
  static inline __attribute__((always_inline)) void step(const float* a, const float* a2, const float* b,
                                                         Vec (&sum)[kRows][kVectors], Vec (&both)[kHalf]) {
    Vec right[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kLast; ++v) right[v] = load(b + v * kLanes);
    right[kLast] = _mm512_broadcast_f32x8(_mm256_loadu_ps(b + kLast * kLanes));
#pragma GCC unroll 7
    for (int m = 0; m < kHalf; ++m) {
      const Vec left = broadcast(a + m * kLanes), left2 = broadcast(a2 + m * kLanes);
#pragma GCC unroll 3
      for (int v = 0; v < kLast; ++v) {
        sum[m][v] = accumulate(left, right[v], sum[m][v]);
        sum[m + kHalf][v] = accumulate(left2, right[v], sum[m + kHalf][v]);
      }
      both[m] = accumulate(_mm512_mask_blend_ps(0xff00, left, left2), right[kLast], both[m]);
    }
  }

  static void run(const MicroTile& tile) {
    Vec sum[kRows][kVectors], both[kHalf];
    Whole::start(tile, sum);
#pragma GCC unroll 7
    for (int m = 0; m < kHalf; ++m) both[m] = twice(sum[m][kLast]);
    const char* prefetch = tile.prefetch;
    const int64_t lines = tile.prefetch_lines * 64;
    const MicroBlock* block = tile.blocks;
    for (const MicroBlock* end = block + tile.count; block != end; ++block) {
      const float* a = tile.a + block->a;
      const float* a2 = a + tile.a_jump;
      const float* b = tile.b + block->b;
      int64_t k = block->k;
      for (; k >= 4; k -= 4) {
        if (prefetch)
          for (const char* end = prefetch + lines; prefetch != end; prefetch += 64) _mm_prefetch(prefetch, _MM_HINT_T1);
        step(a, a2, b, sum, both);
        step(a + 1, a2 + 1, b + kWidth, sum, both);
        step(a + 2, a2 + 2, b + 2 * kWidth, sum, both);
        step(a + 3, a2 + 3, b + 3 * kWidth, sum, both);
        a += 4, a2 += 4, b += 4 * kWidth;
      }
      for (; k > 0; --k) {
        step(a, a2, b, sum, both);
        ++a, ++a2, b += kWidth;
      }
    }
#pragma GCC unroll 7
    for (int m = 0; m < kHalf; ++m) {
      sum[m][kLast] = _mm512_zextps256_ps512(_mm512_castps512_ps256(both[m]));
      sum[m + kHalf][kLast] = _mm512_zextps256_ps512(_mm512_extractf32x8_ps(both[m], 1));
    }
    Whole::finish(tile, sum);
    if (tile.silu) apply_silu(tile, kRows, kVectors);
  }
};

#endif

#define TN_ROWS_1_3(v) nullptr, Micro<1, v>::run, Micro<2, v>::run, Micro<3, v>::run
#define TN_ROWS_1_4(v) TN_ROWS_1_3(v), Micro<4, v>::run
#define TN_ROWS_1_6(v) TN_ROWS_1_4(v), Micro<5, v>::run, Micro<6, v>::run
#define TN_ROWS_1_9(v) TN_ROWS_1_6(v), Micro<7, v>::run, Micro<8, v>::run, Micro<9, v>::run
#define TN_ROWS_1_12(v) TN_ROWS_1_9(v), Micro<10, v>::run, Micro<11, v>::run, Micro<12, v>::run
#define TN_ROWS_1_14(v) TN_ROWS_1_12(v), Micro<13, v>::run, Micro<14, v>::run
#define TN_EVEN_ROWS_2_10(v)                                                                                     \
  nullptr, nullptr, HalfMicro<2, v>::run, nullptr, HalfMicro<4, v>::run, nullptr, HalfMicro<6, v>::run, nullptr, \
      HalfMicro<8, v>::run, nullptr, HalfMicro<10, v>::run
#define TN_EVEN_ROWS_2_14(v) TN_EVEN_ROWS_2_10(v), nullptr, HalfMicro<12, v>::run, nullptr, HalfMicro<14, v>::run

}  // namespace

#if defined(__AVX512F__)
extern const MicroTable kMicro{kLanes,
                               kGroup,
                               {0, 14, 14, 9, 6},
                               {{},
                                {TN_ROWS_1_14(1)},
                                {TN_ROWS_1_14(2)},
                                {TN_ROWS_1_9(3)},
                                {TN_ROWS_1_6(4)}},
                               {0, 0, 14, 10, 0},
                               {{}, {}, {TN_EVEN_ROWS_2_14(2)}, {TN_EVEN_ROWS_2_10(3)}},
                               pack_a,
                               pack_b,
                               pair_blocks,
                               transpose};
#else
extern const MicroTable kMicro{kLanes,
                               kGroup,
                               {0, 12, 6, 4, 3},
                               {{},
                                {TN_ROWS_1_12(1)},
                                {TN_ROWS_1_6(2)},
                                {TN_ROWS_1_4(3)},
                                {TN_ROWS_1_3(4)}},
                               {},
                               {},
                               pack_a,
                               pack_b,
                               pair_blocks,
                               transpose};
#endif

}  // namespace tenon::TN_ISA
