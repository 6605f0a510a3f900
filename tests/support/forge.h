// Gives altered plan bytes the hashes that they would need: what an attacker does.
#pragma once

#include <cstring>
#include <vector>

#include "base/hash.h"
#include "plan/container.h"
#include "plan/metadata.h"

namespace tenon::test {

inline std::span<std::byte> section_of(std::vector<std::byte>& bytes, uint32_t index) {
  plan::SectionEntry entry;
  size_t at = sizeof(plan::Header) + index * sizeof entry;
  if (bytes.size() < at + sizeof entry) return {};
  std::memcpy(&entry, bytes.data() + at, sizeof entry);
  if (entry.offset > bytes.size() || entry.bytes > bytes.size() - entry.offset) return {};
  return std::span(bytes).subspan(entry.offset, entry.bytes);
}

// Every hash, those within the metadata included.
inline void rehash_everything(std::vector<std::byte>& bytes) {
  std::span<std::byte> metadata = section_of(bytes, 0), weights = section_of(bytes, 1);
  if (!metadata.empty() && plan::rehash_metadata(metadata)) {
    Result<plan::Plan> plan = plan::decode(metadata);
    bool changed = false;
    for (size_t i = 0; plan && i < plan->weights.size(); ++i) {
      plan::Weight& w = plan->weights[i];
      if (w.offset > weights.size() || w.bytes > weights.size() - w.offset) continue;
      uint64_t hash = hash_bytes(weights.subspan(w.offset, w.bytes));
      changed = changed || hash != w.hash;
      w.hash = hash;
    }
    if (changed)
      if (auto encoded = plan::encode(*plan); encoded && encoded->size() == metadata.size())
        std::copy(encoded->begin(), encoded->end(), metadata.begin());
  }
  plan::rehash(bytes);
}

}  // namespace tenon::test
