// Packing of matrix operands for the register tile: see MicroTable.
#pragma once

#include "gemm/micro.h"

namespace tenon::TN_ISA {

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
            int64_t block_step);
void pack_b(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst,
            int64_t width);
#if defined(__AVX512BF16__)
void pair_blocks(const float* low, const float* high, int64_t step, int64_t count, float* dst);
#else
inline constexpr decltype(MicroTable::pair_blocks) pair_blocks = nullptr;
#endif

}  // namespace tenon::TN_ISA
