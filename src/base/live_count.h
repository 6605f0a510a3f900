// How many objects of the large types exist: leaks that a table of handles would hide from a leak checker
// show here.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace tenon {

#define TN_LIVE_TYPES(X) \
  X(engine) X(context) X(weights) X(prepared_shape) X(stream) X(team) X(graph) X(timing_cache) X(handle)

enum class LiveType : uint8_t {
#define TN_LIVE_ENUM(name) name,
  TN_LIVE_TYPES(TN_LIVE_ENUM)
#undef TN_LIVE_ENUM
      count_
};

inline constexpr std::array<std::string_view, static_cast<size_t>(LiveType::count_)> kLiveTypeNames = {
#define TN_LIVE_NAME(name) #name,
    TN_LIVE_TYPES(TN_LIVE_NAME)
#undef TN_LIVE_NAME
};

inline std::atomic<int64_t>& live_count(LiveType type) {
  static std::array<std::atomic<int64_t>, static_cast<size_t>(LiveType::count_)> counts{};
  return counts[static_cast<size_t>(type)];
}

// A member of a class that is counted: `[[no_unique_address]] Live<LiveType::engine> live_;`
template <LiveType type>
struct Live {
  Live() { live_count(type).fetch_add(1, std::memory_order_relaxed); }
  Live(const Live&) : Live() {}
  Live& operator=(const Live&) = default;
  ~Live() { live_count(type).fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace tenon
