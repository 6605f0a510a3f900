// What this processor can do, as far as kernels ask.
#pragma once

#include <cstdint>
#include <string>

namespace tenon {

enum CpuFeature : uint32_t {
  kAvx2 = 1u << 0,        // AVX2, FMA, F16C
  kAvx512 = 1u << 1,      // AVX-512 F, BW, DQ, VL
  kAvx512Vnni = 1u << 2,
  kAvx512Bf16 = 1u << 3,
  kAvx512Fp16 = 1u << 4,
  kAmx = 1u << 5,         // AMX tile, INT8, BF16
};

// The features of this processor that the operating system lets programs use, less those that the knob
// TENON_CPU masks ("baseline", "avx2", "avx512"): for tests of the smaller paths. Read once.
uint32_t cpu_features();
// "avx2,avx512,avx512_vnni"; "baseline" for none.
std::string cpu_feature_names(uint32_t features);

// Bytes of the caches that one processor reaches; l3 is 0 where there is none.
struct CacheSizes { int64_t l2, l3; };
CacheSizes cpu_caches();
// The processors this process may run on.
int cpu_count();

}  // namespace tenon
