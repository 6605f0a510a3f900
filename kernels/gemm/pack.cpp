#include "gemm/pack.h"

#include "gemm/transpose.h"
#include "gemm/vector.h"

namespace tenon::TN_ISA {

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
            int64_t block_step) {
  for (int64_t at = 0; at < k; at += kLanes, dst += block_step) {
    const int64_t depth = k - at < kLanes ? k - at : kLanes;
    const float* from = src + at * k_step;
    if (k_step == 1 && depth == kLanes) {
      for (int64_t m = 0; m < rows; ++m) store(dst + m * kLanes, load(from + m * row_step));
      continue;
    }
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
