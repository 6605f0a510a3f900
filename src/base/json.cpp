#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace tenon {
namespace {

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    size_t length = utf8_sequence(text);
    char c = text[0];
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (length == 0) {
          out += "\xef\xbf\xbd";
        } else if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += text.substr(0, length);
        }
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out += '"';
}

// The shortest text that reads back as the same number, which can be told from an integer.
void write_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::string text = fmt::format("{}", value);
  out += text;
  if (text.find_first_not_of("-0123456789") == std::string::npos) out += ".0";
}

void line_break(std::string& out, int indent, int level) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(level), ' ');
}

}  // namespace

Json::Json(std::initializer_list<Json> list) {
  bool is_pairs = std::all_of(list.begin(), list.end(), [](const Json& item) {
    return item.is_array() && item.size() == 2 && item.elements()[0].is_string();
  });
  if (is_pairs && list.size() > 0) {
    Object members;
    members.reserve(list.size());
    for (const Json& item : list) members.emplace_back(item.elements()[0].text(), item.elements()[1]);
    value_ = std::make_shared<Object>(std::move(members));
  } else {
    value_ = std::make_shared<Array>(list);
  }
}

Json Json::array() {
  Json out;
  out.value_ = std::make_shared<Array>();
  return out;
}

Json Json::object() {
  Json out;
  out.value_ = std::make_shared<Object>();
  return out;
}

size_t Json::size() const { return is_array() ? elements().size() : is_object() ? items().size() : 0; }

Json::Array& Json::own_array() {
  if (!is_array()) value_ = std::make_shared<Array>();
  auto& shared = std::get<std::shared_ptr<Array>>(value_);
  if (shared.use_count() > 1) shared = std::make_shared<Array>(*shared);
  return *shared;
}

Json::Object& Json::own_object() {
  if (!is_object()) value_ = std::make_shared<Object>();
  auto& shared = std::get<std::shared_ptr<Object>>(value_);
  if (shared.use_count() > 1) shared = std::make_shared<Object>(*shared);
  return *shared;
}

Json& Json::operator[](std::string_view key) {
  Object& members = own_object();
  for (auto& [name, value] : members)
    if (name == key) return value;
  return members.emplace_back(std::string(key), Json()).second;
}

void Json::push_back(Json value) { own_array().push_back(std::move(value)); }

void Json::update(const Json& other) {
  if (!other.is_object()) return;
  for (const auto& [key, value] : other.items()) (*this)[key] = value;
}

void Json::write(std::string& out, int indent, int level) const {
  struct Writer {
    std::string& out;
    int indent, level;
    void operator()(std::monostate) const { out += "null"; }
    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(int64_t value) const { fmt::format_to(std::back_inserter(out), "{}", value); }
    void operator()(uint64_t value) const { fmt::format_to(std::back_inserter(out), "{}", value); }
    void operator()(double value) const { write_number(out, value); }
    void operator()(const Text& value) const { write_string(out, *value); }
    void operator()(const std::shared_ptr<Array>& array) const {
      out += '[';
      for (const Json& item : *array) {
        if (&item != array->data()) out += ',';
        line_break(out, indent, level + 1);
        item.write(out, indent, level + 1);
      }
      if (!array->empty()) line_break(out, indent, level);
      out += ']';
    }
    void operator()(const std::shared_ptr<Object>& object) const {
      out += '{';
      for (const auto& member : *object) {
        if (&member != object->data()) out += ',';
        line_break(out, indent, level + 1);
        write_string(out, member.first);
        out += indent < 0 ? ":" : ": ";
        member.second.write(out, indent, level + 1);
      }
      if (!object->empty()) line_break(out, indent, level);
      out += '}';
    }
  };
  std::visit(Writer{out, indent, level}, value_);
}

std::string Json::dump(int indent) const {
  std::string out;
  write(out, indent, 0);
  return out;
}

double Json::number() const {
  if (const int64_t* i = std::get_if<int64_t>(&value_)) return static_cast<double>(*i);
  if (const uint64_t* u = std::get_if<uint64_t>(&value_)) return static_cast<double>(*u);
  return std::get<double>(value_);
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : items())
    if (name == key) return &value;
  return nullptr;
}

namespace {

// Recursive descent, RFC 8259.
class Parser {
 public:
  explicit Parser(std::string_view text) : begin_(text.data()), rest_(text) {}

  Result<Json> run() {
    TN_ASSIGN(Json value, parse_value(0));
    skip_space();
    if (!rest_.empty()) return wrong("the end");
    return value;
  }

 private:
  tl::unexpected<Error> wrong(std::string_view expected) const {
    return fail(Code::invalid_argument, "JSON, byte {}: expected {}", rest_.data() - begin_, expected);
  }
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  Result<Json> parse_value(int depth) {
    if (depth > kMaxJsonDepth) return wrong(fmt::format("no more than {} levels", kMaxJsonDepth));
    skip_space();
    if (take("{")) return parse_object(depth);
    if (take("[")) return parse_array(depth);
    if (rest_.starts_with('"')) {
      TN_ASSIGN(std::string text, parse_string());
      return Json(std::move(text));
    }
    if (take("true")) return Json(true);
    if (take("false")) return Json(false);
    if (take("null")) return Json();
    return parse_number();
  }

  Result<Json> parse_object(int depth) {
    Json out = Json::object();
    for (bool first = true;; first = false) {
      skip_space();
      if (take("}")) return out;
      if (!first && !take(",")) return wrong("',' or '}'");
      skip_space();
      TN_ASSIGN(std::string key, parse_string());
      skip_space();
      if (!take(":")) return wrong("':'");
      TN_ASSIGN(Json value, parse_value(depth + 1));
      if (!out.find(key)) out[key] = std::move(value);
    }
  }

  Result<Json> parse_array(int depth) {
    Json out = Json::array();
    for (bool first = true;; first = false) {
      skip_space();
      if (take("]")) return out;
      if (!first && !take(",")) return wrong("',' or ']'");
      TN_ASSIGN(Json value, parse_value(depth + 1));
      out.push_back(std::move(value));
    }
  }

  Result<Json> parse_number() {
    static constexpr std::string_view kCharacters = "+-0123456789.eE";
    const std::string_view digits = rest_.substr(0, rest_.find_first_not_of(kCharacters));
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return wrong("a value");
    rest_.remove_prefix(digits.size());
    return Json(value);
  }

  Result<uint32_t> parse_hex() {
    uint32_t value = 0;
    const std::string_view digits = rest_.substr(0, 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() < 4 || error != std::errc() || end != digits.data() + 4) return wrong("four hexadecimal digits");
    rest_.remove_prefix(4);
    return value;
  }

  Result<std::string> parse_string() {
    if (!take("\"")) return wrong("a string");
    std::string out;
    while (!take("\"")) {
      if (rest_.empty() || static_cast<unsigned char>(rest_[0]) < 0x20) return wrong("the end of the string");
      if (!take("\\")) {
        out += rest_[0];
        rest_.remove_prefix(1);
        continue;
      }
      static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
      const size_t escape = rest_.empty() ? kEscapes.npos : kEscapes.find(rest_[0]);
      if (escape != kEscapes.npos) {
        out += kMeant[escape];
        rest_.remove_prefix(1);
      } else if (take("u")) {
        TN_ASSIGN(uint32_t point, parse_hex());
        if (point >= 0xD800 && point < 0xDC00 && take("\\u")) {
          TN_ASSIGN(uint32_t low, parse_hex());
          if (low < 0xDC00 || low > 0xDFFF) return wrong("the second half of a surrogate pair");
          point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        }
        if (point >= 0xD800 && point <= 0xDFFF) return wrong("a surrogate pair");
        append_utf8(out, point);
      } else {
        return wrong("an escape");
      }
    }
    return valid_utf8(out);
  }

  static void append_utf8(std::string& out, uint32_t point) {
    auto tail = [&](int shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
    if (point < 0x80) return void(out += static_cast<char>(point));
    if (point < 0x800) return out += static_cast<char>(0xC0 | point >> 6), tail(0);
    if (point < 0x10000) return out += static_cast<char>(0xE0 | point >> 12), tail(6), tail(0);
    out += static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0);
  }

  const char* begin_;
  std::string_view rest_;
};

}  // namespace

Result<Json> parse_json(std::string_view text) { return Parser(text).run(); }

}  // namespace tenon
