#include "plan/container.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace tenon::plan {
namespace {

constexpr uint64_t kTableBytes = sizeof(Header) + kSectionCount * sizeof(SectionEntry);

uint64_t align(uint64_t offset) {
  return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

uint64_t table_hash(std::span<const std::byte> bytes, uint64_t table_bytes) {
  std::vector<std::byte> table(bytes.begin(), bytes.begin() + table_bytes);
  std::memset(table.data() + offsetof(Header, hash), 0, sizeof(uint64_t));
  return hash_bytes(table);
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

Result<Header> read_header(std::span<const std::byte> bytes, const Limits& limits) {
  if (bytes.size() < sizeof(Header))
    return fail(Code::invalid_plan,
                "the plan is {} bytes long, too short for a header of {}: it is truncated or no plan",
                bytes.size(), sizeof(Header));
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    return fail(Code::invalid_plan, "these bytes are no plan: they do not begin with TENONPLN");
  if (header.version != kFormatVersion)
    return fail(Code::incompatible_plan,
                "the plan has format version {}, this library reads version {}: build it again",
                header.version, kFormatVersion);
  if (bytes.size() > static_cast<uint64_t>(limits.plan_bytes))
    return fail(Code::limit_exceeded, "the plan is {} bytes long, the limit plan_bytes is {}", bytes.size(),
                limits.plan_bytes);
  if (header.bytes != bytes.size())
    return fail(Code::invalid_plan, "the plan says that it is {} bytes long, {} bytes were given",
                header.bytes, bytes.size());
  if (header.sections != kSectionCount || bytes.size() < kTableBytes)
    return fail(Code::invalid_plan, "the plan has {} sections in {} bytes, expected {}", header.sections,
                bytes.size(), kSectionCount);
  if (table_hash(bytes, kTableBytes) != header.hash)
    return fail(Code::invalid_plan, "the plan's header is damaged: its hash differs");
  return header;
}

}  // namespace

Result<std::vector<std::byte>> pack(const Sections& sections) {
  const std::span<const std::byte> parts[kSectionCount] = {sections.metadata, sections.weights, sections.images};
  SectionEntry entries[kSectionCount] = {};
  uint64_t end = kTableBytes;
  for (uint32_t i = 0; i < kSectionCount; ++i) {
    entries[i] = {i + 1, 0, align(end), parts[i].size(), kSectionAlignment, hash_bytes(parts[i])};
    end = entries[i].offset + entries[i].bytes;
  }
  std::vector<std::byte> out(end);
  Header header = {{}, kFormatVersion, kSectionCount, end, 0};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, entries, sizeof entries);
  for (uint32_t i = 0; i < kSectionCount; ++i)
    if (!parts[i].empty()) std::memcpy(out.data() + entries[i].offset, parts[i].data(), parts[i].size());
  header.hash = table_hash(out, kTableBytes);
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

Result<Sections> unpack(std::span<const std::byte> bytes, const Limits& limits) {
  TN_TRY(read_header(bytes, limits));
  SectionEntry entries[kSectionCount];
  std::memcpy(entries, bytes.data() + sizeof(Header), sizeof entries);
  std::span<const std::byte> parts[kSectionCount];
  uint64_t end = kTableBytes;
  for (uint32_t i = 0; i < kSectionCount; ++i) {
    const SectionEntry& e = entries[i];
    if (e.kind != i + 1 || e.zero != 0 || e.alignment != kSectionAlignment || e.offset != align(end) ||
        e.offset > bytes.size() || e.bytes > bytes.size() - e.offset)
      return fail(Code::invalid_plan,
                  "entry {} of the plan's section table (kind {}, offset {}, {} bytes, alignment {}) "
                  "is not what this format allows",
                  i, e.kind, e.offset, e.bytes, e.alignment);
    parts[i] = bytes.subspan(e.offset, e.bytes);
    if (!all_zero(bytes.subspan(end, e.offset - end)))
      return fail(Code::invalid_plan, "the plan is damaged before section {}", e.kind);
    if (hash_bytes(parts[i]) != e.hash)
      return fail(Code::invalid_plan, "section {} of the plan is damaged: its hash differs", e.kind);
    end = e.offset + e.bytes;
  }
  if (end != bytes.size())
    return fail(Code::invalid_plan, "{} bytes follow the plan's last section", bytes.size() - end);
  return Sections{parts[0], parts[1], parts[2]};
}

void rehash(std::span<std::byte> bytes) {
  if (bytes.size() < kTableBytes) return;
  for (uint32_t i = 0; i < kSectionCount; ++i) {
    std::byte* at = bytes.data() + sizeof(Header) + i * sizeof(SectionEntry);
    SectionEntry e;
    std::memcpy(&e, at, sizeof e);
    if (e.offset > bytes.size() || e.bytes > bytes.size() - e.offset) continue;
    e.hash = hash_bytes(bytes.subspan(e.offset, e.bytes));
    std::memcpy(at, &e, sizeof e);
  }
  uint64_t hash = table_hash(bytes, kTableBytes);
  std::memcpy(bytes.data() + offsetof(Header, hash), &hash, sizeof hash);
}

}  // namespace tenon::plan
