// The type of a value, attributes of nodes, constants.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/format.h"
#include "base/program.h"
#include "ir/dim.h"

namespace tenon {

struct TensorType {
  DType dtype = DType::none;
  Shape shape;
  Format format;

  size_t rank() const { return shape.size(); }
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

std::string print(const TensorType& type);  // "f32[N,64,56,56] c16"

// Bytes of a constant and whoever keeps them alive (a mapped model file, a vector, a caller's buffer).
struct Bytes {
  std::span<const std::byte> view;
  std::shared_ptr<const void> owner;

  static Bytes copy(std::span<const std::byte> bytes);
  static Bytes take(std::vector<std::byte> bytes);
};

// A constant tensor of a graph. Identity matters: two weights with equal bytes stay two weights (a refit may give
// them different ones).
struct Constant {
  TensorType type;        // constant shape, linear
  Bytes bytes;            // empty in a filetest's `weight` without data: values unknown
  // The name under which the user can refit it (the initialiser's); empty: made by a pass or an exporter's literal.
  std::string refit_name;
};

class Graph;
using GraphPtr = std::shared_ptr<const Graph>;

// A program as an attribute: by itself it would make every attribute as large as it is.
class ProgramAttr {
 public:
  ProgramAttr(const Program& program) : program_(std::make_shared<const Program>(program)) {}
  operator const Program&() const { return *program_; }
  friend bool operator==(const ProgramAttr& a, const ProgramAttr& b) { return *a.program_ == *b.program_; }

 private:
  std::shared_ptr<const Program> program_;  // never null
};

using Attr = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                          std::vector<std::string>, Shape, DType, ProgramAttr, std::shared_ptr<const Constant>, GraphPtr>;

// A node's attributes by name, in order of name. An attribute that equals its OpDef's default may be absent.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Attr>> list) : map_(list) {}

  bool has(std::string_view name) const { return map_.find(name) != map_.end(); }
  const Attr* find(std::string_view name) const {
    auto it = map_.find(name);
    return it == map_.end() ? nullptr : &it->second;
  }
  void set(std::string name, Attr value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  void erase(std::string_view name) {
    if (auto it = map_.find(name); it != map_.end()) map_.erase(it);
  }

  // The value, or `fallback` when the attribute is absent or of another kind (verify has refused wrong kinds).
  template <class T>
  T get(std::string_view name, T fallback = {}) const {
    const Attr* attr = find(name);
    if (const T* value = attr ? std::get_if<T>(attr) : nullptr) return *value;
    return fallback;
  }
  int64_t integer(std::string_view name, int64_t fallback = 0) const { return get<int64_t>(name, fallback); }
  double number(std::string_view name, double fallback = 0) const { return get<double>(name, fallback); }
  std::string text(std::string_view name, std::string fallback = {}) const {
    return get<std::string>(name, std::move(fallback));
  }
  std::vector<int64_t> integers(std::string_view name) const { return get<std::vector<int64_t>>(name); }
  Shape shape(std::string_view name) const { return get<Shape>(name); }
  Program program(std::string_view name) const {
    const Attr* attr = find(name);
    if (const auto* value = attr ? std::get_if<ProgramAttr>(attr) : nullptr) return *value;
    return {};
  }

  auto begin() const { return map_.begin(); }
  auto end() const { return map_.end(); }
  size_t size() const { return map_.size(); }
  friend bool operator==(const Attrs&, const Attrs&) = default;

 private:
  std::map<std::string, Attr, std::less<>> map_;
};

}  // namespace tenon
