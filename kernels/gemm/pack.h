// Packing of matrix operands for the register tile: see MicroTable.
#pragma once

#include <cstdint>

namespace tenon::TN_ISA {

void pack_a(const float* src, int64_t row_step, int64_t k_step, int64_t rows, int64_t k, float* dst,
            int64_t block_step);
void pack_b(const float* src, int64_t k_step, int64_t column_step, int64_t k, int64_t columns, float* dst,
            int64_t width);

}  // namespace tenon::TN_ISA
