#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/text.h"
#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon {
namespace {

constexpr size_t kMaxPrintedElements = 16;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') out += '\\', out += static_cast<char>(c);
    else if (c < 0x20 || c == 0x7f) out += fmt::format("\\x{:02x}", c);
    else out += static_cast<char>(c);
  }
  return out + "\"";
}

// Shortest text that reads back as the same double; always with a point, an exponent or a word.
std::string number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string out = fmt::format("{}", value);
  return out.find_first_of(".en") == std::string::npos ? out + ".0" : out;
}

template <class T, class F>
std::string list(const std::vector<T>& items, F&& text) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + text(items[i]);
  return out + "]";
}

std::string element(const std::byte* at, DType type) {
  auto read = [&](auto typed) {
    std::memcpy(&typed, at, sizeof typed);
    return typed;
  };
  switch (type) {
    case DType::f32: return number(read(float{}));
    case DType::f64: return number(read(double{}));
    case DType::i64: return fmt::format("{}", read(int64_t{}));
    case DType::i32: return fmt::format("{}", read(int32_t{}));
    case DType::boolean: return read(uint8_t{}) ? "true" : "false";
    default: {  // other types as the bytes of the element
      std::string out = "0x";
      for (size_t i = size_of(type); i-- > 0;) out += fmt::format("{:02x}", static_cast<unsigned>(at[i]));
      return out;
    }
  }
}

// Nothing of strings that their constant does not hold as its type says.
std::string elements_of_texts(const Constant& constant) {
  const Dim count = element_count(constant.type.shape);
  const auto texts = PackedTexts::read(constant.bytes.view, count.is_constant() ? count.value() : -1);
  std::string out = "[";
  for (size_t i = 0; texts && i < texts->size(); ++i) out += (i ? ", " : "") + quoted(std::string((*texts)[i]));
  return out + "]";
}

std::string elements(const Constant& constant) {
  if (constant.type.dtype == DType::string) return elements_of_texts(constant);
  size_t size = size_of(constant.type.dtype);
  size_t count = size ? constant.bytes.view.size() / size : 0;
  std::string out = "[";
  for (size_t i = 0; i < count; ++i)
    out += (i ? ", " : "") + element(constant.bytes.view.data() + i * size, constant.type.dtype);
  return out + "]";
}

class Printer {
 public:
  explicit Printer(const Graph& graph) : graph_(graph), numbers_(graph.value_count(), UINT32_MAX) {}

  std::string graph() {
    static constexpr const char* kLevels[] = {"network", "core", "chosen"};
    std::string out = fmt::format("graph {} {} {{\n", quoted(graph_.name), kLevels[static_cast<int>(graph_.level)]);
    for (ValueId id : graph_.inputs)
      out += fmt::format("  input {}: {} {}\n", name(id), print(graph_.value(id).type), quoted(graph_.value(id).name));
    for (NodeId id : graph_.order()) {
      for (ValueId input : graph_.node(id).inputs) out += constant(input);
      out += "  " + node(graph_.node(id)) + "\n";
    }
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      out += constant(graph_.outputs[i]);
      out += fmt::format("  output {} {}\n", name(graph_.outputs[i]), quoted(graph_.output_names[i]));
    }
    return out + "}\n";
  }

  std::string node(const Node& node) {
    std::string out;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const TensorType& type = graph_.value(node.outputs[i]).type;
      out += (i ? ", " : "") + name(node.outputs[i]);
      if (type.dtype != DType::none) out += ": " + print(type);
    }
    out += fmt::format(" = {}({})", node.op->name, list_of(node.inputs));
    if (node.attrs.size()) {
      out += " {";
      bool first = true;
      for (const auto& [key, attr] : node.attrs) {
        out += fmt::format("{}{} = {}", first ? "" : ", ", key, text(attr));
        first = false;
      }
      out += "}";
    }
    if (!node.name.empty()) out += " @" + quoted(node.name);
    return out;
  }

 private:
  std::string name(ValueId id) {
    if (!id.valid()) return "_";
    uint32_t& number = numbers_[id.index];
    if (number == UINT32_MAX) number = next_++;
    return fmt::format("%{}", number);
  }

  std::string list_of(const std::vector<ValueId>& ids) {
    std::string out;
    for (size_t i = 0; i < ids.size(); ++i) out += (i ? ", " : "") + name(ids[i]);
    return out;
  }

  // The line that defines a constant, before its first use; else nothing.
  std::string constant(ValueId id) {
    if (!id.valid() || !graph_.is_constant(id) || numbers_[id.index] != UINT32_MAX) return "";
    const Constant& constant = *graph_.value(id).constant;
    std::string out = fmt::format("  constant {}: {}", name(id), print(constant.type));
    if (!constant.refit_name.empty()) out += " refit " + quoted(constant.refit_name);
    size_t size = constant.type.dtype == DType::string ? sizeof(uint64_t) : size_of(constant.type.dtype);
    if (size && !constant.bytes.view.empty() && constant.bytes.view.size() / size <= kMaxPrintedElements)
      out += " = " + elements(constant);
    else if (element_count(constant.type.shape).is(0))
      out += " = []";
    return out + "\n";
  }

  std::string text(const Attr& attr) {
    struct Visitor {
      std::string operator()(int64_t v) const { return fmt::format("{}", v); }
      std::string operator()(double v) const { return number(v); }
      std::string operator()(const std::string& v) const { return quoted(v); }
      std::string operator()(const std::vector<int64_t>& v) const {
        return "i" + list(v, [](int64_t x) { return fmt::format("{}", x); });
      }
      std::string operator()(const std::vector<double>& v) const { return "f" + list(v, number); }
      std::string operator()(const std::vector<std::string>& v) const {
        return "s" + list(v, [](const std::string& x) { return quoted(x); });
      }
      std::string operator()(const Shape& v) const { return list(v, [](const Dim& x) { return x.text(); }); }
      std::string operator()(DType v) const { return std::string(name_of(v)); }
      std::string operator()(const Program& v) const {
        std::string types;
        for (int i = 0; i < v.inputs; ++i) types += (i ? ", " : "") + std::string(name_of(v.input_type[i]));
        return fmt::format("({}) -> {}", types, print(v));
      }
      std::string operator()(const std::shared_ptr<const Constant>& v) const {
        return "tensor " + print(v->type) + " " + elements(*v);
      }
      std::string operator()(const GraphPtr& v) const { return print(*v); }
    };
    return std::visit(Visitor{}, attr);
  }

  const Graph& graph_;
  std::vector<uint32_t> numbers_;
  uint32_t next_ = 0;
};

}  // namespace

std::string print(const Graph& graph) { return Printer(graph).graph(); }

std::string print(const Graph& graph, NodeId node) { return Printer(graph).node(graph.node(node)); }

}  // namespace tenon
