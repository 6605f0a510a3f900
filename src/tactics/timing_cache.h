// What was measured: the cost of (problem, tactic, config) on a target. Rebuilding with the cache that a build left
// gives the same bytes, because what it did not time is recorded too.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace tenon {

struct Timing {
  // censored: stopped early, slower than `microseconds`. failed: the device cannot run it.
  enum class Kind : uint8_t { measured, censored, not_tried, failed };
  Kind kind = Kind::measured;
  double microseconds = 0;
};

// Thread rule: internally synchronised.
class TimingCache {
 public:
  // `key`: problem, tactic, config and target fingerprint, as text.
  std::optional<Timing> find(const std::string& key) const;
  void add(const std::string& key, Timing timing);
  size_t size() const;

  // Entries sorted by key, with a hash over all: equal caches have equal bytes.
  std::vector<std::byte> serialize() const;
  // Adds the entries of serialised bytes; on any damage fails and adds nothing.
  Status load(std::span<const std::byte> bytes);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Timing> entries_;
};

}  // namespace tenon
