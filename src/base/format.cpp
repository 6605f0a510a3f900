#include "base/format.h"

namespace tenon {

std::string name_of(Format format) {
  if (format == kHostLinear) return "host";
  switch (format.layout) {
    case Layout::linear: return "linear";
    case Layout::channels_last: return "nhwc";
    case Layout::blocked: return "c" + std::to_string(format.block);
  }
  return "?";
}

std::optional<Format> format_from_name(std::string_view name) {
  for (Format format : {kLinear, kChannelsLast, blocked(8), blocked(16), kHostLinear})
    if (name == name_of(format)) return format;
  return std::nullopt;
}

bool is_known(Format format) {
  if (format.place != Place::device) return format == kHostLinear;
  switch (format.layout) {
    case Layout::linear:
    case Layout::channels_last: return format.block == 1;
    case Layout::blocked: return format.block == 8 || format.block == 16;
  }
  return false;
}

}  // namespace tenon
