#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
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

}  // namespace tenon
