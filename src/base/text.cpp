#include "base/text.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace tenon {

Status check_texts(std::span<const Text> texts) {
  for (size_t i = 0; i < texts.size(); ++i)
    if (!texts[i].data && texts[i].size > 0)
      return fail(Code::invalid_argument, "string {} has {} bytes at NULL", i, texts[i].size);
  return {};
}

Result<char*> TextArena::allocate(size_t bytes) {
  constexpr size_t kFirst = 4096;
  if (bytes > static_cast<uint64_t>(most_ - total_))
    return fail(Code::limit_exceeded, "the strings of one run take more bytes than the limit arena_bytes, {}", most_);
  while (current_ < chunks_.size() && bytes > chunks_[current_].bytes - used_) ++current_, used_ = 0;
  if (current_ == chunks_.size()) {
    const size_t size = std::max(bytes, chunks_.empty() ? kFirst : 2 * chunks_.back().bytes);
    std::unique_ptr<char[]> memory(new (std::nothrow) char[size]);
    if (!memory) return fail(Code::out_of_memory, "no memory for {} bytes of strings", size);
    try {
      chunks_.push_back({std::move(memory), size});
    } catch (const std::bad_alloc&) {
      return tl::unexpected<Error>(Error{Code::out_of_memory, "out of memory", {}});
    }
  }
  char* out = chunks_[current_].memory.get() + used_;
  used_ += bytes;
  total_ += static_cast<int64_t>(bytes);
  return out;
}

Result<Text> TextArena::copy(std::string_view text) {
  if (text.empty()) return Text{};
  TN_ASSIGN(char* out, allocate(text.size()));
  std::memcpy(out, text.data(), text.size());
  return Text{out, text.size()};
}

bool TextArena::holds(std::string_view text) const {
  const auto begin = reinterpret_cast<uintptr_t>(text.data());
  return std::any_of(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
    const auto own = reinterpret_cast<uintptr_t>(chunk.memory.get());
    return begin >= own && begin + text.size() <= own + chunk.bytes;
  });
}

void TextArena::clear() {
  current_ = used_ = 0;
  total_ = 0;
}

Result<PackedTexts> PackedTexts::read(std::span<const std::byte> bytes, int64_t count) {
  PackedTexts out;
  if (count < 0 || static_cast<uint64_t>(count) > bytes.size() / sizeof(uint64_t))
    return fail(Code::invalid_model, "{} strings do not fit into {} bytes", count, bytes.size());
  const size_t table = static_cast<size_t>(count) * sizeof(uint64_t);
  out.ends_ = bytes.first(table);
  out.bytes_ = bytes.subspan(table);
  uint64_t before = 0;
  for (size_t i = 0; i < out.size(); before = out.end(i++))
    if (out.end(i) < before || out.end(i) > out.bytes_.size())
      return fail(Code::invalid_model, "string {} lies from {} to {} of {} bytes", i, before, out.end(i), out.bytes_.size());
  if (before == out.bytes_.size()) return out;
  return fail(Code::invalid_model, "{} strings end at {} of {} bytes", count, before, out.bytes_.size());
}

uint64_t PackedTexts::end(size_t i) const {
  uint64_t out;
  std::memcpy(&out, ends_.data() + i * sizeof out, sizeof out);
  return out;
}

std::string_view PackedTexts::operator[](size_t i) const {
  const uint64_t begin = i ? end(i - 1) : 0;
  return {reinterpret_cast<const char*>(bytes_.data()) + begin, static_cast<size_t>(end(i) - begin)};
}

std::vector<std::byte> pack_texts(std::span<const std::string_view> texts) {
  size_t bytes = texts.size() * sizeof(uint64_t);
  for (std::string_view text : texts) bytes += text.size();
  std::vector<std::byte> out(bytes);
  std::byte *ends = out.data(), *at = ends + texts.size() * sizeof(uint64_t);
  const std::byte* first = at;
  for (std::string_view text : texts) {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at += text.size();
    const auto end = static_cast<uint64_t>(at - first);
    std::memcpy(ends, &end, sizeof end);
    ends += sizeof end;
  }
  return out;
}

}  // namespace tenon
