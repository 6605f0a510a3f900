// Serialised form, little-endian: magic, version (u32), number of entries (u32), XXH3-64 of everything behind it (u64);
// then per entry, sorted by key: kind (u32), length of the key (u32), microseconds (f64), the key's bytes.
#include "tactics/timing_cache.h"

#include <cmath>
#include <cstring>

#include "base/hash.h"

namespace tenon {
namespace {

constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', 'T', 'I', 'M'};
constexpr uint32_t kVersion = 1;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t entries;
  uint64_t hash;
};
static_assert(sizeof(Header) == 24);

struct Entry {
  uint32_t kind;
  uint32_t key_bytes;
  double microseconds;
};
static_assert(sizeof(Entry) == 16);

void append(std::vector<std::byte>& out, const void* data, size_t bytes) {
  auto* begin = static_cast<const std::byte*>(data);
  out.insert(out.end(), begin, begin + bytes);
}

tl::unexpected<Error> damaged(size_t offset, const char* what) {
  return fail(Code::invalid_argument, "the timing cache is damaged at byte {}: {}; delete it and build again", offset, what);
}

Result<Header> read_header(std::span<const std::byte> bytes) {
  Header header;
  if (bytes.size() < sizeof header) return damaged(bytes.size(), "it is shorter than its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    return fail(Code::invalid_argument, "these bytes are no timing cache: they do not begin with TENONTIM");
  if (header.version != kVersion)
    return fail(Code::invalid_argument, "the timing cache has version {}, this library reads version {}: delete it",
                header.version, kVersion);
  if (hash_bytes(bytes.subspan(sizeof header)) != header.hash) return damaged(offsetof(Header, hash), "its hash differs");
  return header;
}

Result<std::map<std::string, Timing>> read_entries(std::span<const std::byte> bytes, uint32_t count) {
  std::map<std::string, Timing> out;
  size_t at = sizeof(Header);
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    if (bytes.size() - at < sizeof entry) return damaged(at, "an entry is cut off");
    std::memcpy(&entry, bytes.data() + at, sizeof entry);
    if (entry.kind > static_cast<uint32_t>(Timing::Kind::failed)) return damaged(at, "an entry's kind is unknown");
    if (!std::isfinite(entry.microseconds) || entry.microseconds < 0) return damaged(at, "an entry's time is no time");
    if (bytes.size() - at - sizeof entry < entry.key_bytes) return damaged(at, "an entry's key is cut off");
    std::string key(reinterpret_cast<const char*>(bytes.data()) + at + sizeof entry, entry.key_bytes);
    if (!out.empty() && key <= out.rbegin()->first) return damaged(at, "the entries are not in order");
    out.emplace_hint(out.end(), std::move(key), Timing{static_cast<Timing::Kind>(entry.kind), entry.microseconds});
    at += sizeof entry + entry.key_bytes;
  }
  if (at != bytes.size()) return damaged(at, "bytes follow the last entry");
  return out;
}

}  // namespace

std::optional<Timing> TimingCache::find(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(key);
  return it == entries_.end() ? std::nullopt : std::optional(it->second);
}

void TimingCache::add(const std::string& key, Timing timing) {
  std::lock_guard lock(mutex_);
  entries_.insert_or_assign(key, timing);
}

size_t TimingCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

std::vector<std::byte> TimingCache::serialize() const {
  std::lock_guard lock(mutex_);
  std::vector<std::byte> out(sizeof(Header));
  for (const auto& [key, timing] : entries_) {
    Entry entry = {static_cast<uint32_t>(timing.kind), static_cast<uint32_t>(key.size()), timing.microseconds};
    append(out, &entry, sizeof entry);
    append(out, key.data(), key.size());
  }
  Header header = {{}, kVersion, static_cast<uint32_t>(entries_.size()), 0};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.hash = hash_bytes(std::span(out).subspan(sizeof header));
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

Status TimingCache::load(std::span<const std::byte> bytes) {
  TN_ASSIGN(Header header, read_header(bytes));
  TN_ASSIGN(auto entries, read_entries(bytes, header.entries));
  std::lock_guard lock(mutex_);
  for (auto& [key, timing] : entries) entries_.insert_or_assign(key, timing);
  return {};
}

}  // namespace tenon
