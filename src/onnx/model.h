// An ONNX model as typed views: names and data are spans of the file's bytes, which must outlive the views.
//
// The reader knows the schema (onnx.proto, IR version 13) and no operator. Fields it does not know are
// skipped; a field given twice has its last value; messages given twice are merged, as Protocol Buffers ask.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/status.h"

namespace tenon::onnx {

// Newest IR version whose models are read.
inline constexpr int64_t kMaxIrVersion = 13;

// The repeated data fields of a TensorProto that are present, as bits.
enum DataField : uint8_t {
  kFloatData = 1,
  kInt32Data = 2,
  kStringData = 4,
  kInt64Data = 8,
  kDoubleData = 16,
  kUint64Data = 32
};

struct TensorView {
  std::string_view name;
  int32_t data_type = 0;      // TensorProto.DataType as in the file
  std::vector<int64_t> dims;  // as in the file: may be negative or absurd
  bool has_raw = false;
  std::span<const std::byte> raw;
  uint8_t data_fields = 0;  // DataField bits
  bool external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external_data;
  bool segmented = false;
  std::vector<std::string_view> strings;  // of a tensor of strings that is to be written
  std::vector<std::span<const std::byte>> messages;  // where tensor.cpp finds the data fields
  uint64_t offset = 0;                               // of the tensor in the file
};

struct SparseTensorView {
  TensorView values;
  TensorView indices;
  std::vector<int64_t> dims;
  uint64_t offset = 0;
};

struct DimView {
  enum class Kind : uint8_t { unknown, value, param } kind = Kind::unknown;
  int64_t value = 0;
  std::string_view param;
};

struct TypeView {
  enum class Kind : uint8_t { none, tensor, sequence, map, sparse_tensor, optional } kind = Kind::none;
  int32_t elem_type = 0;  // of tensors
  bool has_shape = false;
  std::vector<DimView> dims;
  bool holds_tensor = false;  // of a sequence or an optional: its elements are tensors, of the type above
};

struct ValueInfoView {
  std::string_view name;
  TypeView type;
  uint64_t offset = 0;
};

struct GraphView;

// AttributeProto.AttributeType.
enum class AttributeType : int32_t {
  undefined = 0,
  number = 1,
  integer = 2,
  text = 3,
  tensor = 4,
  graph = 5,
  numbers = 6,
  integers = 7,
  texts = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type = 13,
  types = 14
};

struct AttributeView {
  std::string_view name;
  std::string_view ref_name;  // inside a function: the function's attribute that gives the value
  AttributeType type =
      AttributeType::undefined;  // where the file does not say, the kind of the value it holds
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::vector<TensorView> tensors;                 // one for AttributeType::tensor
  std::vector<std::unique_ptr<GraphView>> graphs;  // one for AttributeType::graph
  uint64_t offset = 0;
};

struct NodeView {
  std::string_view name, op_type, domain, overload;
  std::vector<std::string_view> inputs, outputs;  // "": absent
  std::vector<AttributeView> attributes;
  uint64_t offset = 0;
};

struct GraphView {
  std::string_view name;
  std::vector<NodeView> nodes;
  std::vector<TensorView> initializers;
  std::vector<SparseTensorView> sparse_initializers;
  std::vector<ValueInfoView> inputs, outputs, values;
  uint64_t offset = 0;
};

struct OpsetView {
  std::string_view domain;
  int64_t version = 0;
  uint64_t offset = 0;
};

struct FunctionView {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<std::string_view> attributes;  // without a default
  std::vector<AttributeView> default_attributes;
  std::vector<NodeView> nodes;
  std::vector<OpsetView> opsets;
  uint64_t offset = 0;
};

struct ModelView {
  int64_t ir_version = 0;
  std::string_view producer_name, producer_version;
  std::vector<OpsetView> opsets;
  bool has_graph = false;
  GraphView graph;
  std::vector<FunctionView> functions;
};

// Reads the structure of a model; tensor data is only delimited. `bytes` is the whole file. Fails with the
// offset and the path of messages of the first malformed byte, or naming the limit met.
Result<ModelView> read_model(std::span<const std::byte> bytes, const Limits& limits);

}  // namespace tenon::onnx
