#include "onnx/wire.h"

#include <bit>
#include <cstring>
#include <protozero/varint.hpp>

namespace tenon::onnx {
namespace {

const char* name_of(WireType type) {
  switch (type) {
    case WireType::varint: return "a varint";
    case WireType::fixed64: return "a 64-bit number";
    case WireType::bytes: return "a run of bytes";
    case WireType::fixed32: return "a 32-bit number";
  }
  return "?";
}

const char* chars(const std::byte* p) { return reinterpret_cast<const char*>(p); }

template <class T>
T load_little(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  if constexpr (std::endian::native == std::endian::big)
    value =
        sizeof(T) == 8 ? static_cast<T>(__builtin_bswap64(value)) : static_cast<T>(__builtin_bswap32(value));
  return value;
}

}  // namespace

Error WireContext::error() const {
  std::string where;
  for (size_t i = path.size(); i-- > 0;) where += (where.empty() ? "" : "/") + path[i];
  return Error{
      code, fmt::format("byte {}{}{}: {}", offset, where.empty() ? "" : ", in ", where, problem), {}};
}

bool WireReader::malformed(const std::byte* where, std::string problem) {
  failed_ = true;
  context_->code = Code::invalid_model;
  context_->offset = static_cast<uint64_t>(where - context_->base);
  context_->problem = std::move(problem);
  context_->path.clear();
  return false;
}

bool WireReader::refuse(Code code, std::string problem) {
  malformed(field_begin_ ? field_begin_ : data_, std::move(problem));
  context_->code = code;
  return false;
}

bool WireReader::inside(const char* what) {
  failed_ = true;
  context_->path.emplace_back(what);
  return false;
}

bool WireReader::inside(const char* what, size_t index) {
  failed_ = true;
  context_->path.push_back(fmt::format("{}[{}]", what, index));
  return false;
}

bool WireReader::decode_varint(uint64_t& out, const char* what) {
  const char* p = chars(data_);
  try {
    out = protozero::decode_varint(&p, chars(end_));
  } catch (const protozero::end_of_buffer_exception&) {
    return malformed(data_, fmt::format("{} is cut off by the end of its message at byte {}", what,
                                        end_ - context_->base));
  } catch (const protozero::exception&) {
    return malformed(data_, fmt::format("{} is a varint of more than ten bytes", what));
  }
  data_ = reinterpret_cast<const std::byte*>(p);
  return true;
}

bool WireReader::next() {
  if (failed_ || data_ == end_) return false;
  field_begin_ = data_;
  uint64_t tag = 0;
  if (!decode_varint(tag, "a field's tag")) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  if (tag > UINT32_MAX || field_ == 0)
    return malformed(field_begin_,
                     fmt::format("tag {} names no field: the file is damaged, or not an ONNX model", tag));
  type_ = static_cast<WireType>(tag & 7);
  size_t size = 0;
  switch (type_) {
    case WireType::varint: {
      const std::byte* begin = data_;
      if (!decode_varint(value_, "a field's value")) return false;
      payload_ = {begin, data_};
      return true;
    }
    case WireType::fixed64: size = 8; break;
    case WireType::fixed32: size = 4; break;
    case WireType::bytes: {
      uint64_t length = 0;
      if (!decode_varint(length, "a field's length")) return false;
      if (length > static_cast<uint64_t>(end_ - data_))
        return malformed(
            field_begin_,
            fmt::format("field {} is {} bytes long, but its message ends {} bytes on: the file is cut "
                        "off or damaged",
                        field_, length, end_ - data_));
      size = static_cast<size_t>(length);
      break;
    }
    default:
      return malformed(field_begin_,
                       fmt::format("field {} has wire type {}, which ONNX does not use", field_, tag & 7));
  }
  if (size > static_cast<size_t>(end_ - data_))
    return malformed(field_begin_, fmt::format("field {} is cut off by the end of its message at byte {}",
                                               field_, end_ - context_->base));
  payload_ = {data_, size};
  data_ += size;
  return true;
}

bool WireReader::expect(WireType type, const char* what) {
  if (type_ == type) return true;
  return refuse(Code::invalid_model, fmt::format("{} (field {}) must be {}, it is {}", what, field_,
                                                 name_of(type), name_of(type_)));
}

bool WireReader::integer(int64_t& out, const char* what) {
  if (!expect(WireType::varint, what)) return false;
  out = static_cast<int64_t>(value_);
  return true;
}

bool WireReader::integer32(int32_t& out, const char* what) {
  if (!expect(WireType::varint, what)) return false;
  out = static_cast<int32_t>(static_cast<uint32_t>(value_));
  return true;
}

bool WireReader::number(float& out, const char* what) {
  if (!expect(WireType::fixed32, what)) return false;
  out = std::bit_cast<float>(load_little<uint32_t>(payload_.data()));
  return true;
}

bool WireReader::bytes(std::string_view& out, const char* what) {
  if (!expect(WireType::bytes, what)) return false;
  out = {chars(payload_.data()), payload_.size()};
  return true;
}

bool WireReader::text(std::string_view& out, const char* what) {
  if (!bytes(out, what)) return false;
  if (static_cast<int64_t>(out.size()) > context_->limits.name_bytes)
    return refuse(Code::limit_exceeded, fmt::format("{} has {} bytes; the limit name_bytes is {}", what,
                                                    out.size(), context_->limits.name_bytes));
  if (out.find('\0') != std::string_view::npos || !is_utf8(out))
    return refuse(Code::invalid_model, fmt::format("{} is not UTF-8 text without NUL", what));
  return true;
}

bool WireReader::integers(std::vector<int64_t>& out, const char* what) {
  if (type_ == WireType::varint) {
    out.push_back(static_cast<int64_t>(value_));
    return true;
  }
  if (!expect(WireType::bytes, what)) return false;
  auto push = [](void* state, uint64_t value) {
    static_cast<std::vector<int64_t>*>(state)->push_back(static_cast<int64_t>(value));
    return true;
  };
  return for_each_varint(payload_, push, &out) ||
         refuse(Code::invalid_model, fmt::format("{} (packed) ends within an element", what));
}

bool WireReader::numbers(std::vector<float>& out, const char* what) {
  if (type_ != WireType::fixed32 && !expect(WireType::bytes, what)) return false;
  if (payload_.size() % 4 != 0)
    return refuse(Code::invalid_model, fmt::format("{} (packed) has {} bytes, which is not a multiple of 4",
                                                   what, payload_.size()));
  for (size_t i = 0; i < payload_.size(); i += 4)
    out.push_back(std::bit_cast<float>(load_little<uint32_t>(payload_.data() + i)));
  return true;
}

bool WireReader::message(const char* what) {
  if (!expect(WireType::bytes, what)) return false;
  if (++context_->records > context_->limits.model_records)
    return refuse(Code::limit_exceeded,
                  fmt::format("the model has more than {} nodes, tensors, attributes and types; "
                              "the limit is model_records",
                              context_->limits.model_records));
  return true;
}

bool for_each_varint(std::span<const std::byte> run, bool (*each)(void* state, uint64_t value), void* state) {
  const char* p = chars(run.data());
  const char* end = p + run.size();
  try {
    while (p != end)
      if (!each(state, protozero::decode_varint(&p, end))) return false;
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p != end) {
    unsigned c = *p++;
    if (c < 0x80) continue;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    if (c < 0xC2 || c > 0xF4 || end - p < more) return false;
    // The second byte excludes overlong forms, surrogates and numbers beyond U+10FFFF.
    unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (*p < low || *p > high) return false;
    for (int i = 1; i < more; ++i)
      if (p[i] < 0x80 || p[i] > 0xBF) return false;
    p += more;
  }
  return true;
}

}  // namespace tenon::onnx
