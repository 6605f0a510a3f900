// Texts of the headers that device code may include, embedded when the module is built (embed_headers.py).
#pragma once

#include <span>

namespace tenon::cuda {

struct Header {
  const char* name;  // as an #include names it
  bool is_own;       // Tenon's; else the toolkit's
  const char* text;
};
std::span<const Header> headers();

}  // namespace tenon::cuda
