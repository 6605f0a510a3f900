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

// In which memory a tensor of a plan lies. On the host they are one: there everything is `device`.
enum class Place : uint8_t {
  device = 0,  // that of the plan's device
  host = 1,    // that of the processor which drives the device
};

struct Format {
  Layout layout = Layout::linear;
  uint8_t block = 1;  // 8 or 16 for blocked, else 1
  Place place = Place::device;

  friend bool operator==(const Format&, const Format&) = default;
};

inline constexpr Format kLinear{};
inline constexpr Format kChannelsLast{Layout::channels_last, 1};
// Linear in the memory of the host: what host steps of a plan for another device read and write.
inline constexpr Format kHostLinear{Layout::linear, 1, Place::host};
constexpr Format blocked(uint8_t block) { return {Layout::blocked, block}; }

// Whether the elements lie row-major in logical order, wherever the memory is.
constexpr bool is_linear(Format format) { return format.layout == Layout::linear; }

// "linear", "nhwc", "c8", "c16", "host".
std::string name_of(Format format);
std::optional<Format> format_from_name(std::string_view name);
// Whether the numbers are ones that name a format.
bool is_known(Format format);

}  // namespace tenon
