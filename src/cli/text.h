// Names and shapes as they are typed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"

namespace tenon::cli {

using Shapes = std::map<std::string, std::vector<int64_t>>;

// "image:1x3x224x224,mask:1x128" into dims by name. The part behind a name's last colon counts as its dims,
// so names may hold colons; "name:" is a scalar. `flag` is for the message.
Expected<Shapes> parse_shapes(std::string_view flag, std::string_view text);

// "1x3x224x224"; "scalar" for no dims, "?" for a dim of -1.
std::string shape_text(const std::vector<int64_t>& dims);

// ", did you mean X?" for the candidate with the smallest edit distance, or "" where none is near.
std::string did_you_mean(std::string_view typed, const std::vector<std::string>& candidates);

// "1.5 MB", "23 µs": three significant digits.
std::string bytes_text(uint64_t bytes);
std::string time_text(double seconds);

}  // namespace tenon::cli
