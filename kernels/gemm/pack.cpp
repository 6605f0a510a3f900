#include "gemm/pack.h"

#include "gemm/transpose.h"
#include "gemm/vector.h"

namespace tenon::TN_ISA {

namespace {

// Whole blocks of k of contiguous rows, a few rows at a time along k: rows of most tensors lie a multiple of some KiB apart, in few
// sets of the first-level cache.
void copy_rows(const float* src, int64_t row_step, int64_t rows, int64_t blocks, float* dst, int64_t block_step) {
  constexpr int64_t kRows = 8;
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t last = first + kRows < rows ? first + kRows : rows;
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t m = first; m < last; ++m) store(dst + block * block_step + m * kLanes, load(src + m * row_step + block * kLanes));
  }
}

}  // namespace

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
            int64_t block_step) {
  if (k_step == 1) {
    const int64_t blocks = k / kLanes;
    copy_rows(src, row_step, rows, blocks, dst, block_step);
    src += blocks * kLanes, dst += blocks * block_step, k -= blocks * kLanes;
  }
  for (int64_t at = 0; at < k; at += kLanes, dst += block_step) {
    const int64_t depth = k - at < kLanes ? k - at : kLanes;
    const float* from = src + at * k_step;
    int64_t m = 0;
    if (row_step == 1 && depth == kLanes)
      for (; m + kLanes <= rows; m += kLanes) transpose(from + m, k_step, dst + m * kLanes, kLanes);
    for (; m < rows; ++m)
      for (int64_t i = 0; i < depth; ++i) dst[m * kLanes + i] = from[m * row_step + i * k_step];
  }
}

void pack_b(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst,
            int64_t width) {
  for (int64_t n = 0; n < width; n += kLanes, dst += kLanes) {
    const int64_t some = columns - n < 0 ? 0 : columns - n < kLanes ? columns - n : kLanes;
    const float* from = src + n * column_step;
    if (column_step == 1) {
      const Mask mask = first_lanes(some);
      if (some == kLanes)
        for (int64_t i = 0; i < k; ++i) store(dst + i * width, load(from + i * k_step));
      else
        for (int64_t i = 0; i < k; ++i) store(dst + i * width, load_masked(from + i * k_step, mask));
      continue;
    }
    int64_t i = 0;
    if (k_step == 1 && some == kLanes)
      for (; i + kLanes <= k; i += kLanes) transpose(from + i, column_step, dst + i * width, width);
    for (; i < k; ++i) {
      for (int64_t j = 0; j < some; ++j) dst[i * width + j] = from[i * k_step + j * column_step];
      for (int64_t j = some; j < kLanes; ++j) dst[i * width + j] = 0.0f;
    }
  }
}

}  // namespace tenon::TN_ISA
