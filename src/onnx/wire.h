// Protocol-buffer wire format, read in place: fields of a message one after the other, every malformed byte
// an error that names its offset in the file and the path of messages that leads there. Format:
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/status.h"

namespace tenon::onnx {

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// What the readers of one file share: where the file begins, its limits, and the first problem met.
struct WireContext {
  const std::byte* base = nullptr;
  Limits limits;
  int64_t records = 0;  // messages read so far
  int64_t nodes = 0;    // those of them that are nodes
  int depth = 0;        // graphs within graphs
  // The first problem. `path` is filled while the parsers return: innermost message first.
  Code code = Code::invalid_model;
  uint64_t offset = 0;
  std::string problem;
  std::vector<std::string> path;

  // "byte 812, in graph/node[3]/attribute[0]: …"
  Error error() const;
};

// One message. Functions that return false have recorded a problem in the context (next() also at the end of
// the message: see ok()).
class WireReader {
 public:
  WireReader(WireContext& context, std::span<const std::byte> message)
      : context_(&context), data_(message.data()), end_(message.data() + message.size()) {}

  // Goes to the next field and decodes it; false at the end of the message or at a malformed field.
  bool next();
  bool ok() const { return !failed_; }
  // The field read last.
  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  // Offset of the field's tag in the file.
  uint64_t offset() const { return static_cast<uint64_t>(field_begin_ - context_->base); }
  std::span<const std::byte> payload() const { return payload_; }

  // The field's value; refuses another wire type than the schema's.
  bool integer(int64_t& out, const char* what);
  bool integer32(int32_t& out, const char* what);
  bool number(float& out, const char* what);
  bool bytes(std::string_view& out, const char* what);
  // A name or another text that people see: valid UTF-8 without NUL, at most Limits::name_bytes.
  bool text(std::string_view& out, const char* what);
  // Repeated numbers: one element, or a packed run of them.
  bool integers(std::vector<int64_t>& out, const char* what);
  bool numbers(std::vector<float>& out, const char* what);
  // Refuses anything but a sub-message; counts it against Limits::model_records.
  bool message(const char* what);
  WireReader nested() const { return {*context_, payload_}; }

  // Records a problem at the field read last; always false.
  bool refuse(Code code, std::string problem);
  // Adds a step to the path of the problem recorded; always false.
  bool inside(const char* what);
  bool inside(const char* what, size_t index);

  WireContext& context() { return *context_; }

 private:
  bool expect(WireType type, const char* what);
  bool malformed(const std::byte* where, std::string problem);
  bool decode_varint(uint64_t& out, const char* what);

  WireContext* context_;
  const std::byte* data_;
  const std::byte* end_;
  const std::byte* field_begin_ = nullptr;
  std::span<const std::byte> payload_;
  uint64_t value_ = 0;
  uint32_t field_ = 0;
  WireType type_ = WireType::varint;
  bool failed_ = false;
};

// Calls `each(value)` for every varint of a packed run; false when the run is malformed or `each` returns
// false.
bool for_each_varint(std::span<const std::byte> run, bool (*each)(void* state, uint64_t value), void* state);

bool is_utf8(std::string_view text);

}  // namespace tenon::onnx
