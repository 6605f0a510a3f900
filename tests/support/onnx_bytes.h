// Writes ONNX models for tests, well formed or not, field by field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::testing {

// A message's bytes; fields are appended in the order of the calls. Numbers are onnx.proto's.
class Message {
 public:
  Message& integer(uint32_t field, int64_t value) {
    protozero::pbf_writer(bytes_).add_int64(field, value);
    return *this;
  }
  Message& number(uint32_t field, float value) {
    protozero::pbf_writer(bytes_).add_float(field, value);
    return *this;
  }
  Message& text(uint32_t field, std::string_view value) {
    protozero::pbf_writer(bytes_).add_bytes(field, value.data(), value.size());
    return *this;
  }
  Message& message(uint32_t field, const Message& value) { return text(field, value.bytes_); }
  Message& integers(uint32_t field, std::initializer_list<int64_t> values) {
    protozero::pbf_writer(bytes_).add_packed_int64(field, values.begin(), values.end());
    return *this;
  }
  Message& floats(uint32_t field, std::initializer_list<float> values) {
    protozero::pbf_writer(bytes_).add_packed_float(field, values.begin(), values.end());
    return *this;
  }
  const std::string& bytes() const { return bytes_; }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(bytes_.data(), bytes_.size())); }

 private:
  std::string bytes_;
};

inline Message dim(int64_t value) { return Message().integer(1, value); }
inline Message dim(std::string_view param) { return Message().text(2, param); }
inline Message dim(const char* param) { return Message().text(2, param); }
inline Message dim() { return {}; }

inline Message tensor_type(int type, std::initializer_list<Message> dims) {
  Message shape;
  for (const Message& d : dims) shape.message(1, d);
  return Message().message(1, Message().integer(1, type).message(2, shape));
}

inline Message value_info(std::string_view name, int type, std::initializer_list<Message> dims) {
  return Message().text(1, name).message(2, tensor_type(type, dims));
}

inline Message node(std::string_view op_type, std::initializer_list<std::string_view> inputs,
                    std::initializer_list<std::string_view> outputs, std::string_view name = {}) {
  Message out;
  for (std::string_view input : inputs) out.text(1, input);
  for (std::string_view output : outputs) out.text(2, output);
  if (!name.empty()) out.text(3, name);
  return out.text(4, op_type);
}

inline Message integer_attribute(std::string_view name, int64_t value) {
  return Message().text(1, name).integer(3, value).integer(20, 2);
}

// A float tensor with packed float_data.
inline Message float_tensor(std::string_view name, std::initializer_list<int64_t> dims,
                            std::initializer_list<float> values) {
  return Message().integers(1, dims).integer(2, 1).floats(4, values).text(8, name);
}

inline Message external_entry(std::string_view key, std::string_view value) {
  return Message().text(1, key).text(2, value);
}

inline Message opset(int64_t version, std::string_view domain = {}) {
  Message out;
  if (!domain.empty()) out.text(1, domain);
  return out.integer(2, version);
}

inline Message model(const Message& graph, int64_t opset_version = 17) {
  return Message().integer(1, 8).message(7, graph).message(8, opset(opset_version));
}

// Relu of x[2,3] plus a constant w[3]: small, and with one of everything that most models have.
inline Message small_model() {
  Message graph;
  graph.message(1, node("Add", {"x", "w"}, {"sum"}, "add"));
  graph.message(1, node("Relu", {"sum"}, {"y"}, "relu"));
  graph.text(2, "small");
  graph.message(5, float_tensor("w", {3}, {1, 2, 3}));
  graph.message(11, value_info("x", 1, {dim(2), dim(3)}));
  graph.message(12, value_info("y", 1, {dim(2), dim(3)}));
  return model(graph);
}

}  // namespace tenon::testing
