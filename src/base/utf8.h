// UTF-8 (RFC 3629) of texts that come from files and need not be valid.
#pragma once

#include <string>
#include <string_view>

namespace tenon {

// Length of the valid sequence at the start of the text; 0 if there is none.
size_t utf8_sequence(std::string_view text);
// Every byte that belongs to no valid sequence becomes U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace tenon
