#include "onnx/tensor.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "base/checked.h"
#include "base/narrow.h"
#include "base/text.h"
#include "onnx/wire.h"

namespace tenon::onnx {
namespace {

constexpr const char* kTypeNames[] = {
    "undefined", "float",      "uint8",      "int8",         "uint16",         "int16",      "int32",
    "int64",     "string",     "bool",       "float16",      "double",         "uint32",     "uint64",
    "complex64", "complex128", "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
    "uint4",     "int4",       "float4e2m1", "float8e8m0",   "uint2",          "int2"};

// Which repeated field carries a type's elements, its number in TensorProto, and how its elements are stored
// there.
enum class Storage : uint8_t { none, fixed, varint };
struct DataRow {
  DType type;
  DataField field;
  uint32_t number;
  Storage storage;
  int64_t low, high;  // of varint elements
};
constexpr DataRow kDataRows[] = {
    {DType::f32, kFloatData, 4, Storage::fixed, 0, 0},
    {DType::f64, kDoubleData, 10, Storage::fixed, 0, 0},
    {DType::i64, kInt64Data, 7, Storage::varint, INT64_MIN, INT64_MAX},
    {DType::u64, kUint64Data, 11, Storage::varint, INT64_MIN, INT64_MAX},
    {DType::u32, kUint64Data, 11, Storage::varint, 0, UINT32_MAX},
    {DType::i32, kInt32Data, 5, Storage::varint, INT32_MIN, INT32_MAX},
    {DType::i16, kInt32Data, 5, Storage::varint, INT16_MIN, INT16_MAX},
    {DType::i8, kInt32Data, 5, Storage::varint, INT8_MIN, INT8_MAX},
    {DType::u16, kInt32Data, 5, Storage::varint, 0, UINT16_MAX},
    {DType::u8, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
    {DType::boolean, kInt32Data, 5, Storage::varint, 0, 1},
    {DType::f16, kInt32Data, 5, Storage::varint, 0, UINT16_MAX},
    {DType::bf16, kInt32Data, 5, Storage::varint, 0, UINT16_MAX},
    {DType::f8e4m3fn, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
    {DType::f8e4m3fnuz, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
    {DType::f8e5m2, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
    {DType::f8e5m2fnuz, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
    {DType::f8e8m0, kInt32Data, 5, Storage::varint, 0, UINT8_MAX},
};

using Buffer = std::vector<std::byte>;

void to_native_order(Buffer& bytes, size_t element_size) {
  if constexpr (std::endian::native == std::endian::big)
    for (size_t i = 0; i + element_size <= bytes.size(); i += element_size)
      std::reverse(bytes.begin() + static_cast<ptrdiff_t>(i),
                   bytes.begin() + static_cast<ptrdiff_t>(i + element_size));
}

// A view of little-endian memory when it can be used as it is, else a copy.
TensorData wrap(DType dtype, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  TensorData out{dtype, {}, bytes, std::move(owner)};
  size_t size = size_of(dtype);
  bool usable = std::endian::native == std::endian::little &&
                (reinterpret_cast<uintptr_t>(bytes.data()) % size == 0 || bytes.size() >= kLeastUnaligned);
  if (dtype == DType::boolean)
    for (std::byte b : bytes) usable &= static_cast<uint8_t>(b) <= 1;
  if (usable) return out;
  auto copy = std::make_shared<Buffer>(bytes.begin(), bytes.end());
  to_native_order(*copy, size);
  if (dtype == DType::boolean)
    for (std::byte& b : *copy) b = std::byte{b != std::byte{0}};
  out.bytes = *copy;
  out.owner = std::move(copy);
  return out;
}

Result<uint64_t> parse_number(std::string_view text, const char* what) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return fail(Code::invalid_model, "external data's {} '{}' is not a number from 0 to 2^64 - 1", what,
                text);
  return value;
}

Result<TensorData> read_external(const TensorView& tensor, DType dtype, uint64_t bytes,
                                 const Source& source) {
  std::string_view location;
  uint64_t offset = 0, length = bytes;
  for (const auto& [key, value] : tensor.external_data) {
    if (key == "location") location = value;
    if (key == "offset") {
      TN_ASSIGN(offset, parse_number(value, "offset"));
    } else if (key == "length") {
      TN_ASSIGN(length, parse_number(value, "length"));
    }
  }
  if (tensor.has_raw || tensor.data_fields)
    return fail(Code::invalid_model, "a tensor with external data holds data in the model too");
  TN_ASSIGN(std::shared_ptr<const MappedFile> file, source.external->open(location));
  if (length != bytes)
    return fail(Code::invalid_model, "external data '{}': length {} does not match the tensor's {} bytes",
                location, length, bytes);
  uint64_t size = file->bytes().size();
  if (length > size || offset > size - length)
    return fail(Code::invalid_model,
                "external data '{}' is too short: the tensor needs {} bytes from {} on, the file has {}",
                location, length, offset, size);
  return wrap(dtype, file->bytes().subspan(offset, length), file);
}

// Calls `each(payload, type)` for every occurrence of a field in the tensor's messages, which have been read
// before.
template <class F>
bool for_each_field(const TensorView& tensor, uint32_t number, F&& each) {
  for (std::span<const std::byte> message : tensor.messages) {
    WireContext context;
    context.base = message.data();
    WireReader reader(context, message);
    while (reader.next())
      if (reader.field() == number && !each(reader)) return false;
    if (!reader.ok()) return false;
  }
  return true;
}

struct VarintSink {
  const DataRow* row;
  std::byte* out;
  size_t size;  // of an element
  int64_t left;
  std::string problem;
};

bool store_varint(void* state, uint64_t value) {
  auto& sink = *static_cast<VarintSink*>(state);
  if (sink.left-- == 0) return false;
  // int32_data is sign-extended to 64 bits by some writers and cut to 32 by others.
  int64_t number = sink.row->field == kInt32Data ? static_cast<int32_t>(static_cast<uint32_t>(value))
                                                 : static_cast<int64_t>(value);
  if (number < sink.row->low || number > sink.row->high) {
    sink.problem = fmt::format("{} does not fit into an element of {}", number, name_of(sink.row->type));
    return false;
  }
  uint64_t bits = static_cast<uint64_t>(number);
  if constexpr (std::endian::native == std::endian::big)
    bits = __builtin_bswap64(bits) >> (64 - 8 * sink.size);
  std::memcpy(sink.out, &bits, sink.size);
  sink.out += sink.size;
  return true;
}

// One packed run of fixed-size elements may be used where it lies; anything else is gathered into a copy.
Result<TensorData> read_fixed(const TensorView& tensor, const DataRow& row, int64_t count,
                              const Source& source) {
  size_t element = size_of(row.type), total = 0, runs = 0, want = static_cast<size_t>(count) * element;
  std::span<const std::byte> first;
  WireType single = element == 4 ? WireType::fixed32 : WireType::fixed64;
  bool good = for_each_field(tensor, row.number, [&](WireReader& r) {
    if (r.type() != single && (r.type() != WireType::bytes || r.payload().size() % element != 0))
      return false;
    if (!r.payload().empty() && runs++ == 0) first = r.payload();
    total += r.payload().size();
    return true;
  });
  if (!good)
    return fail(Code::invalid_model, "the tensor's data field {} does not hold {} elements", row.number,
                name_of(row.type));
  if (total != want)
    return fail(Code::invalid_model, "the tensor holds {} elements; its dims ask for {}", total / element,
                count);
  if (runs <= 1) return wrap(row.type, first, source.owner);
  auto copy = std::make_shared<Buffer>();
  copy->reserve(want);
  for_each_field(tensor, row.number, [&](WireReader& r) {
    copy->insert(copy->end(), r.payload().begin(), r.payload().end());
    return true;
  });
  to_native_order(*copy, element);
  return TensorData{row.type, {}, *copy, copy};
}

Result<TensorData> read_varints(const TensorView& tensor, const DataRow& row, int64_t count) {
  // Every element takes a byte at least: more elements than that are refused before memory is taken.
  int64_t room = 0;
  for (std::span<const std::byte> message : tensor.messages) room += static_cast<int64_t>(message.size());
  if (count > room)
    return fail(Code::invalid_model, "the tensor's dims ask for {} elements; it cannot hold more than {}",
                count, room);
  size_t element = size_of(row.type);
  auto data = std::make_shared<Buffer>(static_cast<size_t>(count) * element);
  VarintSink sink{&row, data->data(), element, count, {}};
  bool good = for_each_field(tensor, row.number, [&](WireReader& r) {
    if (r.type() != WireType::varint && r.type() != WireType::bytes) return false;
    return for_each_varint(r.payload(), store_varint, &sink);
  });
  if (!sink.problem.empty())
    return fail(Code::invalid_model, "element {}: {}", count - sink.left - 1, sink.problem);
  if (sink.left < 0)
    return fail(Code::invalid_model, "the tensor holds more elements than the {} its dims ask for", count);
  if (!good) return fail(Code::invalid_model, "the tensor's data field {} is malformed", row.number);
  if (sink.left > 0)
    return fail(Code::invalid_model, "the tensor holds {} elements; its dims ask for {}", count - sink.left,
                count);
  return TensorData{row.type, {}, *data, data};
}

Result<TensorData> read_elements(const TensorView& tensor, DType dtype, int64_t count, const Source& source);

// Elements of less than a byte lie beside each other in the file, the first in the low bits.
Result<TensorData> read_narrow(const TensorView& tensor, DType dtype, int64_t count, const Source& source) {
  const int bits = narrow_bits(dtype), each = 8 / bits;
  TN_ASSIGN(TensorData packed, read_elements(tensor, DType::u8, count / each + (count % each != 0), source));
  auto data = std::make_shared<Buffer>(static_cast<size_t>(count));
  for (size_t i = 0; i < data->size(); ++i) {
    const auto byte = static_cast<uint8_t>(packed.bytes[i / static_cast<size_t>(each)]);
    const int shift = static_cast<int>(i % static_cast<size_t>(each)) * bits;
    (*data)[i] = std::byte{int_to_narrow(dtype, byte >> shift)};
  }
  return TensorData{dtype, {}, *data, data};
}

Result<TensorData> read_elements(const TensorView& tensor, DType dtype, int64_t count, const Source& source) {
  if (narrow_bits(dtype) < 8) return read_narrow(tensor, dtype, count, source);
  uint64_t bytes = static_cast<uint64_t>(count) * size_of(dtype);
  if (tensor.external) return read_external(tensor, dtype, bytes, source);
  if (tensor.has_raw) {
    if (tensor.data_fields)
      return fail(Code::invalid_model, "the tensor holds both raw_data and a typed data field");
    if (tensor.raw.size() != bytes)
      return fail(Code::invalid_model, "raw_data has {} bytes; the tensor's dims and type ask for {}",
                  tensor.raw.size(), bytes);
    return wrap(dtype, tensor.raw, source.owner);
  }
  for (const DataRow& row : kDataRows) {
    if (row.type != dtype) continue;
    if (tensor.data_fields & ~row.field)
      return fail(Code::invalid_model, "the tensor holds a data field that its type {} does not use",
                  name_of(dtype));
    return row.storage == Storage::fixed ? read_fixed(tensor, row, count, source)
                                         : read_varints(tensor, row, count);
  }
  return fail(Code::unsupported, "tensors of type {} are not supported", name_of(dtype));
}

}  // namespace

std::string onnx_type_name(int32_t data_type) {
  if (data_type >= 0 && data_type < static_cast<int32_t>(std::size(kTypeNames))) return kTypeNames[data_type];
  return fmt::format("type {}", data_type);
}

Result<int64_t> checked_count(std::span<const int64_t> dims, size_t element_size, const Limits& limits) {
  auto text = [&] {
    std::string out;
    for (size_t i = 0; i < dims.size() && i < 16; ++i) out += (i ? "," : "") + std::to_string(dims[i]);
    return "[" + out + "]";
  };
  if (dims.size() > kMaxRank)
    return fail(Code::unsupported, "dims {} are {} dims; the most is {}", text(), dims.size(), kMaxRank);
  for (int64_t d : dims)
    if (d < 0) return fail(Code::invalid_model, "dims {} hold a negative one", text());
  // Limits hold for the product of the dims that are not 0 too: strides are made of them.
  int64_t count = 1, extent = 1;
  for (int64_t d : dims) {
    std::optional<int64_t> next = checked_mul(extent, std::max<int64_t>(d, 1));
    if (!next || *next > limits.tensor_elements)
      return fail(Code::limit_exceeded, "dims {} make more elements than the limit tensor_elements, {}",
                  text(), limits.tensor_elements);
    extent = *next;
    count = d == 0 ? 0 : count;
  }
  std::optional<int64_t> bytes = checked_mul(extent, static_cast<int64_t>(element_size));
  if (!bytes || *bytes > limits.tensor_bytes)
    return fail(Code::limit_exceeded,
                "dims {} with elements of {} bytes take more than the limit tensor_bytes, {}", text(),
                element_size, limits.tensor_bytes);
  return count * extent;
}

namespace {

Result<TensorData> read_packed(const TensorView& tensor, const Source& source) {
  if (tensor.segmented) return fail(Code::unsupported, "tensors in segments are not supported");
  TN_ASSIGN(std::vector<std::string_view> texts, read_strings(tensor, source.limits));
  auto data = std::make_shared<Buffer>(pack_texts(texts));
  return TensorData{DType::string, tensor.dims, *data, data};
}

}  // namespace

Result<TensorData> read_tensor(const TensorView& tensor, const Source& source) {
  auto dtype = static_cast<DType>(tensor.data_type);
  if (dtype == DType::string) return read_packed(tensor, source);
  if (tensor.data_type <= 0 || tensor.data_type > 255 || !is_known(dtype))
    return fail(tensor.data_type == 0 ? Code::invalid_model : Code::unsupported,
                "tensors of type {} are not supported", onnx_type_name(tensor.data_type));
  if (tensor.segmented) return fail(Code::unsupported, "tensors in segments are not supported");
  TN_ASSIGN(int64_t count, checked_count(tensor.dims, size_of(dtype), source.limits));
  TN_ASSIGN(TensorData data, read_elements(tensor, dtype, count, source));
  data.dims = tensor.dims;
  return data;
}

Result<std::vector<std::string_view>> read_strings(const TensorView& tensor, const Limits& limits) {
  if (tensor.data_type != static_cast<int32_t>(DType::string) || tensor.external || tensor.has_raw ||
      (tensor.data_fields & ~kStringData))
    return fail(Code::invalid_model, "a tensor of type {} is not a string tensor with string_data",
                onnx_type_name(tensor.data_type));
  TN_ASSIGN(int64_t count, checked_count(tensor.dims, size_of(DType::string), limits));
  std::vector<std::string_view> out;
  bool too_many = false;
  for_each_field(tensor, 6, [&](WireReader& r) {
    std::string_view text;
    too_many = static_cast<int64_t>(out.size()) == count;
    return !too_many && r.bytes(text, "string_data") && (out.push_back(text), true);
  });
  if (too_many) return fail(Code::invalid_model, "the tensor holds more strings than the {} its dims ask for", count);
  if (static_cast<int64_t>(out.size()) != count)
    return fail(Code::invalid_model, "the tensor holds {} strings; its dims ask for {}", out.size(), count);
  return out;
}

}  // namespace tenon::onnx
