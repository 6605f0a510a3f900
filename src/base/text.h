// Strings: UTF-8 of any length. A tensor of strings is an array of views; the bytes lie elsewhere, and on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tenon {

// An element of a tensor of strings, as the public tn_string. All zero: the empty string.
struct Text {
  const char* data = nullptr;
  size_t size = 0;

  std::string_view view() const { return {data, size}; }
  static Text of(std::string_view text) { return {text.data(), text.size()}; }
};
static_assert(sizeof(Text) == 16);

// Refuses views without data that are not empty.
Status check_texts(std::span<const Text> texts);

// The bytes of the strings that a run makes. Thread rule: one at a time.
class TextArena {
 public:
  explicit TextArena(int64_t most_bytes) : most_(most_bytes) {}
  TextArena(const TextArena&) = delete;
  TextArena& operator=(const TextArena&) = delete;

  // Memory that stays until `clear`; fails when there is none, or all together would be more than the arena's most.
  Result<char*> allocate(size_t bytes);
  Result<Text> copy(std::string_view text);
  // Whether the bytes are among those that it gave since it was cleared.
  bool holds(std::string_view text) const;
  // All that it gave is gone; the memory is kept for what comes.
  void clear();

 private:
  struct Chunk {
    std::unique_ptr<char[]> memory;
    size_t bytes;
  };
  std::vector<Chunk> chunks_;  // each at least twice as large as the one before
  size_t current_ = 0, used_ = 0;
  int64_t most_, total_ = 0;
};

// How constants and plans hold a tensor of strings: for each element the u64 at which its bytes end, then all bytes.
class PackedTexts {
 public:
  // Refuses ends that fall, or that are not the bytes' own; `count` is the number of elements.
  static Result<PackedTexts> read(std::span<const std::byte> bytes, int64_t count);
  size_t size() const { return ends_.size() / sizeof(uint64_t); }
  std::string_view operator[](size_t i) const;

 private:
  uint64_t end(size_t i) const;
  std::span<const std::byte> ends_, bytes_;
};
std::vector<std::byte> pack_texts(std::span<const std::string_view> texts);

}  // namespace tenon
