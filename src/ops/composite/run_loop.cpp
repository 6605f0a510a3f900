#include "ops/composite/run_loop.h"

#include <algorithm>

#include "ir/control.h"
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {

int64_t node_count(const Graph& graph) {
  int64_t count = 0;
  for (NodeId id : graph.order()) {
    ++count;
    for (const auto& [name, attr] : graph.node(id).attrs)
      if (const GraphPtr* inner = std::get_if<GraphPtr>(&attr)) count += node_count(**inner);
  }
  return count;
}

bool is_found_in(const Dim& dim, const Graph& graph) {
  std::vector<std::string> symbols;
  collect_symbols(dim, symbols);
  const std::string prefix = std::string(kFoundPrefix) + graph.found_scope;
  return std::ranges::any_of(symbols, [&](const std::string& name) { return name.starts_with(prefix); });
}

Result<ValueId> stack(OnnxNode& node, std::vector<ValueId> parts, size_t axis, const TensorType& like, bool reversed) {
  Shape shape = like.shape;
  if (axis > shape.size()) return fail(Code::invalid_model, "a scan's output has no axis {}", axis);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), Dim(static_cast<int64_t>(parts.empty() ? 0 : 1)));
  if (parts.empty()) return expand(node.build(), node.build().scalar(like.dtype, 0), std::move(shape));
  for (ValueId& part : parts) {
    if (node.type(part) != like)
      return fail(Code::unsupported, "a loop's output is {} of one iteration and {} of another", print(like), print(node.type(part)));
    TN_ASSIGN(part, reshape(node.build(), part, shape));
  }
  if (reversed) std::reverse(parts.begin(), parts.end());
  return concat(node, std::move(parts), static_cast<int64_t>(axis));
}

Result<ValueId> tensor_of(const OnnxValue& value, std::string_view what, size_t i) {
  if (value.tensor.valid()) return value.tensor;
  return fail(Code::unsupported,
              "{} {} is {}: a loop whose course the inputs decide, or that is too long to be unrolled, carries and stacks tensors alone", what, i,
              value.list ? "a sequence" : "an optional");
}

Result<RunResults> run_loop(OnnxNode& node, RunLoop loop) {
  std::vector<TensorType> types;
  for (ValueId id : loop.carried) types.push_back(node.type(id));
  const size_t carried = loop.carried.size();
  size_t stacked = 0;
  std::optional<Dim> condition;
  auto fill = [&](OnnxNode& inside, const std::vector<ValueId>& arguments) -> Result<std::vector<ValueId>> {
    TN_ASSIGN(RunLoop::Iteration iteration, loop.body(inside, arguments));
    stacked = iteration.slices.size();
    for (size_t s = 0; s < stacked; ++s)
      for (const Dim& dim : inside.type(iteration.slices[s]).shape)
        if (is_found_in(dim, inside.graph()))
          return fail(Code::unsupported, "slices of scan output {} are {}: an iteration finds how large they are, and all must be equally large", s,
                      print(inside.type(iteration.slices[s])));
    if (iteration.is_last) {
      loop.trips = min(loop.trips, Dim(1));
      loop.bounded = true;
    }
    if (iteration.condition.valid()) {
      TN_ASSIGN(ValueId flag, cast(inside, iteration.condition, DType::i64));
      TN_ASSIGN(condition, size_in(inside, flag, Dim(1)));
    }
    std::vector<ValueId> out = std::move(iteration.next);
    out.insert(out.end(), iteration.slices.begin(), iteration.slices.end());
    return out;
  };
  TN_ASSIGN(SeparateGraph separate, node.separate(types, fill));
  if (stacked > 0 && !loop.bounded)
    return fail(Code::unsupported, "it stacks as many slices as it makes iterations, whose number the inputs decide without a bound: the trip "
                                   "count, or a number that a Min takes it with, must be known when the plan is built (a constant, or made from shapes)");
  loop.reversed.resize(stacked, 0);
  Attrs attrs = {{std::string(kBody), separate.graph},
                 {std::string(kTrips), Shape{loop.trips}},
                 {std::string(kCarried), static_cast<int64_t>(carried)},
                 {std::string(kReversed), loop.reversed}};
  if (condition) attrs.set(std::string(kCondition), Shape{*condition});
  std::vector<ValueId> inputs = loop.carried;
  inputs.insert(inputs.end(), separate.captured.begin(), separate.captured.end());
  std::vector<ValueId> made;
  const size_t count = carried + stacked;
  if (condition && stacked > 0) {
    TN_ASSIGN(FoundSizes found, find_sizes(node, kLoop, std::move(inputs), std::move(attrs), count, {loop.trips}));
    made = std::move(found.outputs);
    for (size_t i = carried; i < count; ++i) {
      TN_ASSIGN(made[i], slice(node.build(), made[i], 0, Dim(0), found.sizes[0]));
    }
  } else {
    TN_ASSIGN(made, node.build().add_many(kLoop, std::move(inputs), std::move(attrs), count));
  }
  RunResults out;
  out.carried.assign(made.begin(), made.begin() + static_cast<std::ptrdiff_t>(carried));
  out.stacked.assign(made.begin() + static_cast<std::ptrdiff_t>(carried), made.end());
  return out;
}

}  // namespace tenon
