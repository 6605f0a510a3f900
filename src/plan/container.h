// The file around a plan's sections: header, section table, sections. All numbers are little-endian.
//
//   Header   magic, version, number of sections, bytes in all, hash of header and table
//   Entry    per section: kind, offset, bytes, alignment, hash; in ascending order of kind
//   sections each at the next multiple of its alignment after what precedes it; gaps are zero
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/limits.h"
#include "base/status.h"

namespace tenon::plan {

inline constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', 'P', 'L', 'N'};
inline constexpr uint32_t kFormatVersion = 2;
inline constexpr uint64_t kSectionAlignment = 64;

enum class SectionKind : uint32_t {
  metadata = 1,  // FlatBuffers
  weights = 2,   // raw
  images = 3,    // raw
};
inline constexpr uint32_t kSectionCount = 3;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t bytes;  // of the whole plan
  uint64_t hash;   // XXH3-64 of header (with this field zero) and section table
};
static_assert(sizeof(Header) == 32);

struct SectionEntry {
  uint32_t kind;
  uint32_t zero;
  uint64_t offset, bytes, alignment, hash;
};
static_assert(sizeof(SectionEntry) == 40);

struct Sections {
  std::span<const std::byte> metadata, weights, images;
};

Result<std::vector<std::byte>> pack(const Sections& sections);

// Checks header, table and hashes; the spans point into `bytes`.
Result<Sections> unpack(std::span<const std::byte> bytes, const Limits& limits);

// Writes the hashes of sections, table and header anew, without any other check (for tools and tests that
// alter bytes); leaves bytes alone whose table does not lie within them.
void rehash(std::span<std::byte> bytes);

}  // namespace tenon::plan
