// Transposes a matrix of 4-byte elements.
#pragma once

#include <cstdint>

namespace tenon {

// dst[c * dst_stride + r] = src[r * src_stride + c] for r < rows, c < cols. Strides in elements; any address.
using TransposeTile = void (*)(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t rows,
                               int64_t cols);

// The best one for these CpuFeature bits. The result has the same bits whichever it is.
TransposeTile transpose_tile(uint32_t cpu_features);

namespace avx2 {
void transpose_tile(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t rows,
                    int64_t cols);
}
namespace avx512 {
void transpose_tile(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t rows,
                    int64_t cols);
}

}  // namespace tenon
