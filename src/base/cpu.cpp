#include "base/cpu.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tenon {
namespace {

#if defined(__x86_64__)

uint64_t enabled_states() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

// Linux gives a process AMX state only on request; this asks whether it has been granted.
bool amx_permitted() {
  constexpr int kGetPermission = 0x1022, kTileData = 18;
  uint64_t granted = 0;
  return syscall(SYS_arch_prctl, kGetPermission, &granted) == 0 && (granted >> kTileData & 1);
}

uint32_t detect() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  bool fma = c >> 12 & 1, osxsave = c >> 27 & 1, avx = c >> 28 & 1, f16c = c >> 29 & 1;
  if (!osxsave || !avx || !fma || !f16c) return 0;
  uint32_t b7, c7, d7;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
  uint32_t a71 = 0;
  if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
  uint64_t states = enabled_states();
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTile = 0x60000;
  if ((states & kYmm) != kYmm || !(b7 >> 5 & 1)) return 0;
  uint32_t out = kAvx2;
  bool f = b7 >> 16 & 1, dq = b7 >> 17 & 1, bw = b7 >> 30 & 1, vl = b7 >> 31 & 1;
  if ((states & kZmm) != kZmm || !(f && dq && bw && vl)) return out;
  out |= kAvx512;
  if (c7 >> 11 & 1) out |= kAvx512Vnni;
  if (a71 >> 5 & 1) out |= kAvx512Bf16;
  if (d7 >> 23 & 1) out |= kAvx512Fp16;
  bool amx_bf16 = d7 >> 22 & 1, amx_tile = d7 >> 24 & 1, amx_int8 = d7 >> 25 & 1;
  if (amx_bf16 && amx_tile && amx_int8 && (states & kTile) == kTile && amx_permitted()) out |= kAmx;
  return out;
}

#else
uint32_t detect() { return 0; }
#endif

// What the knob lets through; a value that names nothing masks nothing.
uint32_t allowed() {
  const char* knob = std::getenv("TENON_CPU");
  if (!knob) return ~0u;
  if (std::strcmp(knob, "baseline") == 0) return 0;
  if (std::strcmp(knob, "avx2") == 0) return kAvx2;
  if (std::strcmp(knob, "avx512") == 0) return kAvx2 | kAvx512;
  return ~0u;
}

int64_t cache_size(int name, int64_t fallback) {
  long size = sysconf(name);
  return size > 0 ? size : fallback;
}

// Bytes of the third-level cache that the first processor reaches, as Linux lists it; 0 if it does not. sysconf may answer with
// the sum over a whole socket, of which one processor reaches a part only.
int64_t reachable_l3() {
  std::FILE* file = std::fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re");
  if (!file) return 0;
  long kibibytes = 0;
  char unit = 0;
  const bool read = std::fscanf(file, "%9ld%c", &kibibytes, &unit) == 2 && unit == 'K';
  std::fclose(file);
  return read && kibibytes > 0 ? int64_t{kibibytes} << 10 : 0;
}

}  // namespace

uint32_t cpu_features() {
  static const uint32_t features = detect() & allowed();
  return features;
}

std::string cpu_feature_names(uint32_t features) {
  static constexpr struct { CpuFeature bit; const char* name; } kNames[] = {
      {kAvx2, "avx2"},           {kAvx512, "avx512"},           {kAvx512Vnni, "avx512_vnni"},
      {kAvx512Bf16, "avx512_bf16"}, {kAvx512Fp16, "avx512_fp16"}, {kAmx, "amx"},
  };
  std::string out;
  for (const auto& [bit, name] : kNames)
    if (features & bit) out += (out.empty() ? "" : ",") + std::string(name);
  return out.empty() ? "baseline" : out;
}

CacheSizes cpu_caches() {
  const int64_t l3 = reachable_l3();
  return {cache_size(_SC_LEVEL2_CACHE_SIZE, 1 << 20), l3 > 0 ? l3 : cache_size(_SC_LEVEL3_CACHE_SIZE, 0)};
}

int cpu_count() {
  for (size_t processors = 1024; processors <= (1 << 16); processors *= 2) {
    std::vector<unsigned long> mask(processors / (8 * sizeof(unsigned long)));
    size_t bytes = mask.size() * sizeof(unsigned long);
    if (sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(mask.data())) != 0) continue;
    int count = 0;
    for (unsigned long word : mask) count += __builtin_popcountl(word);
    return count > 0 ? count : 1;
  }
  return 1;
}

}  // namespace tenon
