// Content hashes (xxHash, XXH3): for identity and corruption, not for security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenon {

uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0);

inline uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0) {
  return hash_bytes(bytes.data(), bytes.size(), seed);
}

inline uint64_t hash_text(const std::string& text, uint64_t seed = 0) {
  return hash_bytes(text.data(), text.size(), seed);
}

}  // namespace tenon
