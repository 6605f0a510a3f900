// JSON documents that the library writes, and reads. Unlike a general JSON library's, a document can be made and
// destroyed where memory runs out: nothing but construction allocates.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace tenon {

// A value; an object keeps its keys in the order in which they were added. Copies share their elements until
// one of them is changed.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(bool value) : value_(value) {}  // NOLINT: values convert
  template <std::signed_integral T>
  Json(T value) : value_(static_cast<int64_t>(value)) {}  // NOLINT
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Json(T value) : value_(static_cast<uint64_t>(value)) {}    // NOLINT
  Json(double value) : value_(value) {}                                                       // NOLINT
  Json(std::string value) : value_(std::make_shared<const std::string>(std::move(value))) {}  // NOLINT
  Json(std::string_view value) : Json(std::string(value)) {}                                  // NOLINT
  Json(const char* value) : Json(std::string(value)) {}                                       // NOLINT
  template <class T>
  Json(const std::vector<T>& values) : Json(array()) {  // NOLINT
    for (const T& value : values) push_back(value);
  }
  // {{"key", value}, …} is an object, every other list an array.
  Json(std::initializer_list<Json> list);

  static Json array();
  static Json object();

  bool is_string() const { return std::holds_alternative<Text>(value_); }
  bool is_array() const { return std::holds_alternative<std::shared_ptr<Array>>(value_); }
  bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(value_); }
  bool is_number() const {
    return std::holds_alternative<int64_t>(value_) || std::holds_alternative<uint64_t>(value_) ||
           std::holds_alternative<double>(value_);
  }
  bool is_structured() const { return is_array() || is_object(); }
  // Of an array or object; else 0.
  size_t size() const;
  bool empty() const { return size() == 0; }
  // Only when is_string(), is_array(), is_object().
  const std::string& text() const { return *std::get<Text>(value_); }
  const Array& elements() const { return *std::get<std::shared_ptr<Array>>(value_); }
  const Object& items() const { return *std::get<std::shared_ptr<Object>>(value_); }
  // Only when is_number().
  double number() const;
  // A member of an object; null where this is none, or has no such member.
  const Json* find(std::string_view key) const;

  // The member of an object, which is added if it is not there; null becomes an object first.
  Json& operator[](std::string_view key);
  // Null becomes an array first.
  void push_back(Json value);
  // Sets the members that the other object has.
  void update(const Json& other);

  // Text in UTF-8, whatever the bytes of the strings; with line breaks and `indent` spaces per level, or in
  // one line for a negative indent.
  std::string dump(int indent = -1) const;

 private:
  using Text = std::shared_ptr<const std::string>;
  Array& own_array();
  Object& own_object();
  void write(std::string& out, int indent, int level) const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, Text, std::shared_ptr<Array>,
               std::shared_ptr<Object>>
      value_;
};

// Reads a document of anybody's: one value, nested at most kMaxJsonDepth deep. Numbers become doubles; of keys given twice
// the first holds. A failure names the byte.
inline constexpr int kMaxJsonDepth = 64;
Result<Json> parse_json(std::string_view text);

}  // namespace tenon
