// Eight elements at a time; the last ones through a buffer.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace tenon::TN_ISA {
namespace {

constexpr int64_t kLanes = 8;

inline __m128i to_f16(__m256 x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// The upper halves, after adding what rounds; of a NaN the upper half as it is, made quiet.
inline __m128i to_bf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i all = _mm256_blendv_epi8(rounded, quiet, is_nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

template <__m128i (*round)(__m256)>
void narrow(const void* from, void* to, int64_t count) {
  const char* src = static_cast<const char*>(from);
  char* dst = static_cast<char*>(to);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 2 * i), round(_mm256_loadu_ps(reinterpret_cast<const float*>(src + 4 * i))));
  if (i == count) return;
  float last[kLanes] = {};
  uint16_t results[kLanes];
  std::memcpy(last, src + 4 * i, static_cast<size_t>(4 * (count - i)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(results), round(_mm256_loadu_ps(last)));
  std::memcpy(dst + 2 * i, results, static_cast<size_t>(2 * (count - i)));
}

}  // namespace

void narrow_to_f16(const void* from, void* to, int64_t count);
void narrow_to_f16(const void* from, void* to, int64_t count) { narrow<to_f16>(from, to, count); }
void narrow_to_bf16(const void* from, void* to, int64_t count);
void narrow_to_bf16(const void* from, void* to, int64_t count) { narrow<to_bf16>(from, to, count); }

}  // namespace tenon::TN_ISA
