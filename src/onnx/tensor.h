// The elements of a tensor: from raw_data, the typed repeated fields, or external data.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "onnx/external.h"
#include "onnx/model.h"

namespace tenon::onnx {

// Where the model's bytes live: tensors that need no conversion are views of them.
struct Source {
  std::shared_ptr<const void> owner;  // of the model's bytes; may be null (the caller keeps them)
  ExternalFiles* external = nullptr;  // never null
  Limits limits;
};

// Writers put data wherever the message before it ends. Tensors of as many bytes are views all the same, so that a model of
// gigabytes is not copied; who gives their elements to a kernel brings them where they are aligned.
inline constexpr size_t kLeastUnaligned = 64 << 10;

struct TensorData {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  std::span<const std::byte> bytes;   // little-endian elements, row-major; aligned for the type if shorter than kLeastUnaligned
  std::shared_ptr<const void> owner;  // keeps `bytes` alive
};

// Reads a tensor of any known element type; strings are packed (base/text.h). Counts are checked against dims and limits before
// memory is taken. A view where the file's bytes are aligned for the type or many, else (and for all fields that are
// not already raw little-endian memory) a copy. Bools other than 0 and 1 become 1; elements of less than a byte get one each.
Result<TensorData> read_tensor(const TensorView& tensor, const Source& source);

// The elements of a string tensor, as views of the model's bytes.
Result<std::vector<std::string_view>> read_strings(const TensorView& tensor, const Limits& limits);

// Product of dims; refuses negative dims, more than kMaxRank of them and counts beyond the limits for
// elements of `element_size` bytes (0: only the number of elements is limited).
Result<int64_t> checked_count(std::span<const int64_t> dims, size_t element_size, const Limits& limits);

// "float32" for 1; ONNX's name of an element type, also of those Tenon does not have; "type 99".
std::string onnx_type_name(int32_t data_type);

}  // namespace tenon::onnx
