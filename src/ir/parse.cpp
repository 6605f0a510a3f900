#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/text.h"
#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon {
namespace {

// A recursive-descent parser of the text form. Positions in messages are line numbers.
class Parser {
 public:
  Parser(std::string_view text, const OpDef* (*find_op)(std::string_view), int depth = 0) : text_(text), find_op_(find_op), depth_(depth) {}

  Result<Graph> graph() {
    TN_TRY(word("graph"));
    TN_ASSIGN(graph_.name, quoted());
    std::string level = identifier();
    if (level == "network") graph_.level = Level::network;
    else if (level == "core") graph_.level = Level::core;
    else if (level == "chosen") graph_.level = Level::chosen;
    else return bad("a level (network, core, chosen)");
    TN_TRY(expect('{'));
    while (!eat('}')) {
      if (at_ >= text_.size()) return bad("'}'");
      TN_TRY(statement());
    }
    return std::move(graph_);
  }

 private:
  tl::unexpected<Error> bad(std::string_view expected) {
    size_t line = 1 + static_cast<size_t>(std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n'));
    std::string_view rest = text_.substr(at_, 24);
    return fail(Code::invalid_argument, "line {}: {} is expected, '{}' is there", line, expected,
                rest.substr(0, rest.find('\n')));
  }

  void space() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
      else if (text_[at_] == ';') while (at_ < text_.size() && text_[at_] != '\n') ++at_;  // comment
      else break;
    }
  }
  bool eat(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  char peek() {
    space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  Status expect(char c) {
    if (eat(c)) return {};
    return bad(fmt::format("'{}'", c));
  }
  std::string identifier() {
    space();
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  Status word(std::string_view wanted) {
    size_t begin = at_;
    if (identifier() == wanted) return {};
    at_ = begin;
    return bad(fmt::format("'{}'", wanted));
  }

  Result<std::string> quoted() {
    TN_TRY(expect('"'));
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'x' && at_ + 2 <= text_.size()) {
          c = static_cast<char>(std::strtol(std::string(text_.substr(at_, 2)).c_str(), nullptr, 16));
          at_ += 2;
        }
      }
      out += c;
    }
    TN_TRY(expect('"'));
    return out;
  }

  // Text up to the first of `stops` outside parentheses and brackets.
  std::string until(std::string_view stops) {
    space();
    size_t begin = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (depth == 0 && stops.find(c) != std::string_view::npos) break;
      if (c == '(' || c == '[') ++depth;
      if (c == ')' || c == ']') --depth;
    }
    size_t end = at_;
    while (end > begin && std::isspace(static_cast<unsigned char>(text_[end - 1]))) --end;
    return std::string(text_.substr(begin, end - begin));
  }

  Result<DType> dtype() {
    auto type = dtype_from_name(identifier());
    if (!type) return bad("an element type");
    return *type;
  }

  Result<Shape> shape() {
    TN_TRY(expect('['));
    Shape out;
    while (!eat(']')) {
      if (!out.empty()) TN_TRY(expect(','));
      TN_ASSIGN(Dim dim, parse_dim(until(",]")));
      out.push_back(std::move(dim));
    }
    return out;
  }

  Result<TensorType> type() {
    TensorType out;
    TN_ASSIGN(out.dtype, dtype());
    TN_ASSIGN(out.shape, shape());
    size_t begin = at_;
    if (auto format = format_from_name(identifier())) out.format = *format;
    else at_ = begin;
    return out;
  }

  Result<std::string> value_name() {
    TN_TRY(expect('%'));
    std::string name = identifier();
    if (name.empty()) return bad("a value name");
    return name;
  }

  Result<ValueId> use() {
    if (eat('_')) return ValueId{};
    TN_ASSIGN(std::string name, value_name());
    auto found = values_.find(name);
    if (found == values_.end()) return bad(fmt::format("a value that is defined (%{} is not)", name));
    return found->second;
  }

  Status define(const std::string& name, ValueId id) {
    if (!values_.emplace(name, id).second) return bad(fmt::format("a new value name (%{} exists)", name));
    return {};
  }

  Status statement() {
    if (peek() == '%') return node();
    std::string kind = identifier();
    if (kind == "input") return input();
    if (kind == "constant") return constant();
    if (kind == "output") {
      TN_ASSIGN(ValueId id, use());
      TN_ASSIGN(std::string name, quoted());
      graph_.outputs.push_back(id);
      graph_.output_names.push_back(std::move(name));
      return {};
    }
    return bad("input, constant, output or a node");
  }

  Status input() {
    TN_ASSIGN(std::string name, value_name());
    TN_TRY(expect(':'));
    TN_ASSIGN(TensorType tensor_type, type());
    TN_ASSIGN(std::string public_name, quoted());
    return define(name, graph_.add_input(std::move(public_name), std::move(tensor_type)));
  }

  Status constant() {
    TN_ASSIGN(std::string name, value_name());
    TN_TRY(expect(':'));
    Constant made;
    TN_ASSIGN(made.type, type());
    size_t begin = at_;
    if (identifier() == "refit") {
      TN_ASSIGN(made.refit_name, quoted());
    } else {
      at_ = begin;
    }
    if (eat('=')) {
      TN_ASSIGN(made.bytes, elements(made.type));
    }
    std::string value_name = made.refit_name;
    return define(name, graph_.add_constant(std::move(value_name), std::make_shared<Constant>(std::move(made))));
  }

  Result<Bytes> elements_of_texts(const TensorType& type) {
    std::vector<std::string> texts;
    TN_TRY(expect('['));
    while (!eat(']')) {
      if (!texts.empty()) TN_TRY(expect(','));
      TN_ASSIGN(std::string text, quoted());
      texts.push_back(std::move(text));
    }
    const Dim count = element_count(type.shape);
    if (!count.is(static_cast<int64_t>(texts.size()))) return bad(fmt::format("{} elements for {}", count.text(), print(type)));
    return Bytes::take(pack_texts(std::vector<std::string_view>(texts.begin(), texts.end())));
  }

  Result<Bytes> elements(const TensorType& type) {
    if (type.dtype == DType::string) return elements_of_texts(type);
    std::vector<std::byte> bytes;
    size_t size = size_of(type.dtype);
    TN_TRY(expect('['));
    while (!eat(']')) {
      if (!bytes.empty()) TN_TRY(expect(','));
      std::string text = until(",]");
      std::byte raw[8] = {};
      auto put = [&](auto typed) { std::memcpy(raw, &typed, sizeof typed); };
      if (text.empty()) return bad("an element");
      if (text.starts_with("0x")) put(static_cast<uint64_t>(std::strtoull(text.c_str(), nullptr, 16)));
      else if (type.dtype == DType::f32) put(std::strtof(text.c_str(), nullptr));
      else if (type.dtype == DType::f64) put(std::strtod(text.c_str(), nullptr));
      else if (type.dtype == DType::boolean) put(static_cast<uint8_t>(text == "true"));
      else put(static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10)));
      bytes.insert(bytes.end(), raw, raw + size);
    }
    Dim count = element_count(type.shape);
    if (!count.is(static_cast<int64_t>(size ? bytes.size() / size : 0)))
      return bad(fmt::format("{} elements for {}", count.text(), print(type)));
    return Bytes::take(std::move(bytes));
  }

  Status node() {
    std::vector<std::pair<std::string, TensorType>> outs;
    do {
      TN_ASSIGN(std::string name, value_name());
      TensorType output_type;
      if (eat(':')) {
        TN_ASSIGN(output_type, type());
      }
      outs.emplace_back(std::move(name), std::move(output_type));
    } while (eat(','));
    TN_TRY(expect('='));
    std::string op_name = identifier();
    const OpDef* op = find_op_(op_name);
    if (!op) return bad(fmt::format("an op ('{}' is none)", op_name));
    TN_TRY(expect('('));
    std::vector<ValueId> inputs;
    while (!eat(')')) {
      if (!inputs.empty()) TN_TRY(expect(','));
      TN_ASSIGN(ValueId id, use());
      inputs.push_back(id);
    }
    Attrs attrs;
    if (eat('{')) {
      while (!eat('}')) {
        if (attrs.size()) TN_TRY(expect(','));
        std::string key = identifier();
        TN_TRY(expect('='));
        TN_ASSIGN(Attr attr, attribute());
        attrs.set(std::move(key), std::move(attr));
      }
    }
    std::string name;
    if (eat('@')) {
      TN_ASSIGN(name, quoted());
    }
    return add(*op, std::move(name), std::move(inputs), std::move(outs), std::move(attrs));
  }

  Status add(const OpDef& op, std::string name, std::vector<ValueId> inputs,
             std::vector<std::pair<std::string, TensorType>> outs, Attrs attrs) {
    TN_ASSIGN(NodeId id, graph_.add_node(&op, std::move(name), std::move(inputs), outs.size(), std::move(attrs), {}));
    Inferred inferred;
    if (op.infer && graph_.level == Level::core) {
      auto result = op.infer(NodeView(graph_, graph_.node(id)));
      if (!result) return trail(std::move(result.error()), "at {}", print(graph_, id));
      inferred = std::move(*result);
    }
    for (size_t i = 0; i < outs.size(); ++i) {
      ValueId value = graph_.node(id).outputs[i];
      if (i < inferred.outputs.size()) {
        TensorType& known = inferred.outputs[i];
        if (outs[i].second.dtype != DType::none && outs[i].second != known)
          return bad(fmt::format("%{} to be {}, as {} infers", outs[i].first, print(known), op.name));
        graph_.set_value_type(value, std::move(known));
      } else {
        graph_.set_value_type(value, outs[i].second);
      }
      if (i < inferred.contents.size()) graph_.set_content(value, std::move(inferred.contents[i]));
      TN_TRY(define(outs[i].first, value));
    }
    return {};
  }

  Result<Attr> attribute() {
    char c = peek();
    if (c == '"') {
      TN_ASSIGN(std::string text, quoted());
      return Attr(std::move(text));
    }
    if (c == '[') {
      TN_ASSIGN(Shape dims, shape());
      return Attr(std::move(dims));
    }
    if (c == '(') return program();
    if ((c == 'i' || c == 'f' || c == 's') && at_ + 1 < text_.size() && text_[at_ + 1] == '[') return list();
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '-' || c == '+') return scalar(until(",}\n"));
    size_t begin = at_;
    std::string name = identifier();
    if (name == "nan" || name == "inf") return scalar(name);
    if (name == "tensor") {
      Constant made;
      TN_ASSIGN(made.type, type());
      TN_ASSIGN(made.bytes, elements(made.type));
      return Attr(std::shared_ptr<const Constant>(std::make_shared<Constant>(std::move(made))));
    }
    if (auto found = dtype_from_name(name)) return Attr(*found);
    at_ = begin;
    if (name == "graph") {
      constexpr int kMostDepth = 16;
      if (depth_ >= kMostDepth) return fail(Code::limit_exceeded, "graphs lie within each other deeper than {}", kMostDepth);
      Parser inner(text_.substr(at_), find_op_, depth_ + 1);
      auto parsed = inner.graph();
      if (!parsed) return trail(std::move(parsed.error()), "in an attribute that is a graph");
      at_ += inner.at_;
      return Attr(std::make_shared<const Graph>(std::move(*parsed)));
    }
    return bad("an attribute value");
  }

  Result<Attr> scalar(const std::string& text) {
    char* end = nullptr;
    if (text.find_first_of(".enEN") == std::string::npos) {
      long long value = std::strtoll(text.c_str(), &end, 10);
      if (*end == '\0' && end != text.c_str()) return Attr(static_cast<int64_t>(value));
    } else {
      double value = std::strtod(text.c_str(), &end);
      if (*end == '\0' && end != text.c_str()) return Attr(value);
    }
    return bad("a number");
  }

  Result<Attr> list() {
    char kind = text_[at_++];
    TN_TRY(expect('['));
    std::vector<int64_t> integers;
    std::vector<double> numbers;
    std::vector<std::string> texts;
    for (bool first = true; !eat(']'); first = false) {
      if (!first) TN_TRY(expect(','));
      if (kind == 's') {
        TN_ASSIGN(std::string text, quoted());
        texts.push_back(std::move(text));
      } else {
        TN_ASSIGN(Attr element, scalar(until(",]")));
        if (const int64_t* integer = std::get_if<int64_t>(&element)) {
          integers.push_back(*integer);
          numbers.push_back(static_cast<double>(*integer));
        } else if (kind == 'f') {
          numbers.push_back(std::get<double>(element));
        } else {
          return bad("an integer");
        }
      }
    }
    if (kind == 's') return Attr(std::move(texts));
    return kind == 'i' ? Attr(std::move(integers)) : Attr(std::move(numbers));
  }

  // (f32, f32) -> add(x0, x1)
  Result<Attr> program() {
    TN_TRY(expect('('));
    std::vector<DType> types;
    while (!eat(')')) {
      if (!types.empty()) TN_TRY(expect(','));
      TN_ASSIGN(DType element, dtype());
      types.push_back(element);
    }
    TN_TRY(expect('-'));
    TN_TRY(expect('>'));
    TN_ASSIGN(Program parsed, parse_program(until(",}"), types));
    return Attr(parsed);
  }

  std::string_view text_;
  const OpDef* (*find_op_)(std::string_view);
  size_t at_ = 0;
  const int depth_;
  Graph graph_;
  std::map<std::string, ValueId> values_;
};

}  // namespace

Result<Graph> parse_graph(std::string_view text, const OpDef* (*find_op)(std::string_view name)) {
  return Parser(text, find_op).graph();
}

}  // namespace tenon
