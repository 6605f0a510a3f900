// Upper and lower case of letters: Unicode's simple mappings, one character to one, of all scripts below U+2500 (Latin, Greek,
// Cyrillic, Armenian, Georgian, Cherokee's small letters, circled letters …). Independent of any locale. Characters whose
// other case is several (ß) stay as they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon {

inline constexpr uint32_t kLastWithCase = 0x24ff;

uint32_t to_lower(uint32_t character);
uint32_t to_upper(uint32_t character);

enum class LetterCase : uint8_t { as_it_is, lower, upper };
// Appends the text in that case; bytes that are no UTF-8 stay as they are.
void append_in_case(std::string_view text, LetterCase letter_case, std::string& out);

}  // namespace tenon
