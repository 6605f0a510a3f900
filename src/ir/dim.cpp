#include "ir/dim.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/checked.h"
#include "base/limits.h"

namespace tenon {
namespace {

std::string key_of(const std::vector<Dim::AtomPtr>& atoms) {
  std::string key;
  for (const Dim::AtomPtr& atom : atoms) key += (key.empty() ? "" : "*") + atom->key;
  return key;
}

const char* function_name(Dim::Op op) {
  switch (op) {
    case Dim::Op::floordiv: return "floordiv";
    case Dim::Op::ceildiv: return "ceildiv";
    case Dim::Op::mod: return "mod";
    case Dim::Op::max: return "max";
    case Dim::Op::min: return "min";
    case Dim::Op::broadcast: return "broadcast";
    case Dim::Op::symbol: break;
  }
  return "";
}

}  // namespace

namespace {

// A dim that overflows saturates: no tensor is that large, and every limit check refuses it later.
int64_t saturating_add(int64_t a, int64_t b) {
  int64_t out;
  return __builtin_add_overflow(a, b, &out) ? (a < 0 ? INT64_MIN + 1 : INT64_MAX) : out;
}

int64_t saturating_mul(int64_t a, int64_t b) {
  int64_t out;
  return __builtin_mul_overflow(a, b, &out) ? ((a < 0) != (b < 0) ? INT64_MIN + 1 : INT64_MAX) : out;
}

}  // namespace

Dim make_dim(int64_t constant, std::vector<Dim::Term> terms) {
  std::sort(terms.begin(), terms.end(),
            [](const Dim::Term& a, const Dim::Term& b) { return key_of(a.atoms) < key_of(b.atoms); });
  Dim out;
  out.constant_ = constant;
  for (Dim::Term& term : terms) {
    if (!out.terms_.empty() && key_of(out.terms_.back().atoms) == key_of(term.atoms))
      out.terms_.back().factor = saturating_add(out.terms_.back().factor, term.factor);
    else
      out.terms_.push_back(std::move(term));
  }
  std::erase_if(out.terms_, [](const Dim::Term& term) { return term.factor == 0; });
  return out;
}

namespace {

Dim atom_dim(Dim::Op op, std::vector<Dim> args) {
  std::string key = function_name(op);
  key += '(';
  for (size_t i = 0; i < args.size(); ++i) key += (i ? ", " : "") + args[i].text();
  key += ')';
  auto atom = std::make_shared<Dim::Atom>(Dim::Atom{op, {}, std::move(args), std::move(key)});
  return make_dim(0, {Dim::Term{1, {atom}}});
}

// Of two args of max or min that differ by a constant, one never counts.
void drop_dominated(Dim::Op op, std::vector<Dim>& args) {
  if (op != Dim::Op::max && op != Dim::Op::min) return;
  for (size_t i = 0; i < args.size(); ++i)
    for (size_t j = 0; j < args.size(); ++j) {
      Dim difference = args[i] - args[j];
      if (i == j || !difference.is_constant()) continue;
      if ((op == Dim::Op::max) == (difference.value() < 0)) {
        args.erase(args.begin() + static_cast<int64_t>(i));
        --i;
        break;
      }
    }
}

// Args of nested atoms of the same op are spliced in; sorted, each once. Constants are folded by `fold`.
Dim nary(Dim::Op op, const Dim& a, const Dim& b, int64_t (*fold)(int64_t, int64_t)) {
  std::vector<Dim> args;
  auto take = [&](const Dim& dim) {
    if (!dim.is_constant() && dim.constant_part() == 0 && dim.terms().size() == 1 && dim.terms()[0].factor == 1 &&
        dim.terms()[0].atoms.size() == 1 && dim.terms()[0].atoms[0]->op == op)
      args.insert(args.end(), dim.terms()[0].atoms[0]->args.begin(), dim.terms()[0].atoms[0]->args.end());
    else
      args.push_back(dim);
  };
  take(a);
  take(b);
  std::optional<int64_t> constant;
  std::vector<Dim> rest;
  for (const Dim& dim : args) {
    if (dim.is_constant())
      constant = constant ? fold(*constant, dim.value()) : dim.value();
    else if (std::find(rest.begin(), rest.end(), dim) == rest.end())
      rest.push_back(dim);
  }
  if (rest.empty()) return Dim(*constant);
  drop_dominated(op, rest);
  std::sort(rest.begin(), rest.end(), [](const Dim& x, const Dim& y) { return x.text() < y.text(); });
  if (constant) rest.push_back(Dim(*constant));
  if (rest.size() == 1) return rest[0];
  return atom_dim(op, std::move(rest));
}

// a / b when b is one term (or a constant) that divides every term of a exactly.
std::optional<Dim> exact_quotient(const Dim& a, const Dim& b) {
  if (a == b) return Dim(1);
  int64_t divisor;
  std::vector<Dim::AtomPtr> atoms;
  if (b.is_constant()) {
    divisor = b.value();
  } else {
    if (b.constant_part() != 0 || b.terms().size() != 1) return std::nullopt;
    divisor = b.terms()[0].factor;
    atoms = b.terms()[0].atoms;
    if (a.constant_part() != 0) return std::nullopt;
  }
  if (divisor == 0 || a.constant_part() % divisor != 0) return std::nullopt;
  std::vector<Dim::Term> terms;
  for (const Dim::Term& term : a.terms()) {
    if (term.factor % divisor != 0) return std::nullopt;
    Dim::Term quotient{term.factor / divisor, term.atoms};
    for (const Dim::AtomPtr& atom : atoms) {
      auto found = std::find_if(quotient.atoms.begin(), quotient.atoms.end(),
                                [&](const Dim::AtomPtr& other) { return other->key == atom->key; });
      if (found == quotient.atoms.end()) return std::nullopt;
      quotient.atoms.erase(found);
    }
    terms.push_back(std::move(quotient));
  }
  int64_t constant = b.is_constant() ? a.constant_part() / divisor : 0;
  for (auto term = terms.begin(); term != terms.end();) {
    if (term->atoms.empty()) {
      constant = saturating_add(constant, term->factor);
      term = terms.erase(term);
    } else {
      ++term;
    }
  }
  return make_dim(constant, std::move(terms));
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  auto atom = std::make_shared<Atom>(Atom{Op::symbol, std::string(name), {}, std::string(name)});
  return make_dim(0, {Term{1, {atom}}});
}

std::string_view Dim::symbol_name() const {
  if (constant_ != 0 || terms_.size() != 1 || terms_[0].factor != 1 || terms_[0].atoms.size() != 1) return {};
  const Atom& atom = *terms_[0].atoms[0];
  return atom.op == Op::symbol ? std::string_view(atom.name) : std::string_view();
}

Dim operator+(const Dim& a, const Dim& b) {
  std::vector<Dim::Term> terms = a.terms();
  terms.insert(terms.end(), b.terms().begin(), b.terms().end());
  return make_dim(saturating_add(a.constant_part(), b.constant_part()), std::move(terms));
}

Dim operator*(const Dim& a, const Dim& b) {
  std::vector<Dim::Term> terms;
  auto scaled = [&](const Dim& dim, int64_t factor) {
    for (const Dim::Term& term : dim.terms())
      if (factor != 0) terms.push_back({saturating_mul(term.factor, factor), term.atoms});
  };
  scaled(a, b.constant_part());
  scaled(b, a.constant_part());
  for (const Dim::Term& x : a.terms())
    for (const Dim::Term& y : b.terms()) {
      Dim::Term product{saturating_mul(x.factor, y.factor), x.atoms};
      product.atoms.insert(product.atoms.end(), y.atoms.begin(), y.atoms.end());
      std::sort(product.atoms.begin(), product.atoms.end(),
                [](const Dim::AtomPtr& p, const Dim::AtomPtr& q) { return p->key < q->key; });
      terms.push_back(std::move(product));
    }
  return make_dim(saturating_mul(a.constant_part(), b.constant_part()), std::move(terms));
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

bool operator==(const Dim& a, const Dim& b) {
  if (a.constant_ != b.constant_ || a.terms_.size() != b.terms_.size()) return false;
  for (size_t i = 0; i < a.terms_.size(); ++i)
    if (a.terms_[i].factor != b.terms_[i].factor || key_of(a.terms_[i].atoms) != key_of(b.terms_[i].atoms))
      return false;
  return true;
}

std::string Dim::text() const {
  std::string out;
  for (const Term& term : terms_) {
    if (!out.empty()) out += term.factor < 0 ? " - " : " + ";
    else if (term.factor < 0) out += "-";
    int64_t size = term.factor < 0 ? -term.factor : term.factor;
    if (size != 1) out += std::to_string(size) + "*";
    out += key_of(term.atoms);
  }
  if (terms_.empty()) return std::to_string(constant_);
  if (constant_ != 0) out += (constant_ < 0 ? " - " : " + ") + std::to_string(std::abs(constant_));
  return out;
}

Dim floordiv(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && b.value() != 0) return Dim(floor_div(a.value(), b.value()));
  if (b.is(1)) return a;
  if (auto quotient = exact_quotient(a, b)) return *quotient;
  return atom_dim(Dim::Op::floordiv, {a, b});
}

Dim ceildiv(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && b.value() != 0) return Dim(ceil_div(a.value(), b.value()));
  if (b.is(1)) return a;
  if (auto quotient = exact_quotient(a, b)) return *quotient;
  return atom_dim(Dim::Op::ceildiv, {a, b});
}

Dim mod(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && b.value() != 0)
    return Dim(a.value() - floor_div(a.value(), b.value()) * b.value());
  if (b.is(1) || a == b) return Dim(0);
  return atom_dim(Dim::Op::mod, {a, b});
}

Dim max(const Dim& a, const Dim& b) {
  // Two dims that differ by a constant are ordered, whatever the symbols.
  if (Dim difference = a - b; difference.is_constant()) return difference.value() >= 0 ? a : b;
  return nary(Dim::Op::max, a, b, [](int64_t x, int64_t y) { return std::max(x, y); });
}

Dim min(const Dim& a, const Dim& b) {
  if (Dim difference = a - b; difference.is_constant()) return difference.value() <= 0 ? a : b;
  return nary(Dim::Op::min, a, b, [](int64_t x, int64_t y) { return std::min(x, y); });
}

namespace {

// a is min(b, c) with a constant c above 1: the two can be broadcast only where they are equal, and then to b.
bool is_clipped(const Dim& a, const Dim& b) {
  if (a.constant_part() != 0 || a.terms().size() != 1 || a.terms()[0].factor != 1 || a.terms()[0].atoms.size() != 1)
    return false;
  const Dim::Atom& atom = *a.terms()[0].atoms[0];
  return atom.op == Dim::Op::min && atom.args.size() == 2 && atom.args[0] == b && atom.args[1].is_constant() &&
         atom.args[1].value() > 1;
}

}  // namespace

std::optional<Dim> broadcast(const Dim& a, const Dim& b) {
  if (a == b || b.is(1)) return a;
  if (a.is(1)) return b;
  if (is_clipped(a, b)) return b;
  if (is_clipped(b, a)) return a;
  if (a.is_constant() && b.is_constant()) return std::nullopt;
  // A constant other than 1 can only be the result.
  if (a.is_constant()) return a;
  if (b.is_constant()) return b;
  return nary(Dim::Op::broadcast, a, b, [](int64_t x, int64_t) { return x; });
}

namespace {

Result<int64_t> combine(Dim::Op op, int64_t a, int64_t b) {
  switch (op) {
    case Dim::Op::floordiv:
    case Dim::Op::ceildiv:
    case Dim::Op::mod:
      if (b == 0 || (b == -1 && a == INT64_MIN)) return fail(Code::out_of_range, "a dim is divided by {}", b);
      if (op == Dim::Op::floordiv) return floor_div(a, b);
      if (op == Dim::Op::ceildiv) return ceil_div(a, b);
      return a - floor_div(a, b) * b;
    case Dim::Op::max: return std::max(a, b);
    case Dim::Op::min: return std::min(a, b);
    case Dim::Op::broadcast:
      if (a == b || b == 1) return a;
      if (a == 1) return b;
      return fail(Code::out_of_range, "dims {} and {} do not broadcast", a, b);
    case Dim::Op::symbol: break;
  }
  return fail(Code::internal, "not a dim operation");
}

}  // namespace

Result<int64_t> evaluate(const Dim& dim, const std::function<std::optional<int64_t>(std::string_view)>& value_of) {
  int64_t sum = dim.constant_part();
  for (const Dim::Term& term : dim.terms()) {
    std::optional<int64_t> product = term.factor;
    for (const Dim::AtomPtr& atom : term.atoms) {
      int64_t value;
      if (atom->op == Dim::Op::symbol) {
        auto known = value_of(atom->name);
        if (!known) return fail(Code::internal, "symbol {} has no value", atom->name);
        value = *known;
      } else {
        TN_ASSIGN(value, evaluate(atom->args[0], value_of));
        for (size_t i = 1; i < atom->args.size(); ++i) {
          TN_ASSIGN(int64_t next, evaluate(atom->args[i], value_of));
          TN_ASSIGN(value, combine(atom->op, value, next));
        }
      }
      product = checked_mul(*product, value);
      if (!product) return fail(Code::out_of_range, "dim {} overflows", dim.text());
    }
    auto total = checked_add(sum, *product);
    if (!total) return fail(Code::out_of_range, "dim {} overflows", dim.text());
    sum = *total;
  }
  return sum;
}

namespace {

// Products and sums of bounds saturate: a bound that does not fit is still a bound.
int64_t saturated(__int128 value) {
  if (value > INT64_MAX) return INT64_MAX;
  if (value < INT64_MIN) return INT64_MIN;
  return static_cast<int64_t>(value);
}

Interval product(Interval a, Interval b) {
  __int128 corner[4] = {static_cast<__int128>(a.low) * b.low, static_cast<__int128>(a.low) * b.high,
                        static_cast<__int128>(a.high) * b.low, static_cast<__int128>(a.high) * b.high};
  return {saturated(*std::min_element(corner, corner + 4)), saturated(*std::max_element(corner, corner + 4))};
}

Result<Interval> combine(Dim::Op op, Interval a, Interval b) {
  switch (op) {
    case Dim::Op::floordiv:
    case Dim::Op::ceildiv: {
      if (b.low <= 0) return Interval{std::min(-a.high, a.low), std::max(a.high, -a.low)};
      auto divide = op == Dim::Op::floordiv ? floor_div : ceil_div;
      return Interval{std::min(divide(a.low, b.low), divide(a.low, b.high)),
                      std::max(divide(a.high, b.low), divide(a.high, b.high))};
    }
    case Dim::Op::mod: return Interval{std::min<int64_t>(b.low + 1, 0), std::max<int64_t>(b.high - 1, 0)};
    case Dim::Op::max: return Interval{std::max(a.low, b.low), std::max(a.high, b.high)};
    case Dim::Op::min: return Interval{std::min(a.low, b.low), std::min(a.high, b.high)};
    case Dim::Op::broadcast:
      // Equal, or one is 1: the result is never above the larger, nor below the smaller.
      return Interval{std::min(a.low, b.low), std::max(a.high, b.high)};
    case Dim::Op::symbol: break;
  }
  return fail(Code::internal, "not a dim operation");
}

}  // namespace

Result<Interval> bounds(const Dim& dim, const std::function<std::optional<Interval>(std::string_view)>& range_of) {
  Interval sum{dim.constant_part(), dim.constant_part()};
  for (const Dim::Term& term : dim.terms()) {
    Interval whole{term.factor, term.factor};
    for (const Dim::AtomPtr& atom : term.atoms) {
      Interval value;
      if (atom->op == Dim::Op::symbol) {
        auto known = range_of(atom->name);
        if (!known) return fail(Code::internal, "symbol {} has no range", atom->name);
        value = *known;
      } else {
        TN_ASSIGN(value, bounds(atom->args[0], range_of));
        for (size_t i = 1; i < atom->args.size(); ++i) {
          TN_ASSIGN(Interval next, bounds(atom->args[i], range_of));
          TN_ASSIGN(value, combine(atom->op, value, next));
        }
      }
      whole = product(whole, value);
    }
    sum = {saturated(static_cast<__int128>(sum.low) + whole.low),
           saturated(static_cast<__int128>(sum.high) + whole.high)};
  }
  return sum;
}

namespace {

class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Result<Dim> parse() {
    TN_ASSIGN(Dim dim, sum(0));
    space();
    if (at_ != text_.size()) return fail(Code::invalid_argument, "'{}': text after a dim", text_);
    return dim;
  }

 private:
  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool eat(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<Dim> sum(int depth) {
    Dim total;
    bool negative = eat('-');
    for (;;) {
      TN_ASSIGN(Dim term, product(depth));
      total = negative ? total - term : total + term;
      if (eat('+')) negative = false;
      else if (eat('-')) negative = true;
      else return total;
    }
  }

  Result<Dim> product(int depth) {
    TN_ASSIGN(Dim total, atom(depth));
    while (eat('*')) {
      TN_ASSIGN(Dim factor, atom(depth));
      total = total * factor;
    }
    return total;
  }

  Result<Dim> atom(int depth) {
    space();
    if (depth > 32) return fail(Code::limit_exceeded, "a dim is nested deeper than 32");
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' ||
                                  text_[at_] == '.' || text_[at_] == '$'))
      ++at_;
    std::string_view word = text_.substr(begin, at_ - begin);
    if (word.empty()) return fail(Code::invalid_argument, "'{}': a dim is expected at {}", text_, begin);
    if (std::isdigit(static_cast<unsigned char>(word[0]))) {
      int64_t value = 0;
      auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
      if (error != std::errc() || end != word.data() + word.size())
        return fail(Code::invalid_argument, "'{}' is not a number", word);
      return Dim(value);
    }
    if (!eat('(')) return Dim::symbol(word);
    TN_ASSIGN(Dim value, sum(depth + 1));
    while (eat(',')) {
      TN_ASSIGN(Dim next, sum(depth + 1));
      TN_ASSIGN(value, apply(word, value, next));
    }
    if (!eat(')')) return fail(Code::invalid_argument, "'{}': ')' is expected at {}", text_, at_);
    return value;
  }

  static Result<Dim> apply(std::string_view name, const Dim& a, const Dim& b) {
    if (name == "floordiv") return floordiv(a, b);
    if (name == "ceildiv") return ceildiv(a, b);
    if (name == "mod") return mod(a, b);
    if (name == "max") return max(a, b);
    if (name == "min") return min(a, b);
    if (name == "broadcast") {
      if (auto dim = broadcast(a, b)) return *dim;
      return fail(Code::invalid_argument, "{} and {} do not broadcast", a.text(), b.text());
    }
    return fail(Code::invalid_argument, "'{}' is no dim function", name);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Dim> parse_dim(std::string_view text) { return DimParser(text).parse(); }

void collect_symbols(const Dim& dim, std::vector<std::string>& names) {
  for (const Dim::Term& term : dim.terms())
    for (const Dim::AtomPtr& atom : term.atoms) {
      if (atom->op == Dim::Op::symbol) {
        if (std::find(names.begin(), names.end(), atom->name) == names.end()) names.push_back(atom->name);
      } else {
        for (const Dim& arg : atom->args) collect_symbols(arg, names);
      }
    }
}

std::string print(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? "," : "") + shape[i].text();
  return out + "]";
}

Dim element_count(const Shape& shape) {
  Dim count(1);
  for (const Dim& dim : shape) count = count * dim;
  return count;
}

std::optional<std::vector<int64_t>> constant_shape(const Shape& shape) {
  std::vector<int64_t> out;
  for (const Dim& dim : shape) {
    if (!dim.is_constant()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

}  // namespace tenon
