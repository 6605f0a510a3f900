#include "ops/content.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/checked.h"
#include "base/half.h"
#include "base/narrow.h"
#include "ir/found.h"
#include "ops/ops.h"

namespace tenon {
namespace {

bool holds_integers(DType type) { return is_integer(type) || type == DType::boolean; }

int64_t read_integer(DType type, const std::byte* at) {
  auto read = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return static_cast<int64_t>(value);
  };
  switch (type) {
    case DType::i8: return read(int8_t{});
    case DType::u8:
    case DType::boolean: return read(uint8_t{});
    case DType::i16: return read(int16_t{});
    case DType::u16: return read(uint16_t{});
    case DType::i32: return read(int32_t{});
    case DType::u32: return read(uint32_t{});
    default: return read(int64_t{});
  }
}

Result<double> read_number(DType type, const std::byte* at) {
  auto read = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  if (holds_integers(type)) return static_cast<double>(read_integer(type, at));
  if (narrow_bits(type) < 8 && type != DType::f4e2m1) return narrow_to_int(type, read(uint8_t{}));
  switch (type) {
    case DType::f32: return read(float{});
    case DType::f64: return read(double{});
    case DType::f16: return half_to_float(read(uint16_t{}));
    case DType::bf16: return bfloat_to_float(read(uint16_t{}));
    default: return fail(Code::unsupported, "elements of {} are not read at build time", name_of(type));
  }
}

std::optional<std::vector<int64_t>> read_integers(DType type, std::span<const std::byte> bytes, int64_t count) {
  size_t size = size_of(type);
  if (!holds_integers(type) || count < 0 || bytes.size() / size < static_cast<size_t>(count)) return std::nullopt;
  std::vector<int64_t> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) out[i] = read_integer(type, bytes.data() + i * size);
  return out;
}

// The number of elements of a constant whose content is followed, else nullopt.
std::optional<int64_t> followed_count(const TensorType& type) {
  if (!holds_integers(type.dtype) || type.rank() > 1) return std::nullopt;
  Dim count = element_count(type.shape);
  if (!count.is_constant() || count.value() < 0 || count.value() > kMaxContent) return std::nullopt;
  return count.value();
}

Status pin_sources(Graph& graph, ValueId id, std::string_view reason, std::set<ValueId>& seen) {
  if (!id.valid() || !seen.insert(id).second) return {};
  const Value& value = graph.value(id);
  if (value.constant) {
    if (!value.constant->refit_name.empty()) TN_TRY(graph.pin(id, reason));
    return {};
  }
  if (!value.producer.valid()) return {};
  // A node whose result is a shape value has shape values (or values that are not read) as operands.
  // Floats lead to integers too (content_by_floats).
  std::vector<ValueId> inputs = graph.node(value.producer).inputs;
  for (ValueId input : inputs)
    if (input.valid() && (content_of(graph, input) || (is_float(graph.value(input).type.dtype) && graph.value(input).type.rank() <= 1)))
      TN_TRY(pin_sources(graph, input, reason, seen));
  return {};
}

}  // namespace

Content content_of(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.content) return value.content;
  if (!value.constant) return std::nullopt;
  std::optional<int64_t> count = followed_count(value.type);
  if (!count) return std::nullopt;
  auto integers = read_integers(value.type.dtype, value.constant->bytes.view, *count);
  if (!integers) return std::nullopt;
  return std::vector<Dim>(integers->begin(), integers->end());
}

Result<Content> use_content(Graph& graph, ValueId value, std::string_view reason) {
  Content content = content_of(graph, value);
  std::set<ValueId> seen;
  if (content) TN_TRY(pin_sources(graph, value, reason, seen));
  return content;
}

Result<std::vector<int64_t>> use_integers(Graph& graph, ValueId id, std::string_view reason) {
  const TensorType type = graph.value(id).type;
  TN_ASSIGN(Bytes bytes, graph.pin(id, reason));
  Dim count = element_count(type.shape);
  auto integers = count.is_constant() ? read_integers(type.dtype, bytes.view, count.value()) : std::nullopt;
  if (!integers)
    return fail(Code::invalid_model, "{}: {} does not hold integers that are known", reason, print(type));
  return *integers;
}

namespace {

Result<std::vector<double>> numbers_of(const TensorType& type, std::span<const std::byte> bytes, std::string_view reason) {
  Dim count = element_count(type.shape);
  size_t size = size_of(type.dtype);
  if (!count.is_constant() || size == 0 || bytes.size() / size < static_cast<size_t>(count.value()))
    return fail(Code::invalid_model, "{}: the values of {} are not known", reason, print(type));
  std::vector<double> out;
  for (int64_t i = 0; i < count.value(); ++i) {
    const std::byte* at = bytes.data() + static_cast<size_t>(i) * size;
    TN_ASSIGN(double value, read_number(type.dtype, at));
    out.push_back(value);
  }
  return out;
}

}  // namespace

Result<std::vector<double>> use_numbers(Graph& graph, ValueId id, std::string_view reason) {
  const TensorType type = graph.value(id).type;
  TN_ASSIGN(Bytes bytes, graph.pin(id, reason));
  return numbers_of(type, bytes.view, reason);
}

Result<std::vector<double>> numbers_of(const Constant& constant) {
  return numbers_of(constant.type, constant.bytes.view, "a tensor attribute");
}

namespace {

double round_to(DType type, double value) {
  const auto narrow = static_cast<float>(value);
  switch (type) {
    case DType::f32: return narrow;
    case DType::f16: return half_to_float(float_to_half(narrow));
    case DType::bf16: return bfloat_to_float(float_to_bfloat(narrow));
    default: return value;
  }
}

// A program on numbers; nullopt for other ops than those that numbers of a model are computed with.
std::optional<double> evaluate(const Program& program, std::vector<double> at) {
  for (const Instr& instr : program.instructions()) {
    const double a = arity(instr.op) > 0 ? at[instr.a] : 0, b = arity(instr.op) > 1 ? at[instr.b] : 0;
    double value = 0;
    switch (instr.op) {
      case ExprOp::constant: value = instr.imm; break;
      case ExprOp::cast: value = instr.type == DType::boolean ? a != 0 : is_float(instr.type) ? a : std::trunc(a); break;
      case ExprOp::neg: value = -a; break;
      case ExprOp::sqrt: value = std::sqrt(a); break;
      case ExprOp::reciprocal: value = 1 / a; break;
      case ExprOp::add: value = a + b; break;
      case ExprOp::sub: value = a - b; break;
      case ExprOp::mul: value = a * b; break;
      case ExprOp::div: value = a / b; break;
      case ExprOp::pow: value = std::pow(a, b); break;
      case ExprOp::ceil: value = std::ceil(a); break;
      case ExprOp::floor: value = std::floor(a); break;
      case ExprOp::abs: value = std::abs(a); break;
      case ExprOp::max: value = std::isnan(a) || a > b ? a : b; break;
      case ExprOp::min: value = std::isnan(a) || a < b ? a : b; break;
      default: return std::nullopt;
    }
    if (!is_float(instr.type) && value != std::trunc(value)) return std::nullopt;
    at.push_back(round_to(instr.type, value));
  }
  return at.back();
}

Result<std::optional<double>> number_of(Graph& graph, ValueId id, std::string_view reason, int depth) {
  constexpr int kMaxDepth = 16;
  const TensorType& type = graph.value(id).type;
  if (!element_count(type.shape).is(1) || depth > kMaxDepth) return std::nullopt;
  if (graph.is_constant(id)) {
    if (!is_float(type.dtype) && !is_integer(type.dtype) && type.dtype != DType::boolean) return std::nullopt;
    auto values = use_numbers(graph, id, reason);
    if (!values || values->size() != 1) return std::nullopt;
    return (*values)[0];
  }
  const Node* producer = graph.producer(id);
  if (!producer || producer->op != &kPointwise) return std::nullopt;
  std::vector<double> at;
  for (ValueId input : std::vector<ValueId>(producer->inputs)) {
    TN_ASSIGN(std::optional<double> value, number_of(graph, input, reason, depth + 1));
    if (!value) return std::nullopt;
    at.push_back(*value);
  }
  return evaluate(producer->attrs.program("program"), std::move(at));
}

}  // namespace

Result<std::optional<double>> use_number(Graph& graph, ValueId value, std::string_view reason) {
  return number_of(graph, value, reason, 0);
}

bool at_least(const Dim& dim, int64_t low) {
  auto interval = bounds(dim, [](std::string_view name) { return Interval{name.starts_with(kFoundPrefix) ? 0 : 1, int64_t{1} << 40}; });
  return interval && interval->low >= low;
}

std::optional<bool> always_equal(const Dim& a, const Dim& b) {
  Dim difference = a - b;
  if (difference.is_constant()) return difference.value() == 0;
  if (at_least(difference, 1) || at_least(b - a, 1)) return false;
  return std::nullopt;
}

namespace {

using Operand = std::optional<Dim>;

Operand truncated_quotient(const Dim& a, const Dim& b) {
  if (b.is(0)) return Dim(0);
  if (a.is_constant() && b.is_constant()) {
    if (a.value() == INT64_MIN && b.value() == -1) return std::nullopt;
    return Dim(a.value() / b.value());
  }
  if (at_least(a, 0) && at_least(b, 1)) return floordiv(a, b);
  return std::nullopt;
}

// As at_least, where the answer becomes a value of the network's: a profile may let a dim be 0.
bool never_below(const Dim& dim, int64_t low) {
  auto interval = bounds(dim, [](std::string_view) { return Interval{0, int64_t{1} << 40}; });
  return interval && interval->low >= low;
}

Operand compare(ExprOp op, const Dim& a, const Dim& b) {
  switch (op) {
    case ExprOp::eq:
    case ExprOp::ne:
      if ((a - b).is_constant()) return Dim((a == b) == (op == ExprOp::eq));
      if (never_below(a - b, 1) || never_below(b - a, 1)) return Dim(op == ExprOp::ne);
      return std::nullopt;
    case ExprOp::lt:
      if (never_below(b - a, 1)) return Dim(1);
      if (never_below(a - b, 0)) return Dim(0);
      return std::nullopt;
    case ExprOp::le:
      if (never_below(b - a, 0)) return Dim(1);
      if (never_below(a - b, 1)) return Dim(0);
      return std::nullopt;
    case ExprOp::gt: return compare(ExprOp::lt, b, a);
    default: return compare(ExprOp::le, b, a);
  }
}

Operand evaluate(const Instr& instr, std::span<const Operand> operands) {
  const Operand &a = operands[instr.a], &b = operands[instr.b], &c = operands[instr.c];
  if (instr.op == ExprOp::constant) {
    auto value = static_cast<int64_t>(instr.imm);
    if (static_cast<double>(value) != instr.imm) return std::nullopt;
    return Dim(value);
  }
  if (instr.op == ExprOp::where) {
    if (b && c && *b == *c) return b;
    if (!a || !a->is_constant()) return std::nullopt;
    return a->value() ? b : c;
  }
  if (!a || (arity(instr.op) > 1 && !b)) return std::nullopt;
  switch (instr.op) {
    case ExprOp::cast:
      if (instr.type != DType::boolean) return a;
      if (a->is_constant()) return Dim(a->value() != 0);
      if (never_below(*a, 1) || never_below(Dim(0) - *a, 1)) return Dim(1);
      return std::nullopt;
    case ExprOp::neg: return Dim(0) - *a;
    case ExprOp::abs:
      if (at_least(*a, 0)) return a;
      if (at_least(Dim(0) - *a, 0)) return Dim(0) - *a;
      return std::nullopt;
    case ExprOp::add: return *a + *b;
    case ExprOp::sub: return *a - *b;
    case ExprOp::mul: return *a * *b;
    case ExprOp::div: return truncated_quotient(*a, *b);
    case ExprOp::mod:
      if (b->is(0)) return Dim(0);
      if (b->is_constant() ? b->value() > 0 || a->is_constant() : at_least(*b, 1)) return mod(*a, *b);
      return std::nullopt;
    case ExprOp::max: return max(*a, *b);
    case ExprOp::min: return min(*a, *b);
    case ExprOp::eq:
    case ExprOp::ne:
    case ExprOp::lt:
    case ExprOp::le:
    case ExprOp::gt:
    case ExprOp::ge: return compare(instr.op, *a, *b);
    case ExprOp::logical_not:
      if (a->is_constant()) return Dim(!a->value());
      return std::nullopt;
    case ExprOp::logical_and:
    case ExprOp::logical_or:
      if (a->is_constant() && b->is_constant())
        return Dim(instr.op == ExprOp::logical_and ? a->value() && b->value() : a->value() || b->value());
      return std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace

Content evaluate_content(const Program& program, std::span<const TensorType> types,
                         std::span<const Content> contents) {
  size_t count = 1;
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].rank() > 1) return std::nullopt;
    if (types[i].rank() == 1) {
      if (!types[i].shape[0].is_constant() || types[i].shape[0].value() > kMaxContent) return std::nullopt;
      if (!types[i].shape[0].is(1)) count = static_cast<size_t>(types[i].shape[0].value());
    }
  }
  if (!holds_integers(program.result_type())) return std::nullopt;
  for (const Instr& instr : program.instructions())
    if (!holds_integers(instr.type)) return std::nullopt;
  std::vector<Dim> out(count);
  for (size_t e = 0; e < count; ++e) {
    std::vector<Operand> operands(program.inputs);
    for (size_t i = 0; i < program.inputs && i < contents.size(); ++i) {
      const Content& content = contents[i];
      if (content && (content->size() == count || content->size() == 1))
        operands[i] = (*content)[content->size() == count ? e : 0];
    }
    for (const Instr& instr : program.instructions()) operands.push_back(evaluate(instr, operands));
    if (!operands.back()) return std::nullopt;
    out[e] = *operands.back();
  }
  return out;
}

namespace {

// A number that is known, or a dynamic dim over a denominator.
struct Number {
  std::optional<double> known;
  Dim over;
  int64_t by = 1;
};
using Numbers = std::optional<std::vector<Number>>;

constexpr double kMostFactor = 65536;  // larger factors and denominators of a dim are not followed: a float would round

Number number_of(const Dim& dim) {
  if (dim.is_constant()) return {static_cast<double>(dim.value()), Dim(0), 1};
  return {std::nullopt, dim, 1};
}

// p / q of a number whose q is a power of two.
std::optional<std::pair<int64_t, int64_t>> fraction_of(double number) {
  int64_t by = 1;
  while (number != std::trunc(number) && by < static_cast<int64_t>(kMostFactor)) number *= 2, by *= 2;
  if (number != std::trunc(number) || std::fabs(number) > kMostFactor) return std::nullopt;
  return std::pair{static_cast<int64_t>(number), by};
}

std::optional<Number> scaled(const Number& dim, int64_t factor, int64_t by) {
  auto denominator = checked_mul(dim.by, by);
  if (by < 1 || !denominator || *denominator > static_cast<int64_t>(kMostFactor)) return std::nullopt;
  return Number{std::nullopt, dim.over * Dim(factor), *denominator};
}

// An operation of which an operand at least is a dynamic dim.
std::optional<Number> apply(const Instr& instr, const Number& a, const Number& b) {
  switch (instr.op) {
    case ExprOp::cast:
      if (is_float(instr.type)) return a;
      if (a.by == 1) return a;
      if (!at_least(a.over, 0)) return std::nullopt;  // casts cut towards 0
      return Number{std::nullopt, floordiv(a.over, Dim(a.by)), 1};
    case ExprOp::floor: return Number{std::nullopt, floordiv(a.over, Dim(a.by)), 1};
    case ExprOp::ceil: return Number{std::nullopt, ceildiv(a.over, Dim(a.by)), 1};
    case ExprOp::mul:
    case ExprOp::div: {
      const Number& dim = a.known ? b : a;
      const std::optional<double> known = a.known ? a.known : b.known;
      auto factor = known && (instr.op == ExprOp::mul || !a.known) ? fraction_of(*known) : std::nullopt;
      if (!factor || !is_float(instr.type)) return std::nullopt;
      return instr.op == ExprOp::mul ? scaled(dim, factor->first, factor->second) : scaled(dim, factor->second, factor->first);
    }
    case ExprOp::add:
    case ExprOp::sub: {
      auto as_fraction = [](const Number& x) -> std::optional<Number> {
        if (!x.known) return x;
        auto fraction = fraction_of(*x.known);
        if (!fraction) return std::nullopt;
        return Number{std::nullopt, Dim(fraction->first), fraction->second};
      };
      auto left = as_fraction(a), right = as_fraction(b);
      if (!left || !right) return std::nullopt;
      auto first = scaled(*left, right->by, right->by), second = scaled(*right, left->by, left->by);
      if (!first || !second) return std::nullopt;
      return Number{std::nullopt, instr.op == ExprOp::add ? first->over + second->over : first->over - second->over, first->by};
    }
    default: return std::nullopt;
  }
}

std::optional<Number> evaluate(const Program& program, std::vector<Number> at) {
  for (const Instr& instr : program.instructions()) {
    if (instr.op == ExprOp::constant) {
      at.push_back({round_to(instr.type, instr.imm), Dim(0), 1});
      continue;
    }
    const int count = arity(instr.op);
    if (count < 1 || count > 2) return std::nullopt;
    const Number a = at[instr.a], b = count > 1 ? at[instr.b] : Number{0.0, Dim(0), 1};
    if (!a.known || !b.known) {
      auto made = apply(instr, a, b);
      if (!made) return std::nullopt;
      at.push_back(std::move(*made));
      continue;
    }
    double value = 0;
    switch (instr.op) {
      case ExprOp::cast: value = is_float(instr.type) ? *a.known : std::trunc(*a.known); break;
      case ExprOp::neg: value = -*a.known; break;
      case ExprOp::floor: value = std::floor(*a.known); break;
      case ExprOp::ceil: value = std::ceil(*a.known); break;
      case ExprOp::round: value = std::nearbyint(*a.known); break;
      case ExprOp::sqrt: value = std::sqrt(*a.known); break;
      case ExprOp::reciprocal: value = 1 / *a.known; break;
      case ExprOp::add: value = *a.known + *b.known; break;
      case ExprOp::sub: value = *a.known - *b.known; break;
      case ExprOp::mul: value = *a.known * *b.known; break;
      case ExprOp::div: value = *a.known / *b.known; break;
      default: return std::nullopt;
    }
    if (!std::isfinite(value) || (!is_float(instr.type) && value != std::trunc(value))) return std::nullopt;
    at.push_back({round_to(instr.type, value), Dim(0), 1});
  }
  return at.back();
}

Numbers numbers_of(const Graph& graph, ValueId id, int depth);

// What a pointwise node makes of numbers that are known.
Numbers numbers_made(const Graph& graph, const Node& node, int depth) {
  const Program program = node.attrs.program("program");
  std::vector<std::vector<Number>> operands;
  size_t count = 1;
  for (ValueId input : node.inputs) {
    Numbers numbers = numbers_of(graph, input, depth + 1);
    if (!numbers || (numbers->size() != count && numbers->size() != 1 && count != 1)) return std::nullopt;
    if (numbers->size() != 1) count = numbers->size();
    operands.push_back(std::move(*numbers));
  }
  std::vector<Number> out;
  for (size_t e = 0; e < count; ++e) {
    std::vector<Number> at;
    for (const std::vector<Number>& operand : operands) at.push_back(operand[operand.size() == 1 ? 0 : e]);
    auto value = evaluate(program, std::move(at));
    if (!value) return std::nullopt;
    out.push_back(std::move(*value));
  }
  return out;
}

Numbers numbers_of(const Graph& graph, ValueId id, int depth) {
  constexpr int kMaxDepth = 16;
  const Value& value = graph.value(id);
  if (depth > kMaxDepth || value.type.rank() > 1) return std::nullopt;
  if (Content content = content_of(graph, id)) {
    std::vector<Number> out;
    for (const Dim& dim : *content) out.push_back(number_of(dim));
    return out;
  }
  if (!is_float(value.type.dtype)) return std::nullopt;
  if (value.constant) {
    const Dim count = element_count(value.type.shape);
    const size_t size = size_of(value.type.dtype);
    if (!count.is_constant() || count.value() > kMaxContent || value.constant->bytes.view.size() / size < static_cast<size_t>(count.value()))
      return std::nullopt;
    std::vector<Number> out;
    for (size_t i = 0; i < static_cast<size_t>(count.value()); ++i) {
      auto number = read_number(value.type.dtype, value.constant->bytes.view.data() + i * size);
      if (!number) return std::nullopt;
      out.push_back({*number, Dim(0), 1});
    }
    return out;
  }
  const Node* producer = graph.producer(id);
  if (!producer) return std::nullopt;
  if (producer->op == &kReshape) return numbers_of(graph, producer->inputs[0], depth + 1);
  return producer->op == &kPointwise ? numbers_made(graph, *producer, depth) : std::nullopt;
}

}  // namespace

Content content_by_floats(const NodeView& view) {
  const Program program = view.attrs().program("program");
  if (!holds_integers(program.result_type()) || program.result_type() == DType::boolean) return std::nullopt;
  bool floats = false;
  for (size_t i = 0; i < view.input_count(); ++i) {
    if (view.input(i).rank() > 1) return std::nullopt;
    floats |= is_float(view.input(i).dtype);
  }
  if (!floats) return std::nullopt;
  Numbers numbers = numbers_made(view.graph(), view.node(), 0);
  if (!numbers) return std::nullopt;
  std::vector<Dim> out;
  constexpr double kExact = 9007199254740992;  // 2^53
  for (const Number& number : *numbers) {
    if (number.by != 1 || (number.known && std::fabs(*number.known) > kExact)) return std::nullopt;
    out.push_back(number.known ? Dim(static_cast<int64_t>(*number.known)) : number.over);
  }
  return out;
}

namespace {

ValueId integer_constant(Patch& patch, const TensorType& type, const std::vector<Dim>& content) {
  std::vector<std::byte> bytes(content.size() * size_of(type.dtype));
  for (size_t i = 0; i < content.size(); ++i) {
    // Little endian: the low bytes are the narrower integers.
    int64_t value = content[i].value();
    std::memcpy(bytes.data() + i * size_of(type.dtype), &value, size_of(type.dtype));
  }
  return patch.constant({type.dtype, type.shape, kLinear}, bytes);
}

}  // namespace

Result<bool> replace_by_content(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op == &kShapeValue || node.outputs.size() != 1) return false;
  const Value& value = view.graph().value(node.outputs[0]);
  if (!value.content || value.type.rank() > 1) return false;
  const bool constant = std::all_of(value.content->begin(), value.content->end(),
                                    [](const Dim& dim) { return dim.is_constant(); });
  if (!constant && value.type.dtype != DType::i64) return false;
  TN_ASSIGN(Content content, use_content(patch.graph(), node.outputs[0], "shapes follow from it"));
  ValueId made;
  if (constant) {
    made = integer_constant(patch, value.type, *content);
  } else {
    TN_ASSIGN(made, patch.add(kShapeValue, {}, {{"values", Shape(*content)},
                                                {"scalar", static_cast<int64_t>(value.type.rank() == 0)}}));
  }
  patch.replace(node.outputs[0], made);
  return true;
}

}  // namespace tenon
