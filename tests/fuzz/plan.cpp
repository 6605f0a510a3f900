// Plan bytes: whatever loads may be run, dumped, refitted and written without harm.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "fuzz/plan_mutator.h"
#include "support/forge.h"
#include "support/plans.h"
#include "support/small_runs.h"

using namespace tenon;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  EngineOptions options;
  options.limits.arena_bytes = options.limits.tensor_bytes = 4 << 20;
  auto engine = Engine::load(std::as_bytes(std::span(data, size)), options, Log{});
  if (!engine) return 0;
  if (!test::may_run_long((*engine)->plan())) (void)test::run_anything(**engine);
  (void)plan::dump((*engine)->plan());
  std::vector<Engine::NewWeight> weights;
  std::vector<std::byte> zeros(1 << 16);
  for (const plan::RefitSource& s : (*engine)->plan().sources)
    if (auto bytes = plan::storage_bytes(s.dtype, kLinear, s.dims); bytes && *bytes <= int64_t(zeros.size()))
      weights.push_back({s.name, s.dtype, s.dims, std::span(zeros).first(size_t(*bytes))});
  (void)(*engine)->refit(weights);
  // What has been loaded can be written, and what has been written can be loaded.
  auto written = (*engine)->serialize();
  if (!written || !plan::load(*written, options.limits)) std::abort();
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  fuzz::Random random(seed);
  std::vector<std::byte> bytes(reinterpret_cast<std::byte*>(data), reinterpret_cast<std::byte*>(data) + size);
  auto metadata = plan::decode(test::section_of(bytes, 0));
  if (!metadata) {
    const uint64_t which = random.below(3);
    bytes = which == 0 ? test::small_plan().bytes() : which == 1 ? test::looping_plan().bytes() : test::pieces_plan().bytes();
  } else if (random.below(4) == 0) {
    size = LLVMFuzzerMutate(data, size, max_size);
    bytes.assign(reinterpret_cast<std::byte*>(data), reinterpret_cast<std::byte*>(data) + size);
    test::rehash_everything(bytes);
  } else {
    std::span<std::byte> weights = test::section_of(bytes, 1);
    for (uint64_t n = 1 + random.below(3); n > 0; --n) fuzz::mutate(*metadata, random);
    if (!weights.empty() && random.below(8) == 0) weights[random.below(weights.size())] ^= std::byte{0x81};
    auto encoded = plan::encode(*metadata);
    if (!encoded) return size;
    bytes = *plan::pack({*encoded, std::vector<std::byte>(weights.begin(), weights.end()), {}});
    test::rehash_everything(bytes);
  }
  if (bytes.size() > max_size) return size;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
