#include "compile/profiles.h"

#include <algorithm>

#include "ir/control.h"
#include "ir/found.h"
#include "plan/verify.h"

namespace tenon {
namespace {

std::optional<size_t> find_symbol(const std::vector<std::string>& symbols, std::string_view name) {
  auto found = std::find(symbols.begin(), symbols.end(), name);
  if (found == symbols.end()) return std::nullopt;
  return static_cast<size_t>(found - symbols.begin());
}

// One dim of one input: sets its symbol's range, or checks it against the fixed dim.
Status take_dim(const Value& input, size_t axis, plan::Range range, const std::vector<std::string>& symbols,
                std::vector<plan::Range>& ranges, std::vector<bool>& known) {
  const Dim& dim = input.type.shape[axis];
  if (range.min < 0 || range.min > range.opt || range.opt > range.max)
    return fail(Code::invalid_argument, "input {} dim {}: min {}, opt {}, max {} must not fall and not be negative",
                input.name, axis, range.min, range.opt, range.max);
  if (dim.is_constant()) {
    if (range.min == dim.value() && range.max == dim.value()) return {};
    return fail(Code::invalid_argument, "input {} dim {} is fixed to {}; the profile asks for {} to {}", input.name,
                axis, dim.value(), range.min, range.max);
  }
  auto symbol = find_symbol(symbols, dim.symbol_name());
  if (!symbol) return fail(Code::internal, "input {} dim {} is {}", input.name, axis, dim.text());
  if (!known[*symbol]) {
    ranges[*symbol] = range;
    known[*symbol] = true;
    return {};
  }
  const plan::Range& before = ranges[*symbol];
  if (before.min == range.min && before.opt == range.opt && before.max == range.max) return {};
  return fail(Code::invalid_argument,
              "input {} dim {} is the symbol {}, which another input's profile gives {}, {}, {}; here it is {}, {}, {}",
              input.name, axis, symbols[*symbol], before.min, before.opt, before.max, range.min, range.opt, range.max);
}

Status unknown_input(const Graph& graph, const ShapeProfile& profile) {
  for (const auto& [name, shapes] : profile) {
    auto has_name = [&, &name = name](ValueId id) { return graph.value(id).name == name; };
    if (std::any_of(graph.inputs.begin(), graph.inputs.end(), has_name)) continue;
    std::string names;
    for (ValueId id : graph.inputs) names += (names.empty() ? "" : ", ") + graph.value(id).name;
    return fail(Code::not_found, "the profile names input {}, the network's inputs are {}", name, names);
  }
  return {};
}

Result<std::vector<plan::Range>> ranges_of(const Graph& graph, const ShapeProfile& profile,
                                           const std::vector<std::string>& symbols, std::vector<bool>& known) {
  TN_TRY(unknown_input(graph, profile));
  std::vector<plan::Range> ranges(symbols.size());
  for (ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    auto found = profile.find(input.name);
    if (found == profile.end()) continue;
    const ProfileShapes& shapes = found->second;
    size_t rank = input.type.rank();
    if (shapes.min.size() != rank || shapes.opt.size() != rank || shapes.max.size() != rank)
      return fail(Code::invalid_argument, "input {} has {} dims ({}), the profile gives {}, {}, {}", input.name, rank,
                  print(input.type), shapes.min.size(), shapes.opt.size(), shapes.max.size());
    for (size_t axis = 0; axis < rank; ++axis)
      TN_TRY(take_dim(input, axis, {shapes.min[axis], shapes.opt[axis], shapes.max[axis]}, symbols, ranges, known));
  }
  return ranges;
}

// Every input at its largest is a tensor.
Status check_sizes(const Graph& graph, const std::vector<std::string>& symbols, const std::vector<plan::Range>& ranges,
                   const Limits& limits) {
  for (ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    std::vector<int64_t> dims;
    for (const Dim& dim : input.type.shape) {
      auto symbol = find_symbol(symbols, dim.symbol_name());
      dims.push_back(symbol ? ranges[*symbol].max : dim.is_constant() ? dim.value() : 1);
    }
    std::optional<int64_t> bytes = plan::storage_bytes(input.type.dtype, kLinear, dims);
    if (!bytes || *bytes > limits.tensor_bytes)
      return fail(Code::limit_exceeded, "input {} [{}] has more bytes than the limit tensor_bytes, {}", input.name,
                  fmt::join(dims, ","), limits.tensor_bytes);
  }
  return {};
}

std::string free_dims(const Graph& graph, const std::vector<std::string>& symbols, const std::vector<bool>& known) {
  std::string names;
  for (ValueId id : graph.inputs)
    for (size_t axis = 0; axis < graph.value(id).type.rank(); ++axis) {
      auto symbol = find_symbol(symbols, graph.value(id).type.shape[axis].symbol_name());
      if (symbol && !known[*symbol]) names += fmt::format("{}{}[{}]", names.empty() ? "" : ", ", graph.value(id).name, axis);
    }
  return names;
}

}  // namespace

SymbolValues SymbolRanges::values(size_t profile, int64_t plan::Range::* which) const {
  SymbolValues out;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const plan::Range& range = ranges[profile][i];
    out[symbols[i]] = range.*which < plan::kNoBound ? range.*which : range.opt;
  }
  return out;
}

SymbolValues SymbolRanges::possible(SymbolValues values) const {
  for (const auto& [name, most] : found) {
    auto at_most = evaluate(most, [&](std::string_view symbol) -> std::optional<int64_t> {
      auto it = values.find(symbol);
      return it == values.end() ? std::nullopt : std::optional(it->second);
    });
    int64_t& value = values[name];
    value = std::min(value, std::max<int64_t>(at_most.value_or(0), 0));
  }
  return values;
}

Result<SymbolRanges> symbol_ranges(const Graph& graph, const BuildConfig& config, const Log& log) {
  SymbolRanges out;
  for (ValueId id : graph.inputs)
    for (const Dim& dim : graph.value(id).type.shape) collect_symbols(dim, out.symbols);
  std::vector<ShapeProfile> profiles = config.profiles;
  if (profiles.empty()) profiles.emplace_back();
  std::string defaulted;
  for (const ShapeProfile& profile : profiles) {
    std::vector<bool> known(out.symbols.size(), false);
    TN_ASSIGN(std::vector<plan::Range> ranges, ranges_of(graph, profile, out.symbols, known));
    if (defaulted.empty()) defaulted = free_dims(graph, out.symbols, known);
    TN_TRY(check_sizes(graph, out.symbols, ranges, config.limits));
    out.ranges.push_back(std::move(ranges));
  }
  if (!defaulted.empty())
    log(Severity::warning, "dynamic dims without a profile become 1: {}", defaulted);
  return out;
}

Status add_found_sizes(const Graph& graph, const std::function<const Graph&(const Graph& attribute)>& body_of, SymbolRanges& ranges) {
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    for (const GraphPtr& body : graphs_of(node)) TN_TRY(add_found_sizes(body_of(*body), body_of, ranges));
    if (!finds_sizes(node)) continue;
    const Shape found = node.attrs.shape(kFound), most = node.attrs.shape(kMost);
    for (size_t i = 0; i < found.size(); ++i) {
      for (size_t profile = 0; profile < ranges.ranges.size(); ++profile) {
        auto range_of = [&](std::string_view name) -> const plan::Range* {
          auto symbol = find_symbol(ranges.symbols, name);
          return symbol && *symbol < ranges.ranges[profile].size() ? &ranges.ranges[profile][*symbol] : nullptr;
        };
        auto at_most = bounds(most[i], [&](std::string_view name) -> std::optional<Interval> {
          const plan::Range* range = range_of(name);
          return range ? std::optional(Interval{range->min, range->max}) : std::nullopt;
        });
        if (!at_most) return trail(std::move(at_most.error()), "in the most that node {} can find", node.name);
        auto at_opt = evaluate(most[i], [&](std::string_view name) -> std::optional<int64_t> {
          const plan::Range* range = range_of(name);
          return range ? std::optional(range->opt) : std::nullopt;
        });
        if (!at_opt) return trail(std::move(at_opt.error()), "in the most that node {} can find", node.name);
        const int64_t high = std::max<int64_t>(at_most->high, 0);
        if (high >= plan::kNoBound) {
          constexpr int64_t kTypical = 8;
          ranges.ranges[profile].push_back({0, kTypical, kNoMost});
          continue;
        }
        ranges.ranges[profile].push_back({0, std::clamp<int64_t>(*at_opt, 0, high), high});
      }
      ranges.symbols.emplace_back(found[i].symbol_name());
      ranges.found.emplace_back(found[i].symbol_name(), most[i]);
    }
  }
  return {};
}

}  // namespace tenon
