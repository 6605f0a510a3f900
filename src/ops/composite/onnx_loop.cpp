// Loop: unrolled where its course is known when the plan is built and that is little; else a node of the core op loop.
#include <algorithm>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/run_loop.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<bool> is_true(OnnxNode& node, ValueId condition, std::string_view what) {
  TN_ASSIGN(std::optional<double> known, node.known_scalar(condition, what));
  if (known) return *known != 0;
  return fail(Code::unsupported, "{} is computed from tensor values; it must be known when the plan is built", what);
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
  if (!node.has(0)) return TripCount{};
  const DType type = node.type(0).dtype;
  if ((type != DType::i64 && type != DType::i32) || !element_count(node.type(0).shape).is(1))
    return fail(Code::invalid_model, "the trip count must be one integer, it is {}", print(node.type(0)));
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "trip count"));
  if (known) return TripCount{Dim(*known >= 0x1p62 ? INT64_MAX : *known > 0 ? static_cast<int64_t>(*known) : 0), {}, {}};
  TN_ASSIGN(Content content, use_content(node.graph(), node.input(0), fmt::format("trip count of '{}'", node.name())));
  if (content && content->size() == 1) {
    const Dim count = (*content)[0];
    return TripCount{count.symbol_name().empty() ? max(count, Dim(0)) : count, {}, {}};  // a symbol is a tensor's dim
  }
  return TripCount{Dim(INT64_MAX), node.input(0), bound_of(node, node.input(0))};
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
    return fail(Code::unsupported, "the trip count is computed from tensor values or depends on dynamic dims; it must be known when the "
                                   "plan is built");
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
  for (size_t i = 0; i < loop.carried.size(); ++i) {
    TN_ASSIGN(ValueId first, tensor_of(loop.carried[i], "carried value", i));
    run.carried.push_back(first);
  }
  if (numbered) run.carried.push_back(node.build().scalar(DType::i64, 0));
  run.body = [&](OnnxNode& inside, const std::vector<ValueId>& carried) -> Result<RunLoop::Iteration> {
    std::vector<OnnxValue> arguments = {numbered ? carried.back() : inside.build().scalar(DType::i64, 0), inside.build().scalar(DType::boolean, 1)};
    arguments.insert(arguments.end(), carried.begin(), carried.end() - numbered);
    TN_ASSIGN(std::vector<OnnxValue> results, inside.expand_subgraph("body", std::move(arguments), ""));
    RunLoop::Iteration out;
    TN_ASSIGN(ValueId condition, tensor_of(results[0], "the condition, output", 0));
    if (inside.type(condition).dtype != DType::boolean || !element_count(inside.type(condition).shape).is(1))
      return fail(Code::invalid_model, "the body's condition must be one bool, it is {}", print(inside.type(condition)));
    TN_ASSIGN(std::optional<double> known, inside.known_scalar(condition, "the loop's condition"));
    if (!known) out.condition = condition;
    out.is_last = known && *known == 0;
    if (!out.condition.valid() && !out.is_last && !loop.trips.computed.valid() && loop.trips.most.is(INT64_MAX))
      return fail(Code::invalid_model, "the loop never ends: it has no trip count, and its condition always holds");
    for (size_t i = 0; i < loop.carried.size(); ++i) {
      TN_ASSIGN(ValueId next, tensor_of(results[1 + i], "carried value", i));
      out.next.push_back(next);
    }
    if (numbered) {
      TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried.back(), inside.build().scalar(DType::i64, 1)}));
      out.next.push_back(next);
    }
    for (size_t s = 0; s < loop.scans; ++s) {
      TN_ASSIGN(ValueId slice, tensor_of(results[1 + loop.carried.size() + s], "scan output", s));
      out.slices.push_back(slice);
    }
    return out;
  };
  TN_ASSIGN(RunResults results, run_loop(node, std::move(run)));
  std::vector<OnnxValue> out(results.carried.begin(), results.carried.end() - numbered);
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
    return trail(std::move(made.error()),
                 "a loop that carries a sequence is unrolled: its trip count and condition must be known when the plan is built");
  if (!made) return tl::unexpected<Error>(std::move(made.error()));
  for (size_t i = 0; i < made->size(); ++i) node.output(i, (*made)[i]);
  return {};
}

constexpr OnnxRow kRows[] = {{"Loop", 1, expand_loop, "", true}};

}  // namespace

const OpFile onnx_loop_ops{nullptr, kRows};

}  // namespace tenon
