#include "runtime/dims.h"

#include <set>

#include "base/checked.h"

namespace tenon {
namespace {

using plan::DimExpr;
using plan::DimOp;

std::optional<int64_t> divide(DimOp op, int64_t a, int64_t b) {
  if (b == 0 || (a == INT64_MIN && b == -1)) return std::nullopt;
  int64_t q = floor_div(a, b);
  if (op == DimOp::floordiv) return q;
  if (op == DimOp::mod) return a - q * b;
  return q + (a % b != 0);
}

std::optional<int64_t> compute(DimOp op, int64_t a, int64_t b) {
  switch (op) {
    case DimOp::add: return checked_add(a, b);
    case DimOp::sub: {
      int64_t out;
      return __builtin_sub_overflow(a, b, &out) ? std::nullopt : std::optional(out);
    }
    case DimOp::mul: return checked_mul(a, b);
    case DimOp::floordiv:
    case DimOp::ceildiv:
    case DimOp::mod: return divide(op, a, b);
    case DimOp::max: return std::max(a, b);
    case DimOp::min: return std::min(a, b);
    case DimOp::broadcast:
      if (a == b || b == 1) return a;
      return a == 1 ? std::optional(b) : std::nullopt;
    case DimOp::constant:
    case DimOp::symbol: break;
  }
  return std::nullopt;
}

constexpr int kTextDepth = 6;

std::string text(const plan::Plan& plan, uint32_t entry, int depth) {
  static constexpr std::string_view kNames[] = {"",        "",    "add", "sub", "mul",      "floordiv",
                                                "ceildiv", "mod", "max", "min", "broadcast"};
  const DimExpr& e = plan.dims[entry];
  if (e.op == DimOp::constant) return std::to_string(e.value);
  if (e.op == DimOp::symbol) return plan.symbols[e.value].name;
  if (depth == 0) return "…";
  return fmt::format("{}({}, {})", kNames[static_cast<size_t>(e.op)], text(plan, e.a, depth - 1),
                     text(plan, e.b, depth - 1));
}

// The symbols below an entry. Entries come after their operands, so one sweep down the table finds them.
std::set<int64_t> symbols_of(const plan::Plan& plan, uint32_t entry) {
  std::vector<bool> needed(entry + 1);
  needed[entry] = true;
  std::set<int64_t> out;
  for (uint32_t i = entry + 1; i-- > 0;) {
    if (!needed[i]) continue;
    const DimExpr& e = plan.dims[i];
    if (e.op == DimOp::symbol) out.insert(e.value);
    if (e.op > DimOp::symbol) needed[e.a] = needed[e.b] = true;
  }
  return out;
}

// "N = 3 (input 'x' dim 0)" for each symbol below the entry.
std::string sources_text(const plan::Plan& plan, const DimValues& values, uint32_t entry) {
  std::string out;
  for (int64_t symbol : symbols_of(plan, entry)) {
    bool told = false;
    for (const plan::Binding& input : plan.inputs)
      for (size_t d = 0; d < input.dims.size() && !told; ++d) {
        const DimExpr& e = plan.dims[input.dims[d]];
        if (e.op != DimOp::symbol || e.value != symbol) continue;
        told = true;
        std::string value =
            values.has(input.dims[d]) ? std::to_string(values.value(input.dims[d])) : "not set";
        out += fmt::format("{}{} is {} (input '{}' dim {})", out.empty() ? "" : ", ",
                           plan.symbols[symbol].name, value, input.name, d);
      }
    if (!told) out += fmt::format("{}{} is found by the run", out.empty() ? "" : ", ", plan.symbols[symbol].name);
  }
  return out;
}

}  // namespace

DimValues::DimValues(const plan::Plan& plan, std::span<const std::optional<int64_t>> symbols)
    : values_(plan.dims.size()), known_(plan.dims.size()) {
  for (size_t i = 0; i < plan.dims.size(); ++i) {
    const DimExpr& e = plan.dims[i];
    std::optional<int64_t> value;
    if (e.op == DimOp::constant)
      value = e.value;
    else if (e.op == DimOp::symbol)
      value = symbols[e.value];
    else if (known_[e.a] && known_[e.b])
      value = compute(e.op, values_[e.a], values_[e.b]);
    known_[i] = value.has_value();
    values_[i] = value.value_or(0);
  }
}

std::string dim_text(const plan::Plan& plan, uint32_t entry) { return text(plan, entry, kTextDepth); }

Error explain_dim(const plan::Plan& plan, const DimValues& values, uint32_t entry) {
  const DimExpr* e = &plan.dims[entry];
  while (e->op > DimOp::symbol) {  // down to the first operation whose operands are known
    uint32_t below = !values.has(e->a) ? e->a : !values.has(e->b) ? e->b : entry;
    if (below == entry) break;
    entry = below;
    e = &plan.dims[entry];
  }
  std::string from = sources_text(plan, values, entry);
  if (e->op == DimOp::symbol)
    return {Code::invalid_argument, fmt::format("set the shapes of all inputs first: {}", from), {}};
  int64_t a = values.value(e->a), b = values.value(e->b);
  if (e->op == DimOp::broadcast)
    return {Code::invalid_argument,
            fmt::format("dims {} = {} and {} = {} do not broadcast: they must be equal, or one of them 1; {}",
                        dim_text(plan, e->a), a, dim_text(plan, e->b), b, from),
            {}};
  return {Code::invalid_argument,
          fmt::format("dim {} cannot be computed from {} and {}; {}", dim_text(plan, entry), a, b, from),
          {}};
}

Result<std::vector<int64_t>> dims_of(const plan::Plan& plan, const DimValues& values,
                                     std::span<const uint32_t> dims, std::string_view what) {
  std::vector<int64_t> out;
  out.reserve(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!values.has(dims[i])) return trail(explain_dim(plan, values, dims[i]), "in dim {} of {}", i, what);
    int64_t value = values.value(dims[i]);
    if (value < 0)
      return fail(Code::invalid_argument, "dim {} of {} is {} = {}, which is negative; {}", i, what,
                  dim_text(plan, dims[i]), value, sources_text(plan, values, dims[i]));
    out.push_back(value);
  }
  return out;
}

}  // namespace tenon
