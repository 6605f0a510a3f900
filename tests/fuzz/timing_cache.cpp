// Timing cache bytes: what loads can be written again.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/hash.h"
#include "tactics/timing_cache.h"

using namespace tenon;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  TimingCache cache;
  std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  if (!cache.load(bytes)) {
    if (cache.size() != 0) std::abort();  // all or nothing
    return 0;
  }
  std::vector<std::byte> written = cache.serialize();
  if (!std::equal(bytes.begin(), bytes.end(), written.begin(), written.end())) std::abort();
  return 0;
}

// Bytes behind the header change; the hash in the header follows.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  constexpr size_t kHeader = 24, kHash = 16;
  if (size < kHeader) {
    TimingCache cache;
    cache.add("matmul f32[8,8] packed", {Timing::Kind::measured, 2.5});
    cache.add("conv", {Timing::Kind::censored, 10});
    cache.add("", {Timing::Kind::not_tried, 0});
    std::vector<std::byte> bytes = cache.serialize();
    if (bytes.size() > max_size) return size;
    std::memcpy(data, bytes.data(), bytes.size());
    return bytes.size();
  }
  if (seed % 4 == 0)
    size = LLVMFuzzerMutate(data, size, max_size);
  else
    size = kHeader + LLVMFuzzerMutate(data + kHeader, size - kHeader, max_size - kHeader);
  if (size < kHeader) return size;
  uint64_t hash = hash_bytes(data + kHeader, size - kHeader);
  std::memcpy(data + kHash, &hash, sizeof hash);
  return size;
}
