// Dims: constants or expressions over named symbols.
//
// A dim is kept in a canonical form, a polynomial with integer coefficients over atoms; an atom is a symbol or an
// operation that a polynomial cannot express (floordiv, mod, max, min, broadcast). Two dims that are equal in that
// form are equal for every value of the symbols.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tenon {

class Dim {
 public:
  enum class Op : uint8_t { symbol, floordiv, ceildiv, mod, max, min, broadcast };
  struct Atom;
  using AtomPtr = std::shared_ptr<const Atom>;
  struct Term {
    int64_t factor = 0;
    std::vector<AtomPtr> atoms;  // sorted by key
  };

  Dim() = default;
  Dim(int64_t value) : constant_(value) {}  // NOLINT: a number is a dim
  static Dim symbol(std::string_view name);

  bool is_constant() const { return terms_.empty(); }
  // Only when is_constant().
  int64_t value() const { return constant_; }
  bool is(int64_t value) const { return terms_.empty() && constant_ == value; }
  // The symbol's name when the dim is exactly one symbol, else empty.
  std::string_view symbol_name() const;

  int64_t constant_part() const { return constant_; }
  const std::vector<Term>& terms() const { return terms_; }

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b);

  std::string text() const;

 private:
  friend Dim make_dim(int64_t constant, std::vector<Term> terms);
  int64_t constant_ = 0;
  std::vector<Term> terms_;  // sorted; no factor is 0
};

struct Dim::Atom {
  Op op;
  std::string name;        // of a symbol
  std::vector<Dim> args;   // two for the divisions, two or more, sorted, for max, min, broadcast
  std::string key;         // text, for order and equality
};

// Rounds towards minus infinity (plus for ceildiv). Exact polynomial quotients are found: floordiv(a*b*6, b*2) is
// a*3 (a dim is never divided by something that is 0 at run time: evaluation fails).
Dim floordiv(const Dim& a, const Dim& b);
Dim ceildiv(const Dim& a, const Dim& b);
Dim mod(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);
Dim min(const Dim& a, const Dim& b);
// The dim of two operands under ONNX's multidirectional broadcasting: they are equal, or one of them is 1; which of
// it holds may be known at run time only (evaluation fails when neither does). Constants other than 1 decide at
// once; constants that disagree give nullopt.
std::optional<Dim> broadcast(const Dim& a, const Dim& b);

// Value of a dim for given symbols. Fails on overflow, division by zero, an impossible broadcast, a symbol that
// `value_of` does not know (nullopt).
Result<int64_t> evaluate(const Dim& dim, const std::function<std::optional<int64_t>(std::string_view)>& value_of);

struct Interval { int64_t low, high; };
// Bounds of a dim for symbols within intervals: sound, not always tight.
Result<Interval> bounds(const Dim& dim, const std::function<std::optional<Interval>(std::string_view)>& range_of);

// "N", "2*N + 1", "floordiv(N, 2)", "broadcast(N, M)".
Result<Dim> parse_dim(std::string_view text);

// Every symbol in the dim, in order of appearance, each once, appended to `names`.
void collect_symbols(const Dim& dim, std::vector<std::string>& names);

using Shape = std::vector<Dim>;
std::string print(const Shape& shape);  // "[N,3,224,224]"
// The product of all dims; 1 for rank 0.
Dim element_count(const Shape& shape);
std::optional<std::vector<int64_t>> constant_shape(const Shape& shape);

}  // namespace tenon
