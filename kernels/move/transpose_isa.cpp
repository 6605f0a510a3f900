// 8 × 8 blocks in registers: three rounds of interleaving, as usual for 32-bit elements on AVX.
#include <immintrin.h>

#include <cstdint>

namespace tenon::TN_ISA {
namespace {

struct Element {  // may lie at any address
  unsigned char bytes[4];
};

inline void block8(const Element* src, int64_t src_stride, Element* dst, int64_t dst_stride) {
  __m256 row[8], pair[8], quad[8];
  for (int i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(src + i * src_stride));
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
    quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(reinterpret_cast<float*>(dst + i * dst_stride), _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
    _mm256_storeu_ps(reinterpret_cast<float*>(dst + (i + 4) * dst_stride),
                     _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
  }
}

inline void scalar(const Element* src, int64_t src_stride, Element* dst, int64_t dst_stride, int64_t rows,
                   int64_t cols) {
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r) dst[c * dst_stride + r] = src[r * src_stride + c];
}

}  // namespace

void transpose_tile(const void* from, int64_t src_stride, void* to, int64_t dst_stride, int64_t rows, int64_t cols);
void transpose_tile(const void* from, int64_t src_stride, void* to, int64_t dst_stride, int64_t rows, int64_t cols) {
  const Element* src = static_cast<const Element*>(from);
  Element* dst = static_cast<Element*>(to);
  const int64_t full_rows = rows & ~int64_t{7}, full_cols = cols & ~int64_t{7};
  for (int64_t c = 0; c < full_cols; c += 8) {
    for (int64_t r = 0; r < full_rows; r += 8)
      block8(src + r * src_stride + c, src_stride, dst + c * dst_stride + r, dst_stride);
    scalar(src + full_rows * src_stride + c, src_stride, dst + c * dst_stride + full_rows, dst_stride, rows - full_rows,
           8);
  }
  scalar(src + full_cols, src_stride, dst + full_cols * dst_stride, dst_stride, rows, cols - full_cols);
}

}  // namespace tenon::TN_ISA
