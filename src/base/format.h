// How the elements of a tensor of given logical dims lie in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon {

enum class Layout : uint8_t {
  linear = 0,         // row-major in logical order
  channels_last = 1,  // axis 1 moved last: N,spatial…,C
  blocked = 2,        // axis 1 in blocks: N, ceil(C / block), spatial…, block; padding lanes hold zero
};

struct Format {
  Layout layout = Layout::linear;
  uint8_t block = 1;  // 8 or 16 for blocked, else 1

  friend bool operator==(const Format&, const Format&) = default;
};

inline constexpr Format kLinear{};
inline constexpr Format kChannelsLast{Layout::channels_last, 1};
constexpr Format blocked(uint8_t block) { return {Layout::blocked, block}; }

// "linear", "nhwc", "c8", "c16".
std::string name_of(Format format);
std::optional<Format> format_from_name(std::string_view name);
// Whether the numbers are ones that name a format.
bool is_known(Format format);

}  // namespace tenon
