#include "onnx/writer.h"

#include <bit>
#include <cstring>

namespace tenon::onnx {
namespace {

// Protocol-buffer wire format. A message's length stands before it, so everything is written twice: the first
// time only sizes are counted, and those of the messages kept in the order in which they begin.
class WireWriter {
 public:
  // Where the second writing goes.
  void begin(std::byte* out) { out_ = out; }
  uint64_t size() const { return size_; }

  void integer(uint32_t field, int64_t value) {
    tag(field, 0);
    varint(static_cast<uint64_t>(value));
  }
  void number(uint32_t field, float value) {
    tag(field, 5);
    fixed32(value);
  }
  void bytes(uint32_t field, std::span<const std::byte> value) {
    tag(field, 2);
    varint(value.size());
    raw(value.data(), value.size());
  }
  void text(uint32_t field, std::string_view value) {
    bytes(field, std::as_bytes(std::span(value.data(), value.size())));
  }
  // Fields that are not there stand for an empty text, or for 0.
  void optional_text(uint32_t field, std::string_view value) {
    if (!value.empty()) text(field, value);
  }
  void packed(uint32_t field, const std::vector<int64_t>& values) {
    if (values.empty()) return;
    message(field, [&] {
      for (int64_t value : values) varint(static_cast<uint64_t>(value));
    });
  }
  void packed(uint32_t field, const std::vector<float>& values) {
    if (values.empty()) return;
    message(field, [&] {
      for (float value : values) fixed32(value);
    });
  }
  template <class Body>
  void message(uint32_t field, Body&& body) {
    tag(field, 2);
    if (out_) {
      varint(sizes_[next_++]);
      return body();
    }
    const size_t number = sizes_.size();
    const uint64_t before = size_;
    sizes_.push_back(0);
    body();
    sizes_[number] = size_ - before;
    varint(sizes_[number]);
  }

 private:
  void tag(uint32_t field, uint32_t type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    std::byte encoded[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) encoded[size++] = std::byte(value | 0x80);
    encoded[size++] = std::byte(value);
    raw(encoded, size);
  }
  void fixed32(float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap32(bits);
    raw(&bits, sizeof bits);
  }
  void raw(const void* data, size_t size) {
    if (out_ && size) std::memcpy(out_, data, size), out_ += size;
    if (!out_) size_ += size;
  }

  std::byte* out_ = nullptr;
  uint64_t size_ = 0;
  std::vector<uint64_t> sizes_;
  size_t next_ = 0;
};

// Field numbers are those of onnx.proto.

void write(WireWriter& w, const std::pair<std::string_view, std::string_view>& entry) {
  w.text(1, entry.first);
  w.text(2, entry.second);
}

void write(WireWriter& w, const TensorView& tensor) {
  w.packed(1, tensor.dims);
  w.integer(2, tensor.data_type);
  for (std::string_view text : tensor.strings) w.text(6, text);
  w.optional_text(8, tensor.name);
  if (tensor.has_raw) w.bytes(9, tensor.raw);
  for (const auto& entry : tensor.external_data) w.message(13, [&] { write(w, entry); });
  if (tensor.external) w.integer(14, 1);
}

void write(WireWriter& w, const DimView& dim) {
  if (dim.kind == DimView::Kind::value) w.integer(1, dim.value);
  if (dim.kind == DimView::Kind::param) w.text(2, dim.param);
}

void write_tensor_type(WireWriter& w, const TypeView& type) {
  w.integer(1, type.elem_type);
  if (!type.has_shape) return;
  w.message(2, [&] {
    for (const DimView& dim : type.dims) w.message(1, [&] { write(w, dim); });
  });
}

void write(WireWriter& w, const ValueInfoView& info) {
  w.text(1, info.name);
  if (info.type.kind == TypeView::Kind::tensor)
    w.message(2, [&] { w.message(1, [&] { write_tensor_type(w, info.type); }); });
}

void write(WireWriter& w, const GraphView& graph);

void write(WireWriter& w, const AttributeView& a) {
  w.text(1, a.name);
  switch (a.type) {
    case AttributeType::number: w.number(2, a.f); break;
    case AttributeType::integer: w.integer(3, a.i); break;
    case AttributeType::text: w.text(4, a.s); break;
    case AttributeType::numbers: w.packed(7, a.floats); break;
    case AttributeType::integers: w.packed(8, a.ints); break;
    case AttributeType::texts:
      for (std::string_view s : a.strings) w.text(9, s);
      break;
    case AttributeType::tensor:
    case AttributeType::tensors:
      for (const TensorView& tensor : a.tensors)
        w.message(a.type == AttributeType::tensor ? 5 : 10, [&] { write(w, tensor); });
      break;
    case AttributeType::graph:
    case AttributeType::graphs:
      for (const auto& graph : a.graphs)
        w.message(a.type == AttributeType::graph ? 6 : 11, [&] { write(w, *graph); });
      break;
    default: break;
  }
  w.integer(20, static_cast<int64_t>(a.type));
  w.optional_text(21, a.ref_name);
}

void write(WireWriter& w, const NodeView& node) {
  for (std::string_view input : node.inputs) w.text(1, input);
  for (std::string_view output : node.outputs) w.text(2, output);
  w.optional_text(3, node.name);
  w.text(4, node.op_type);
  for (const AttributeView& attribute : node.attributes) w.message(5, [&] { write(w, attribute); });
  w.optional_text(7, node.domain);
  w.optional_text(8, node.overload);
}

void write(WireWriter& w, const GraphView& graph) {
  for (const NodeView& node : graph.nodes) w.message(1, [&] { write(w, node); });
  w.text(2, graph.name);
  for (const TensorView& tensor : graph.initializers) w.message(5, [&] { write(w, tensor); });
  for (const ValueInfoView& info : graph.inputs) w.message(11, [&] { write(w, info); });
  for (const ValueInfoView& info : graph.outputs) w.message(12, [&] { write(w, info); });
  for (const ValueInfoView& info : graph.values) w.message(13, [&] { write(w, info); });
}

void write(WireWriter& w, const OpsetView& opset) {
  w.text(1, opset.domain);
  w.integer(2, opset.version);
}

void write(WireWriter& w, const FunctionView& function) {
  w.text(1, function.name);
  for (std::string_view input : function.inputs) w.text(4, input);
  for (std::string_view output : function.outputs) w.text(5, output);
  for (std::string_view attribute : function.attributes) w.text(6, attribute);
  for (const NodeView& node : function.nodes) w.message(7, [&] { write(w, node); });
  for (const OpsetView& opset : function.opsets) w.message(9, [&] { write(w, opset); });
  w.text(10, function.domain);
  for (const AttributeView& attribute : function.default_attributes)
    w.message(11, [&] { write(w, attribute); });
  w.optional_text(13, function.overload);
}

void write(WireWriter& w, const ModelView& model) {
  w.integer(1, model.ir_version);
  w.optional_text(2, model.producer_name);
  w.optional_text(3, model.producer_version);
  if (model.has_graph) w.message(7, [&] { write(w, model.graph); });
  for (const OpsetView& opset : model.opsets) w.message(8, [&] { write(w, opset); });
  for (const FunctionView& function : model.functions) w.message(25, [&] { write(w, function); });
}

}  // namespace

Result<std::vector<std::byte>> write_model(const ModelView& model) {
  WireWriter writer;
  write(writer, model);
  if (writer.size() > kMaxModelBytes)
    return fail(Code::limit_exceeded,
                "the model takes {} bytes; an ONNX file holds {} at most, and the rest must be external data",
                writer.size(), kMaxModelBytes);
  std::vector<std::byte> out(writer.size());
  writer.begin(out.data());
  write(writer, model);
  return out;
}

}  // namespace tenon::onnx
