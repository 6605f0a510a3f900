// Packing of f32 operands as pairs of bf16: see MicroTable.
#include "gemm/pack.h"
#include "gemm/transpose.h"
#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

constexpr int64_t kDepth = 2 * kLanes;  // k of a vector of pairs

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// The first `count` of kDepth numbers that lie `step` apart; zeros follow.
Vec load_pairs(const float* from, int64_t step, int64_t count) {
  if (step == 1) {
    const int64_t first = least(count, kLanes);
    return neighbours(load_masked(from, first_lanes(first)), load_masked(from + first, first_lanes(count - first)));
  }
  alignas(64) float line[kDepth] = {};
  for (int64_t i = 0; i < count; ++i) line[i] = from[i * step];
  return neighbours(load(line), load(line + kLanes));
}

// Of up to `columns` neighbours in memory.
Vec load_some(const float* from, int64_t columns) {
  return columns == kLanes ? load(from) : load_masked(from, first_lanes(columns));
}

// One vector of columns whose elements of a row are neighbours.
void pack_rows(const float* src, int64_t k_step, int64_t k, int64_t columns, float* dst, int64_t width) {
  for (int64_t i = 0; i < k; i += 2, dst += width) {
    const Vec low = load_some(src + i * k_step, columns);
    store(dst, pairs(low, i + 1 < k ? load_some(src + (i + 1) * k_step, columns) : zero()));
  }
}

// One vector of columns, each of which lies in memory as its k follow each other, `k_step` apart.
void pack_columns(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst, int64_t width) {
  for (int64_t i = 0; i < k; i += kDepth) {
    const int64_t depth = least(k - i, kDepth), rows = (depth + 1) / 2;
    alignas(64) float square[kLanes * kLanes];
    for (int64_t j = 0; j < kLanes; ++j)
      store(square + j * kLanes, j < columns ? load_pairs(src + j * column_step + i * k_step, k_step, depth) : zero());
    if (rows == kLanes) {
      transpose(square, kLanes, dst + i / 2 * width, width);
      continue;
    }
    alignas(64) float turned[kLanes * kLanes];
    transpose(square, kLanes, turned, kLanes);
    for (int64_t r = 0; r < rows; ++r) store(dst + (i / 2 + r) * width, load(turned + r * kLanes));
  }
}

}  // namespace

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst, int64_t block_step) {
  for (int64_t at = 0; at < k; at += kDepth, dst += block_step) {
    const int64_t depth = least(k - at, kDepth);
    const float* from = src + at * k_step;
    const Mask mask = first_lanes((depth + 1) / 2);
    if (k_step == 1 && depth == kDepth)
      for (int64_t m = 0; m < rows; ++m)
        store(dst + m * kLanes, neighbours(load(from + m * row_step), load(from + m * row_step + kLanes)));
    else
      for (int64_t m = 0; m < rows; ++m) store_masked(dst + m * kLanes, mask, load_pairs(from + m * row_step, k_step, depth));
  }
}

void pack_b(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst, int64_t width) {
  for (int64_t n = 0; n < width; n += kLanes, dst += kLanes) {
    const int64_t some = columns - n < 0 ? 0 : least(columns - n, kLanes);
    const float* from = src + n * column_step;
    if (column_step == 1)
      pack_rows(from, k_step, k, some, dst, width);
    else
      pack_columns(from, k_step, column_step, k, some, dst, width);
  }
}

void pair_blocks(const float* low, const float* high, int64_t step, int64_t count, float* dst) {
  for (int64_t i = 0; i < count; ++i) store(dst + i * kLanes, pairs(load(low + i * step), high ? load(high + i * step) : zero()));
}

}  // namespace tenon::TN_ISA
