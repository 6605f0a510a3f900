// If, Loop and Scan. Where their course is known when the plan is built, their sub-graphs are put in the place of the node,
// loops unrolled while that is little; else they become the core ops branch and loop, whose graphs run.
#include <algorithm>

#include "ir/control.h"
#include "ir/found.h"
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// Nodes that a loop may become when it is unrolled: more take longer to build than they save.
constexpr int64_t kMostUnrolled = 400;

Result<bool> is_true(OnnxNode& node, ValueId condition, std::string_view what) {
  TN_ASSIGN(std::optional<double> known, node.known_scalar(condition, what));
  if (known) return *known != 0;
  return fail(Code::unsupported, "{} is computed from tensor values; it must be known when the plan is built", what);
}

// Whether a dim depends on what the graph finds when it runs.
bool is_found_in(const Dim& dim, const Graph& graph) {
  std::vector<std::string> symbols;
  collect_symbols(dim, symbols);
  const std::string prefix = std::string(kFoundPrefix) + graph.found_scope;
  return std::ranges::any_of(symbols, [&](const std::string& name) { return name.starts_with(prefix); });
}

// ── If ──

// What branches compute, in order, and what the node makes of it: lists and optionals are known when the plan is built.
struct BranchResults {
  std::vector<OnnxValue> values;
  std::vector<ValueId> tensors;
};

Status flatten(const OnnxValue& value, std::vector<ValueId>& tensors) {
  if (value.tensor.valid()) tensors.push_back(value.tensor);
  if (value.list)
    for (const OnnxValue& item : *value.list) TN_TRY(flatten(item, tensors));
  return {};
}

bool same_structure(const OnnxValue& a, const OnnxValue& b) {
  if (a.list || b.list)
    return a.list && b.list && a.list->size() == b.list->size() &&
           std::equal(a.list->begin(), a.list->end(), b.list->begin(), same_structure);
  return a.is_none == b.is_none && a.tensor.valid() == b.tensor.valid();
}

// `like` with the tensors from `at` on.
OnnxValue rebuilt(const OnnxValue& like, const std::vector<ValueId>& tensors, size_t& at) {
  if (like.list) {
    std::vector<OnnxValue> items;
    for (const OnnxValue& item : *like.list) items.push_back(rebuilt(item, tensors, at));
    return OnnxValue::of_list(std::move(items));
  }
  return like.tensor.valid() ? OnnxValue(tensors[at++]) : like;
}

std::string text_of(const Graph& graph, const OnnxValue& value) {
  if (value.tensor.valid()) return print(graph.value(value.tensor).type);
  return value.list ? fmt::format("a sequence of {}", value.list->size()) : "nothing";
}

// The most that a dim of a branch can be, in dims of the graph around it; nullopt if it is no more than found there.
std::optional<Dim> most_of(const Dim& dim, const Graph& graph) {
  if (!is_found_in(dim, graph)) return dim;
  if (dim.symbol_name().empty()) return std::nullopt;
  for (NodeId id : graph.order()) {
    const Shape found = graph.node(id).attrs.shape(kFound), most = graph.node(id).attrs.shape(kMost);
    for (size_t i = 0; i < found.size() && i < most.size(); ++i)
      if (found[i] == dim) return most_of(most[i], graph);
  }
  return std::nullopt;
}

Status run_one_branch(OnnxNode& node) {
  struct Side {
    SeparateGraph separate;
    BranchResults results;
    std::vector<std::string> texts;
  } sides[2];
  for (int s = 0; s < 2; ++s) {
    Side& side = sides[s];
    TN_ASSIGN(side.separate, node.separate({}, [&](OnnxNode& inside, const std::vector<ValueId>&) -> Result<std::vector<ValueId>> {
      TN_ASSIGN(side.results.values, inside.expand_subgraph(s == 0 ? "then_branch" : "else_branch", {}, s == 0 ? "then" : "else"));
      for (const OnnxValue& value : side.results.values) {
        TN_TRY(flatten(value, side.results.tensors));
        side.texts.push_back(text_of(inside.graph(), value));
      }
      return side.results.tensors;
    }));
  }
  const std::vector<OnnxValue>&then = sides[0].results.values, &otherwise = sides[1].results.values;
  if (then.size() != otherwise.size())
    return fail(Code::invalid_model, "one branch has {} outputs, the other {}", then.size(), otherwise.size());
  if (then.size() < node.output_count()) return fail(Code::invalid_model, "the branches have {} outputs, the node {}", then.size(), node.output_count());
  auto type = [&](int s, size_t i) -> const TensorType& {
    const Graph& graph = *sides[s].separate.graph;
    return graph.value(graph.outputs[i]).type;
  };
  auto refuse = [&](size_t output, const std::string& a, const std::string& b) {
    return fail(Code::unsupported,
                "output {} is {} of one branch and {} of the other: the condition must be known when the plan is built (a constant, or "
                "made from shapes)",
                output, a, b);
  };
  for (size_t i = 0; i < then.size(); ++i)
    if (!same_structure(then[i], otherwise[i])) return refuse(i, sides[0].texts[i], sides[1].texts[i]);
  const size_t count = sides[0].results.tensors.size();
  Shape sizes[2], most, vectors;
  for (size_t i = 0; i < count; ++i) {
    const TensorType &a = type(0, i), &b = type(1, i);
    if (a.dtype != b.dtype || a.rank() != b.rank()) return refuse(i, print(a), print(b));
    if (a == b && std::ranges::none_of(a.shape, [&](const Dim& d) { return is_found_in(d, *sides[0].separate.graph) || is_found_in(d, *sides[1].separate.graph); }))
      continue;
    Shape longest[2];
    for (size_t d = 0; d < a.rank(); ++d) {
      for (int s = 0; s < 2; ++s) {
        const std::optional<Dim> bound = most_of(type(s, i).shape[d], *sides[s].separate.graph);
        if (!bound)
          return fail(Code::unsupported, "output {} of a branch is {}, and nothing known when the plan is built bounds dim {}", i, print(type(s, i)), d);
        longest[s].push_back(*bound);
      }
      if (a.shape[d] == b.shape[d] && !is_found_in(a.shape[d], *sides[0].separate.graph)) continue;
      sizes[0].push_back(a.shape[d]);
      sizes[1].push_back(b.shape[d]);
      most.push_back(max(longest[0][d], longest[1][d]));
    }
    Shape whole;
    for (size_t d = 0; d < a.rank(); ++d) whole.push_back(max(longest[0][d], longest[1][d]));
    vectors.push_back(element_count(whole));
  }
  std::vector<ValueId> made;
  if (count > 0) {
    TN_ASSIGN(ValueId flag, cast(node, node.input(0), DType::i64));
    TN_ASSIGN(Dim which, size_in(node, flag, Dim(1)));
    Attrs attrs = {{std::string(kThen), sides[0].separate.graph},
                   {std::string(kElse), sides[1].separate.graph},
                   {std::string(kWhich), Shape{which}},
                   {std::string(kSplit), static_cast<int64_t>(sides[0].separate.captured.size())}};
    std::vector<ValueId> inputs = sides[0].separate.captured;
    inputs.insert(inputs.end(), sides[1].separate.captured.begin(), sides[1].separate.captured.end());
    if (most.empty()) {
      TN_ASSIGN(made, node.build().add_many(kBranch, std::move(inputs), std::move(attrs), count));
    } else {
      attrs.set(std::string(kThenSizes), sizes[0]);
      attrs.set(std::string(kElseSizes), sizes[1]);
      attrs.set("vectors", vectors);
      TN_ASSIGN(FoundSizes found, find_sizes(node, kBranch, std::move(inputs), std::move(attrs), count, most));
      made = std::move(found.outputs);
      size_t next = 0;
      for (size_t i = 0; i < count; ++i) {
        if (node.type(made[i]) == type(0, i) && type(0, i) == type(1, i)) continue;
        Shape shape = type(0, i).shape;
        for (size_t d = 0; d < shape.size(); ++d)
          if (!(shape[d] == type(1, i).shape[d]) || is_found_in(shape[d], *sides[0].separate.graph)) shape[d] = found.sizes[next++];
        TN_ASSIGN(made[i], slice(node.build(), made[i], 0, Dim(0), element_count(shape)));
        TN_ASSIGN(made[i], reshape(node.build(), made[i], std::move(shape)));
      }
    }
  }
  size_t at = 0;
  for (size_t i = 0; i < then.size(); ++i) {
    OnnxValue value = rebuilt(then[i], made, at);
    if (i < node.output_count()) node.output(i, std::move(value));
  }
  return {};
}

Status expand_if(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  if (node.type(0).dtype != DType::boolean || !element_count(node.type(0).shape).is(1))
    return fail(Code::invalid_model, "the condition must be one bool, it is {}", print(node.type(0)));
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "condition"));
  if (!known) return run_one_branch(node);
  const bool holds = *known != 0;
  TN_ASSIGN(std::vector<OnnxValue> results, node.expand_subgraph(holds ? "then_branch" : "else_branch", {}, holds ? "then" : "else"));
  if (results.size() < node.output_count())
    return fail(Code::invalid_model, "the branch has {} outputs, the node {}", results.size(), node.output_count());
  for (size_t i = 0; i < node.output_count(); ++i) node.output(i, results[i]);
  return {};
}

// ── what loops share ──

// `parts` one behind the other along a new axis; `count` 0: none, of what one part of type `like` would be.
Result<ValueId> stack(OnnxNode& node, std::vector<ValueId> parts, size_t axis, const TensorType& like, bool reversed = false) {
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

// What the scan outputs of all iterations become. Without iterations, `sample` says of what types they are.
Result<std::vector<ValueId>> stacked(OnnxNode& node, const std::vector<std::vector<ValueId>>& scans, const std::vector<OnnxValue>& sample,
                                     size_t first_sample) {
  std::vector<ValueId> out;
  for (size_t s = 0; s < scans.size(); ++s) {
    const ValueId like = scans[s].empty() ? sample[first_sample + s].tensor : scans[s].front();
    TN_ASSIGN(ValueId made, stack(node, scans[s], 0, TensorType(node.type(like))));
    out.push_back(made);
  }
  return out;
}

// A body's results that a run carries or stacks must be tensors.
Result<ValueId> tensor_of(const OnnxValue& value, std::string_view what, size_t i) {
  if (value.tensor.valid()) return value.tensor;
  return fail(Code::unsupported,
              "{} {} is {}: a loop whose course the inputs decide, or that is too long to be unrolled, carries and stacks tensors alone", what, i,
              value.list ? "a sequence" : "an optional");
}

// What a loop that runs does with each iteration's results.
struct RunLoop {
  std::vector<ValueId> carried;  // first values
  Dim trips;                     // iterations at most
  bool bounded = true;           // the trips have a bound that holds for what is stacked
  std::vector<int64_t> reversed;  // by stacked output; empty: none is
  // From the carried values: the next ones, then slices. A condition that is known makes none.
  struct Iteration {
    std::vector<ValueId> next, slices;
    ValueId condition;  // invalid: there is none
  };
  std::function<Result<Iteration>(OnnxNode& inside, const std::vector<ValueId>& carried)> body;
};

struct RunResults {
  std::vector<ValueId> carried, stacked;
};

Result<RunResults> run_loop(OnnxNode& node, RunLoop loop) {
  std::vector<TensorType> types;
  for (ValueId id : loop.carried) types.push_back(node.type(id));
  const size_t carried = loop.carried.size();
  size_t stacked = 0;
  std::optional<Dim> condition;
  TN_ASSIGN(SeparateGraph separate, node.separate(types, [&](OnnxNode& inside, const std::vector<ValueId>& arguments) -> Result<std::vector<ValueId>> {
    TN_ASSIGN(RunLoop::Iteration iteration, loop.body(inside, arguments));
    stacked = iteration.slices.size();
    for (size_t s = 0; s < stacked; ++s)
      for (const Dim& dim : inside.type(iteration.slices[s]).shape)
        if (is_found_in(dim, inside.graph()))
          return fail(Code::unsupported, "slices of scan output {} are {}: an iteration finds how large they are, and all must be equally large", s,
                      print(inside.type(iteration.slices[s])));
    if (iteration.condition.valid()) {
      TN_ASSIGN(ValueId flag, cast(inside, iteration.condition, DType::i64));
      TN_ASSIGN(condition, size_in(inside, flag, Dim(1)));
    }
    std::vector<ValueId> out = std::move(iteration.next);
    out.insert(out.end(), iteration.slices.begin(), iteration.slices.end());
    return out;
  }));
  if (stacked > 0 && !loop.bounded)
    return fail(Code::unsupported, "it stacks as many slices as it makes iterations, whose number the inputs decide without a bound: the trip count, or "
                                   "a number that a Min takes it with, must be known when the plan is built (a constant, or made from shapes)");
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

// Nodes of a graph and of those within it.
int64_t node_count(const Graph& graph) {
  int64_t count = 0;
  for (NodeId id : graph.order()) {
    ++count;
    for (const auto& [name, attr] : graph.node(id).attrs)
      if (const GraphPtr* inner = std::get_if<GraphPtr>(&attr)) count += node_count(**inner);
  }
  return count;
}

// ── Loop ──

// A number that an integer tensor cannot exceed, from the operators that made it; nullopt if none is known.
std::optional<Dim> bound_of(OnnxNode& node, ValueId id, int depth = 0) {
  const Value& value = node.graph().value(id);
  if (value.content && value.content->size() == 1) return (*value.content)[0];
  const Node* producer = node.graph().producer(id);
  if (!producer || depth > 16) return std::nullopt;
  if (producer->op->is_view) return bound_of(node, producer->inputs[0], depth + 1);
  if (producer->op != &kPointwise) return std::nullopt;
  const std::string text = print(producer->attrs.program("program"));
  if (text == "cast(x0):i64" || text == "cast(x0):i32") {
    const DType from = node.type(producer->inputs[0]).dtype;
    return is_integer(from) ? bound_of(node, producer->inputs[0], depth + 1) : std::nullopt;
  }
  if (text != "min(x0, x1)") return std::nullopt;
  for (ValueId operand : producer->inputs)
    if (std::optional<Dim> bound = bound_of(node, operand, depth + 1)) return bound;
  return std::nullopt;
}

// How often a Loop iterates at most.
struct TripCount {
  Dim most = Dim(INT64_MAX);
  bool is_constant() const { return !computed.valid() && most.is_constant(); }
  ValueId computed;             // when the run decides: the tensor that says it
  std::optional<Dim> bound;     // of that
};

Result<TripCount> trip_count(OnnxNode& node) {
  TripCount out;
  if (!node.has(0)) return out;
  const DType type = node.type(0).dtype;
  if ((type != DType::i64 && type != DType::i32) || !element_count(node.type(0).shape).is(1))
    return fail(Code::invalid_model, "the trip count must be one integer, it is {}", print(node.type(0)));
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "trip count"));
  if (known) {
    out.most = Dim(*known >= 0x1p62 ? INT64_MAX : *known > 0 ? static_cast<int64_t>(*known) : 0);
    return out;
  }
  TN_ASSIGN(Content content, use_content(node.graph(), node.input(0), fmt::format("trip count of '{}'", node.name())));
  if (content && content->size() == 1) {
    const Dim count = (*content)[0];
    out.most = count.symbol_name().empty() ? max(count, Dim(0)) : count;  // a symbol is a tensor's dim
    return out;
  }
  out.computed = node.input(0);
  out.bound = bound_of(node, out.computed);
  return out;
}

struct LoopParts {
  const Graph* body;
  TripCount trips;
  ValueId condition;  // before the first iteration; invalid: it holds
  std::vector<OnnxValue> carried;
  size_t scans;
};

// Iterations in the place of the node; refuses a course that is not known, and more nodes than `most`.
Result<std::vector<OnnxValue>> unroll_loop(OnnxNode& node, const LoopParts& loop, int64_t most) {
  if (!loop.trips.is_constant())
    return fail(Code::unsupported, "the trip count is computed from tensor values or depends on dynamic dims; it must be known when the plan is built");
  const int64_t count = loop.trips.most.value();
  std::vector<OnnxValue> carried = loop.carried;
  ValueId condition = loop.condition.valid() ? loop.condition : node.build().scalar(DType::boolean, 1);
  std::vector<std::vector<ValueId>> scans(loop.scans);
  auto iteration = [&](int64_t i) -> Result<std::vector<OnnxValue>> {
    const int64_t number[] = {i};
    std::vector<OnnxValue> arguments = {node.build().constant({DType::i64, {}, kLinear}, std::as_bytes(std::span(number))), condition};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    return node.expand_subgraph("body", std::move(arguments), std::to_string(i));
  };
  std::vector<OnnxValue> sample;
  const size_t before = node.build().added().size();
  int64_t done = 0;
  for (; done < count; ++done) {
    TN_ASSIGN(bool more, is_true(node, condition, "the loop's condition"));
    if (!more) break;
    TN_ASSIGN(std::vector<OnnxValue> results, iteration(done));
    if (static_cast<int64_t>(node.build().added().size() - before) > most)
      return fail(Code::unsupported, "unrolled, the loop has more than {} nodes", most);
    condition = results[0].tensor;
    for (size_t i = 0; i < carried.size(); ++i) carried[i] = results[1 + i];
    for (size_t s = 0; s < scans.size(); ++s) {
      const ValueId tensor = results[1 + carried.size() + s].tensor;
      if (!tensor.valid()) return fail(Code::unsupported, "scan output {} is no tensor", s);
      scans[s].push_back(tensor);
    }
  }
  // Nothing of the sample is computed: its types alone are needed.
  if (done == 0 && !scans.empty()) {
    TN_ASSIGN(sample, iteration(0));
  }
  TN_ASSIGN(std::vector<ValueId> outputs, stacked(node, scans, sample, 1 + carried.size()));
  if (most == INT64_MAX) node.note(fmt::format("unroll {} iterations", done), "");
  std::vector<OnnxValue> out = std::move(carried);
  out.insert(out.end(), outputs.begin(), outputs.end());
  return out;
}

// The loop as a node that runs.
Result<std::vector<OnnxValue>> loop_that_runs(OnnxNode& node, const LoopParts& loop) {
  RunLoop run;
  run.trips = loop.trips.most;
  run.bounded = !loop.trips.most.is(INT64_MAX);
  if (loop.trips.computed.valid()) {
    constexpr int64_t kMostTrips = int64_t{1} << 40;  // more do not end
    run.bounded = loop.trips.bound.has_value();
    const Dim most = run.bounded ? max(*loop.trips.bound, Dim(0)) : Dim(kMostTrips);
    TN_ASSIGN(ValueId count, cast(node, loop.trips.computed, DType::i64));
    TN_ASSIGN(ValueId limit, dim_value(node, most));
    TN_ASSIGN(count, reshape(node.build(), count, {}));
    TN_ASSIGN(count, add_formula(node, "min(max(x0, x1), x2)", {count, node.build().scalar(DType::i64, 0), limit}));
    TN_ASSIGN(run.trips, size_in(node, count, most));
  }
  if (loop.condition.valid()) {
    TN_ASSIGN(std::optional<double> known, node.known_scalar(loop.condition, "the loop's condition"));
    if (known && *known == 0) run.trips = Dim(0);
    if (!known) {
      TN_ASSIGN(ValueId flag, cast(node, loop.condition, DType::i64));
      TN_ASSIGN(Dim begins, size_in(node, flag, Dim(1)));
      run.trips = run.trips * begins;
    }
  }
  const bool numbered = !loop.body->users(loop.body->inputs[0]).empty() || loop.body->is_output(loop.body->inputs[0]);
  if (numbered) run.carried.push_back(node.build().scalar(DType::i64, 0));
  for (size_t i = 0; i < loop.carried.size(); ++i) {
    TN_ASSIGN(ValueId first, tensor_of(loop.carried[i], "carried value", i));
    run.carried.push_back(first);
  }
  bool ends = false;  // after the first iteration
  run.body = [&](OnnxNode& inside, const std::vector<ValueId>& carried) -> Result<RunLoop::Iteration> {
    std::vector<OnnxValue> arguments = {numbered ? carried[0] : inside.build().scalar(DType::i64, 0), inside.build().scalar(DType::boolean, 1)};
    arguments.insert(arguments.end(), carried.begin() + numbered, carried.end());
    TN_ASSIGN(std::vector<OnnxValue> results, inside.expand_subgraph("body", std::move(arguments), ""));
    RunLoop::Iteration out;
    TN_ASSIGN(ValueId condition, tensor_of(results[0], "the condition, output", 0));
    if (inside.type(condition).dtype != DType::boolean || !element_count(inside.type(condition).shape).is(1))
      return fail(Code::invalid_model, "the body's condition must be one bool, it is {}", print(inside.type(condition)));
    TN_ASSIGN(std::optional<double> known, inside.known_scalar(condition, "the loop's condition"));
    if (!known) out.condition = condition;
    ends = known && *known == 0;
    if (numbered) {
      TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried[0], inside.build().scalar(DType::i64, 1)}));
      out.next.push_back(next);
    }
    for (size_t i = 0; i < loop.carried.size(); ++i) {
      TN_ASSIGN(ValueId next, tensor_of(results[1 + i], "carried value", i));
      out.next.push_back(next);
    }
    for (size_t s = 0; s < loop.scans; ++s) {
      TN_ASSIGN(ValueId slice, tensor_of(results[1 + loop.carried.size() + s], "scan output", s));
      out.slices.push_back(slice);
    }
    if (ends)
      return fail(Code::unsupported, "the body's condition is false whenever it is computed: a loop of one iteration whose trip count or first "
                                     "condition the run decides is an If");
    return out;
  };
  TN_ASSIGN(RunResults results, run_loop(node, std::move(run)));
  std::vector<OnnxValue> out(results.carried.begin() + numbered, results.carried.end());
  out.insert(out.end(), results.stacked.begin(), results.stacked.end());
  return out;
}

// Whether the loop can be unrolled into few nodes: tried in a graph that is thrown away.
Result<bool> unrolls_small(OnnxNode& node, const LoopParts& loop) {
  if (!loop.trips.is_constant()) return false;
  const int64_t count = loop.trips.most.value(), nodes = std::max<int64_t>(node_count(*loop.body), 1);
  if (loop.trips.most.value() != INT64_MAX && !loop.condition.valid() && count > kMostUnrolled / nodes) return false;
  bool fits = false;
  auto tried = node.separate({}, [&](OnnxNode& inside, const std::vector<ValueId>&) -> Result<std::vector<ValueId>> {
    LoopParts own = loop;
    own.condition = inside.has(1) ? inside.input(1) : ValueId{};
    for (size_t i = 0; i < own.carried.size(); ++i) own.carried[i] = inside.value(2 + i);
    fits = unroll_loop(inside, own, kMostUnrolled).has_value();
    return std::vector<ValueId>();
  });
  if (!tried) return tl::unexpected<Error>(std::move(tried.error()));
  return fits;
}

Status expand_loop(OnnxNode& node) {
  LoopParts loop;
  TN_ASSIGN(loop.body, node.subgraph("body"));
  for (size_t i = 2; i < node.input_count(); ++i) loop.carried.push_back(node.value(i));
  if (loop.body->outputs.size() < 1 + loop.carried.size())
    return fail(Code::invalid_model, "the body has {} outputs, a condition and {} carried values are needed", loop.body->outputs.size(),
                loop.carried.size());
  if (loop.body->inputs.size() < 2 + loop.carried.size())
    return fail(Code::invalid_model, "the body has {} inputs, a number, a condition and {} carried values are needed", loop.body->inputs.size(),
                loop.carried.size());
  loop.scans = loop.body->outputs.size() - 1 - loop.carried.size();
  if (node.has(1)) {
    loop.condition = node.input(1);
    if (node.type(1).dtype != DType::boolean || !element_count(node.type(1).shape).is(1))
      return fail(Code::invalid_model, "the condition must be one bool, it is {}", print(node.type(1)));
  }
  TN_ASSIGN(loop.trips, trip_count(node));
  const bool lists = std::ranges::any_of(loop.carried, [](const OnnxValue& value) { return !value.tensor.valid(); });
  bool unroll = lists;
  if (!lists) {
    TN_ASSIGN(unroll, unrolls_small(node, loop));
  }
  Result<std::vector<OnnxValue>> made = unroll ? unroll_loop(node, loop, INT64_MAX) : loop_that_runs(node, loop);
  if (made && !unroll) node.note("run iterations", "");
  // What cannot run, such as a state that grows, may still be unrolled where the course is known.
  if (!made && !unroll && made.error().code == Code::unsupported && loop.trips.is_constant()) {
    auto unrolled = unroll_loop(node, loop, INT64_MAX);
    if (unrolled) made = std::move(unrolled);
  }
  if (!made && lists && made.error().code == Code::unsupported)
    return trail(std::move(made.error()), "a loop that carries a sequence is unrolled: its trip count and condition must be known when the plan is built");
  if (!made) return tl::unexpected<Error>(std::move(made.error()));
  for (size_t i = 0; i < made->size(); ++i) node.output(i, (*made)[i]);
  return {};
}

// ── Scan ──

// One entry for each of `count` scan inputs or outputs; absent: zeros.
Result<std::vector<int64_t>> per_scan(OnnxNode& node, std::string_view attribute, size_t count) {
  std::vector<int64_t> out(count, 0);
  if (!node.attrs().has(attribute)) return out;
  out = node.attrs().integers(attribute);
  if (out.size() == count) return out;
  return fail(Code::invalid_model, "attribute {} has {} entries, {} are needed", attribute, out.size(), count);
}

struct ScanInput {
  ValueId tensor;
  size_t axis;
  bool reversed;
};

struct ScanParts {
  std::vector<OnnxValue> states;
  std::vector<ScanInput> inputs;
  std::vector<size_t> numbers;  // of the inputs among the node's
  Dim length;
  std::vector<int64_t> output_axes, output_reversed;
};

// One behind the other in the place of the node; final states, then scan outputs.
Result<std::vector<ValueId>> unroll_scan(OnnxNode& node, const ScanParts& scan, const std::string& part) {
  const int64_t length = scan.length.value();
  const size_t scans = scan.output_axes.size();
  std::vector<OnnxValue> states = scan.states;
  std::vector<std::vector<ValueId>> parts(scans);
  std::vector<TensorType> like(scans);
  for (int64_t t = 0; t < std::max<int64_t>(length, 1); ++t) {
    std::vector<OnnxValue> arguments = states;
    for (const ScanInput& input : scan.inputs) {
      const int64_t at = input.reversed ? length - 1 - t : t;
      ValueId now = input.tensor;
      Shape shape = node.type(now).shape;
      shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(input.axis));
      if (length == 0) {  // for the types alone: nothing of it is computed
        TN_ASSIGN(now, expand(node.build(), node.build().scalar(node.type(now).dtype, 0), std::move(shape)));
      } else {
        TN_ASSIGN(now, slice(node.build(), now, input.axis, Dim(at), Dim(1)));
        TN_ASSIGN(now, reshape(node.build(), now, std::move(shape)));
      }
      arguments.push_back(now);
    }
    TN_ASSIGN(std::vector<OnnxValue> results, node.expand_subgraph("body", std::move(arguments), part + std::to_string(t)));
    for (const OnnxValue& result : results)
      if (!result.tensor.valid()) return fail(Code::unsupported, "an output of the body is no tensor");
    for (size_t s = 0; s < scans; ++s) {
      like[s] = node.type(results[states.size() + s].tensor);
      if (length > 0) parts[s].push_back(results[states.size() + s].tensor);
    }
    if (length > 0) std::copy(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(states.size()), states.begin());
  }
  std::vector<ValueId> out;
  for (const OnnxValue& state : states) out.push_back(state.tensor);
  for (size_t s = 0; s < scans; ++s) {
    TN_ASSIGN(int64_t axis, node.axis(scan.output_axes[s], like[s].rank() + 1));
    TN_ASSIGN(ValueId made, stack(node, parts[s], static_cast<size_t>(axis), like[s], scan.output_reversed[s] != 0));
    out.push_back(made);
  }
  node.note(fmt::format("unroll {} iterations", length), "");
  return out;
}

// x at one place along an axis, which the result does not have.
Result<ValueId> pick(OnnxNode& node, ValueId x, size_t axis, ValueId at) {
  return node.add(kGather, {x, at}, {{"axis", static_cast<int64_t>(axis)}});
}

// A tensor whose axis 0 is moved to `axis`.
Result<ValueId> move_first_axis(OnnxNode& node, ValueId x, int64_t axis) {
  if (axis == 0) return x;
  std::vector<int64_t> perm;
  const auto rank = static_cast<int64_t>(node.type(x).rank());
  for (int64_t d = 1; d < rank; ++d) perm.push_back(d);
  perm.insert(perm.begin() + axis, 0);
  return transpose(node.build(), x, std::move(perm));
}

// The body is run with the number of the slice, by which it takes its slices.
Result<std::vector<ValueId>> scan_that_runs(OnnxNode& node, const ScanParts& scan) {
  RunLoop run;
  run.trips = scan.length;
  run.reversed = scan.output_reversed;
  run.carried.push_back(node.build().scalar(DType::i64, 0));
  for (size_t i = 0; i < scan.states.size(); ++i) {
    TN_ASSIGN(ValueId first, tensor_of(scan.states[i], "state", i));
    run.carried.push_back(first);
  }
  run.body = [&](OnnxNode& inside, const std::vector<ValueId>& carried) -> Result<RunLoop::Iteration> {
    std::vector<OnnxValue> arguments(carried.begin() + 1, carried.end());
    ValueId from_end;
    for (size_t i = 0; i < scan.inputs.size(); ++i) {
      ValueId at = carried[0];
      if (scan.inputs[i].reversed) {
        if (!from_end.valid()) {
          TN_ASSIGN(ValueId last, dim_value(inside, scan.length - Dim(1)));
          TN_ASSIGN(from_end, add_formula(inside, "sub(x0, x1)", {last, carried[0]}));
        }
        at = from_end;
      }
      TN_ASSIGN(ValueId slice, pick(inside, inside.input(scan.numbers[i]), scan.inputs[i].axis, at));
      arguments.push_back(slice);
    }
    TN_ASSIGN(std::vector<OnnxValue> results, inside.expand_subgraph("body", std::move(arguments), ""));
    RunLoop::Iteration out;
    TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried[0], inside.build().scalar(DType::i64, 1)}));
    out.next.push_back(next);
    for (size_t i = 0; i < results.size(); ++i) {
      TN_ASSIGN(ValueId result, tensor_of(results[i], "output", i));
      (i < scan.states.size() ? out.next : out.slices).push_back(result);
    }
    return out;
  };
  TN_ASSIGN(RunResults results, run_loop(node, std::move(run)));
  std::vector<ValueId> out(results.carried.begin() + 1, results.carried.end());
  for (size_t s = 0; s < results.stacked.size(); ++s) {
    TN_ASSIGN(int64_t axis, node.axis(scan.output_axes[s], node.type(results.stacked[s]).rank()));
    TN_ASSIGN(ValueId moved, move_first_axis(node, results.stacked[s], axis));
    out.push_back(moved);
  }
  return out;
}

bool is_small(const Graph& body, const Dim& iterations) {
  return iterations.is_constant() && iterations.value() <= kMostUnrolled / std::max<int64_t>(node_count(body), 1);
}

Result<std::vector<ValueId>> unrolled_or_run(OnnxNode& node, const Graph& body, const ScanParts& scan) {
  if (is_small(body, scan.length)) return unroll_scan(node, scan, "");
  auto made = scan_that_runs(node, scan);
  if (made || made.error().code != Code::unsupported || !scan.length.is_constant()) return made;
  auto unrolled = unroll_scan(node, scan, "");
  return unrolled ? std::move(unrolled) : std::move(made);
}

// The length that all scan inputs share.
Result<Dim> scan_length(OnnxNode& node, const std::vector<ScanInput>& inputs) {
  if (inputs.empty()) return fail(Code::invalid_model, "there is nothing to scan");
  const Dim& first = node.type(inputs[0].tensor).shape[inputs[0].axis];
  for (const ScanInput& input : inputs)
    if (const Dim& other = node.type(input.tensor).shape[input.axis]; !same_dim(other, first))
      return fail(Code::invalid_model, "scan inputs have {} and {} slices", first.text(), other.text());
  return first;
}

Result<size_t> scan_input_count(OnnxNode& node) {
  const int64_t count = node.attrs().integer("num_scan_inputs");
  if (count < 1 || static_cast<size_t>(count) > node.input_count())
    return fail(Code::invalid_model, "num_scan_inputs is {} of {} inputs", count, node.input_count());
  return static_cast<size_t>(count);
}

Status expand_scan(OnnxNode& node) {
  TN_TRY(expect_inputs(node, node.input_count()));
  TN_ASSIGN(size_t scanned, scan_input_count(node));
  const size_t states = node.input_count() - scanned;
  TN_ASSIGN(std::vector<int64_t> axes, per_scan(node, "scan_input_axes", scanned));
  TN_ASSIGN(std::vector<int64_t> reversed, per_scan(node, "scan_input_directions", scanned));
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  if (body->outputs.size() < states) return fail(Code::invalid_model, "the body has {} outputs for {} states", body->outputs.size(), states);
  ScanParts scan;
  TN_ASSIGN(scan.output_axes, per_scan(node, "scan_output_axes", body->outputs.size() - states));
  TN_ASSIGN(scan.output_reversed, per_scan(node, "scan_output_directions", body->outputs.size() - states));
  for (size_t i = 0; i < states; ++i) scan.states.push_back(node.value(i));
  for (size_t i = 0; i < scanned; ++i) {
    TN_ASSIGN(int64_t axis, node.axis(axes[i], node.rank(states + i)));
    scan.inputs.push_back({node.input(states + i), static_cast<size_t>(axis), reversed[i] != 0});
    scan.numbers.push_back(states + i);
  }
  TN_ASSIGN(scan.length, scan_length(node, scan.inputs));
  TN_ASSIGN(std::vector<ValueId> results, unrolled_or_run(node, *body, scan));
  for (size_t i = 0; i < results.size(); ++i) node.output(i, results[i]);
  return {};
}

// Op set 8: every input has the batch before its other dims. One loop over the members of the batch, in whose body another
// one goes over the slices.
Result<std::vector<ValueId>> batch_that_runs(OnnxNode& node, const ScanParts& whole, const Dim& batch) {
  RunLoop run;
  run.trips = batch;
  run.carried.push_back(node.build().scalar(DType::i64, 0));
  run.body = [&](OnnxNode& inside, const std::vector<ValueId>& carried) -> Result<RunLoop::Iteration> {
    ScanParts member = whole;
    member.states.clear();
    for (size_t i = 0; i < whole.states.size(); ++i) {
      TN_ASSIGN(ValueId state, pick(inside, inside.input(1 + i), 0, carried[0]));
      member.states.push_back(state);
    }
    RunLoop slices;
    slices.trips = whole.length;
    slices.carried.push_back(inside.build().scalar(DType::i64, 0));
    for (const OnnxValue& state : member.states) slices.carried.push_back(state.tensor);
    slices.carried.push_back(carried[0]);
    slices.body = [&](OnnxNode& within, const std::vector<ValueId>& now) -> Result<RunLoop::Iteration> {
      std::vector<OnnxValue> arguments(now.begin() + 1, now.end() - 1);
      TN_ASSIGN(ValueId length, dim_value(within, whole.length));
      for (size_t i = 0; i < whole.inputs.size(); ++i) {
        const ValueId input = within.input(whole.numbers[i]);
        Shape rows = within.type(input).shape;
        rows.erase(rows.begin());
        rows[0] = batch * whole.length;
        TN_ASSIGN(ValueId flat, reshape(within.build(), input, std::move(rows)));
        const std::string_view at = whole.inputs[i].reversed ? "sub(sub(mul(add(x0, 1), x1), 1), x2)" : "add(mul(x0, x1), x2)";
        TN_ASSIGN(ValueId row, add_formula(within, at, {now.back(), length, now[0]}));
        TN_ASSIGN(ValueId slice, pick(within, flat, 0, row));
        arguments.push_back(slice);
      }
      TN_ASSIGN(std::vector<OnnxValue> results, within.expand_subgraph("body", std::move(arguments), ""));
      RunLoop::Iteration out;
      TN_ASSIGN(ValueId next, add_formula(within, "add(x0, x1)", {now[0], within.build().scalar(DType::i64, 1)}));
      out.next.push_back(next);
      for (size_t i = 0; i < results.size(); ++i) {
        TN_ASSIGN(ValueId result, tensor_of(results[i], "output", i));
        (i < whole.states.size() ? out.next : out.slices).push_back(result);
      }
      out.next.push_back(now.back());
      return out;
    };
    TN_ASSIGN(RunResults results, run_loop(inside, std::move(slices)));
    RunLoop::Iteration out;
    TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried[0], inside.build().scalar(DType::i64, 1)}));
    out.next.push_back(next);
    out.slices.assign(results.carried.begin() + 1, results.carried.end() - 1);
    out.slices.insert(out.slices.end(), results.stacked.begin(), results.stacked.end());
    return out;
  };
  TN_ASSIGN(RunResults results, run_loop(node, std::move(run)));
  return results.stacked;
}

// Each member of a batch by itself, in the place of the node.
Result<std::vector<ValueId>> unroll_batch(OnnxNode& node, const ScanParts& whole, int64_t batch) {
  auto member = [&](size_t i, int64_t b) -> Result<ValueId> {
    Shape shape = node.type(i).shape;
    shape.erase(shape.begin());
    TN_ASSIGN(ValueId one, slice(node.build(), node.input(i), 0, Dim(b), Dim(1)));
    return reshape(node.build(), one, std::move(shape));
  };
  std::vector<std::vector<ValueId>> members(whole.states.size() + whole.output_axes.size());
  for (int64_t b = 0; b < batch; ++b) {
    ScanParts scan = whole;
    for (size_t i = 0; i < scan.states.size(); ++i) {
      TN_ASSIGN(ValueId state, member(1 + i, b));
      scan.states[i] = state;
    }
    for (size_t i = 0; i < scan.inputs.size(); ++i) {
      TN_ASSIGN(scan.inputs[i].tensor, member(scan.numbers[i], b));
    }
    TN_ASSIGN(std::vector<ValueId> results, unroll_scan(node, scan, fmt::format("{}/", b)));
    for (size_t i = 0; i < results.size(); ++i) members[i].push_back(results[i]);
  }
  std::vector<ValueId> out;
  for (std::vector<ValueId>& parts : members) {
    const TensorType like = node.type(parts[0]);
    TN_ASSIGN(ValueId joined, stack(node, std::move(parts), 0, like));
    out.push_back(joined);
  }
  return out;
}

Status expand_scan_8(OnnxNode& node) {
  TN_ASSIGN(size_t scanned, scan_input_count(node));
  if (node.input_count() < 1 + scanned) return fail(Code::invalid_model, "there are {} inputs for {} to scan", node.input_count(), scanned);
  const size_t states = node.input_count() - 1 - scanned;
  for (size_t i = 1; i < node.input_count(); ++i)
    if (!node.has(i) || node.rank(i) < (i > states ? 2 : 1))
      return fail(Code::invalid_model, "input {} must have a batch{}, it is {}", i, i > states ? " and a sequence" : "", print(node.type(i)));
  if (node.has(0)) return fail(Code::unsupported, "sequence_lens of a Scan is not supported: sequences must all be as long as the tensor");
  TN_ASSIGN(std::vector<int64_t> reversed, per_scan(node, "directions", scanned));
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  if (body->outputs.size() < states) return fail(Code::invalid_model, "the body has {} outputs for {} states", body->outputs.size(), states);
  const Dim batch = node.type(1).shape[0];
  ScanParts scan;
  for (size_t i = 1; i < node.input_count(); ++i) {
    if (!same_dim(node.type(i).shape[0], batch))
      return fail(Code::invalid_model, "input {} is {}, the batch is {}", i, print(node.type(i)), batch.text());
    if (i <= states) {
      scan.states.push_back(node.value(i));
      continue;
    }
    scan.inputs.push_back({node.input(i), 1, reversed[i - 1 - states] != 0});
    scan.numbers.push_back(i);
  }
  TN_ASSIGN(scan.length, scan_length(node, scan.inputs));
  for (ScanInput& input : scan.inputs) input.axis = 0;  // of a member
  scan.output_axes.assign(body->outputs.size() - states, 0);
  scan.output_reversed = scan.output_axes;
  std::vector<ValueId> results;
  if (batch.is_constant() && batch.value() > 0 && is_small(*body, batch * scan.length)) {
    TN_ASSIGN(results, unroll_batch(node, scan, batch.value()));
  } else {
    TN_ASSIGN(results, batch_that_runs(node, scan, batch));
  }
  for (size_t i = 0; i < results.size(); ++i) node.output(i, results[i]);
  return {};
}

constexpr OnnxRow kRows[] = {{"If", 1, expand_if, "", true},
                             {"Loop", 1, expand_loop, "", true},
                             {"Scan", 8, expand_scan_8},
                             {"Scan", 9, expand_scan}};

}  // namespace

const OpFile control_flow_ops{nullptr, kRows};

}  // namespace tenon
