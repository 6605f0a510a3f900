// If, Loop and Scan whose course is known when the plan is built: their sub-graphs are put in the place of the node, loops
// unrolled. An If whose condition is not known computes both branches and chooses between the results.
#include <algorithm>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<bool> is_true(OnnxNode& node, ValueId condition, std::string_view what) {
  TN_ASSIGN(std::optional<double> known, node.known_scalar(condition, what));
  if (known) return *known != 0;
  return fail(Code::unsupported, "{} is computed from tensor values; it must be known when the plan is built", what);
}

// ── If ──

// Of what both branches make, where the condition holds the first.
Result<OnnxValue> choose(OnnxNode& node, ValueId condition, const OnnxValue& then, const OnnxValue& otherwise, size_t output) {
  if (then.list && otherwise.list && then.list->size() == otherwise.list->size()) {
    std::vector<OnnxValue> items;
    for (size_t i = 0; i < then.list->size(); ++i) {
      TN_ASSIGN(OnnxValue item, choose(node, condition, (*then.list)[i], (*otherwise.list)[i], output));
      items.push_back(std::move(item));
    }
    return OnnxValue::of_list(std::move(items));
  }
  if (then.is_none && otherwise.is_none) return then;
  if (!then.tensor.valid() || !otherwise.tensor.valid() || node.type(then.tensor) != node.type(otherwise.tensor)) {
    auto text = [&](const OnnxValue& v) {
      return v.tensor.valid() ? print(node.type(v.tensor)) : v.list ? fmt::format("a sequence of {}", v.list->size()) : "nothing";
    };
    return fail(Code::unsupported,
                "output {} is {} of one branch and {} of the other: the condition must be known when the plan is built (a constant, or "
                "made from shapes)",
                output, text(then), text(otherwise));
  }
  if (then.tensor == otherwise.tensor) return then;
  TN_ASSIGN(ValueId chosen, where(node, condition, then.tensor, otherwise.tensor));
  return OnnxValue(chosen);
}

Status expand_if(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  if (node.type(0).dtype != DType::boolean || !element_count(node.type(0).shape).is(1))
    return fail(Code::invalid_model, "the condition must be one bool, it is {}", print(node.type(0)));
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "condition"));
  std::vector<OnnxValue> results;
  if (known) {
    const bool holds = *known != 0;
    TN_ASSIGN(results, node.expand_subgraph(holds ? "then_branch" : "else_branch", {}, holds ? "then" : "else"));
  } else {
    TN_ASSIGN(std::vector<OnnxValue> then, node.expand_subgraph("then_branch", {}, "then"));
    TN_ASSIGN(std::vector<OnnxValue> otherwise, node.expand_subgraph("else_branch", {}, "else"));
    if (then.size() != otherwise.size())
      return fail(Code::invalid_model, "one branch has {} outputs, the other {}", then.size(), otherwise.size());
    TN_ASSIGN(ValueId condition, reshape(node.build(), node.input(0), {}));
    for (size_t i = 0; i < then.size(); ++i) {
      TN_ASSIGN(OnnxValue chosen, choose(node, condition, then[i], otherwise[i], i));
      results.push_back(std::move(chosen));
    }
    node.note("run one branch", "the condition is not known when the plan is built: both are computed, then chosen from");
  }
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

// ── Loop ──

// Iterations that Loop may make: the trip count, or as many as the condition lets pass.
Result<int64_t> trip_count(OnnxNode& node) {
  if (!node.has(0)) return INT64_MAX;
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "trip count"));
  if (known) return *known >= 0x1p62 ? INT64_MAX : *known > 0 ? static_cast<int64_t>(*known) : 0;
  return fail(Code::unsupported, "the trip count is computed from tensor values or depends on dynamic dims; it must be known when the "
                                 "plan is built");
}

Status expand_loop(OnnxNode& node) {
  TN_ASSIGN(int64_t count, trip_count(node));
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  std::vector<OnnxValue> carried;
  for (size_t i = 2; i < node.input_count(); ++i) carried.push_back(node.value(i));
  if (body->outputs.size() < 1 + carried.size())
    return fail(Code::invalid_model, "the body has {} outputs, a condition and {} carried values are needed", body->outputs.size(), carried.size());
  ValueId condition = node.has(1) ? node.input(1) : node.build().scalar(DType::boolean, 1);
  std::vector<std::vector<ValueId>> scans(body->outputs.size() - 1 - carried.size());
  auto iteration = [&](int64_t i) -> Result<std::vector<OnnxValue>> {
    const int64_t number[] = {i};
    std::vector<OnnxValue> arguments = {node.build().constant({DType::i64, {}, kLinear}, std::as_bytes(std::span(number))), condition};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    return node.expand_subgraph("body", std::move(arguments), std::to_string(i));
  };
  std::vector<OnnxValue> sample;
  int64_t done = 0;
  for (; done < count; ++done) {
    TN_ASSIGN(bool more, is_true(node, condition, "the loop's condition"));
    if (!more) break;
    TN_ASSIGN(std::vector<OnnxValue> results, iteration(done));
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
  node.note(fmt::format("unroll {} iterations", done), "");
  TN_ASSIGN(std::vector<ValueId> outputs, stacked(node, scans, sample, 1 + carried.size()));
  for (size_t i = 0; i < carried.size(); ++i) node.output(i, carried[i]);
  for (size_t s = 0; s < outputs.size(); ++s) node.output(carried.size() + s, outputs[s]);
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

// Runs the body over `length` slices; returns final states, then scan outputs.
Result<std::vector<ValueId>> scan(OnnxNode& node, std::vector<OnnxValue> states, const std::vector<ScanInput>& inputs, int64_t length,
                                  const std::vector<int64_t>& output_axes, const std::vector<int64_t>& output_reversed,
                                  const std::string& part) {
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  if (body->outputs.size() < states.size())
    return fail(Code::invalid_model, "the body has {} outputs for {} states", body->outputs.size(), states.size());
  const size_t scans = body->outputs.size() - states.size();
  std::vector<std::vector<ValueId>> parts(scans);
  std::vector<TensorType> like(scans);
  for (int64_t t = 0; t < std::max<int64_t>(length, 1); ++t) {
    std::vector<OnnxValue> arguments = states;
    for (const ScanInput& input : inputs) {
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
    TN_ASSIGN(int64_t axis, node.axis(output_axes[s], like[s].rank() + 1));
    TN_ASSIGN(ValueId made, stack(node, parts[s], static_cast<size_t>(axis), like[s], output_reversed[s] != 0));
    out.push_back(made);
  }
  return out;
}

// The length that all scan inputs share.
Result<int64_t> scan_length(OnnxNode& node, const std::vector<ScanInput>& inputs) {
  if (inputs.empty()) return fail(Code::invalid_model, "there is nothing to scan");
  const Dim& first = node.type(inputs[0].tensor).shape[inputs[0].axis];
  for (const ScanInput& input : inputs)
    if (const Dim& other = node.type(input.tensor).shape[input.axis]; !(other == first))
      return fail(Code::invalid_model, "scan inputs have {} and {} slices", first.text(), other.text());
  if (first.is_constant()) return first.value();
  return fail(Code::unsupported, "the number of slices, {}, is dynamic; it must be constant", first.text());
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
  const size_t outputs = body->outputs.size() - std::min(states, body->outputs.size());
  TN_ASSIGN(std::vector<int64_t> output_axes, per_scan(node, "scan_output_axes", outputs));
  TN_ASSIGN(std::vector<int64_t> output_reversed, per_scan(node, "scan_output_directions", outputs));
  std::vector<OnnxValue> initial;
  for (size_t i = 0; i < states; ++i) initial.push_back(node.value(i));
  std::vector<ScanInput> inputs;
  for (size_t i = 0; i < scanned; ++i) {
    TN_ASSIGN(int64_t axis, node.axis(axes[i], node.rank(states + i)));
    inputs.push_back({node.input(states + i), static_cast<size_t>(axis), reversed[i] != 0});
  }
  TN_ASSIGN(int64_t length, scan_length(node, inputs));
  TN_ASSIGN(std::vector<ValueId> results, scan(node, std::move(initial), inputs, length, output_axes, output_reversed, ""));
  node.note(fmt::format("unroll {} iterations", length), "");
  for (size_t i = 0; i < results.size(); ++i) node.output(i, results[i]);
  return {};
}

// Op set 8: every input has the batch before its other dims, and each of the batch may have a length of its own.
Status expand_scan_8(OnnxNode& node) {
  TN_ASSIGN(size_t scanned, scan_input_count(node));
  if (node.input_count() < 1 + scanned) return fail(Code::invalid_model, "there are {} inputs for {} to scan", node.input_count(), scanned);
  const size_t states = node.input_count() - 1 - scanned;
  for (size_t i = 1; i < node.input_count(); ++i)
    if (!node.has(i) || node.rank(i) < (i > states ? 2 : 1))
      return fail(Code::invalid_model, "input {} must have a batch{}, it is {}", i, i > states ? " and a sequence" : "", print(node.type(i)));
  if (node.has(0)) return fail(Code::unsupported, "sequence_lens of a Scan is not supported: sequences must all be as long as the tensor");
  TN_ASSIGN(std::vector<int64_t> reversed, per_scan(node, "directions", scanned));
  const Dim batch = node.type(1).shape[0];
  if (!batch.is_constant()) return fail(Code::unsupported, "the batch, {}, is dynamic; it must be constant", batch.text());
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  const size_t outputs = body->outputs.size() - std::min(states, body->outputs.size());
  auto member = [&](size_t i, int64_t b) -> Result<ValueId> {
    if (!(node.type(i).shape[0] == batch)) return fail(Code::invalid_model, "input {} is {}, the batch is {}", i, print(node.type(i)), batch.text());
    Shape shape = node.type(i).shape;
    shape.erase(shape.begin());
    TN_ASSIGN(ValueId one, slice(node.build(), node.input(i), 0, Dim(b), Dim(1)));
    return reshape(node.build(), one, std::move(shape));
  };
  std::vector<std::vector<ValueId>> members(states + outputs);
  for (int64_t b = 0; b < batch.value(); ++b) {
    std::vector<OnnxValue> initial;
    for (size_t i = 0; i < states; ++i) {
      TN_ASSIGN(ValueId state, member(1 + i, b));
      initial.push_back(state);
    }
    std::vector<ScanInput> inputs;
    for (size_t i = 0; i < scanned; ++i) {
      TN_ASSIGN(ValueId input, member(1 + states + i, b));
      inputs.push_back({input, 0, reversed[i] != 0});
    }
    TN_ASSIGN(int64_t length, scan_length(node, inputs));
    const std::vector<int64_t> zeros(outputs, 0);
    TN_ASSIGN(std::vector<ValueId> results, scan(node, std::move(initial), inputs, length, zeros, zeros, fmt::format("{}/", b)));
    for (size_t i = 0; i < results.size(); ++i) members[i].push_back(results[i]);
  }
  if (batch.is(0)) return fail(Code::unsupported, "a Scan over an empty batch is not supported");
  for (size_t i = 0; i < members.size(); ++i) {
    TN_ASSIGN(ValueId joined, stack(node, members[i], 0, TensorType(node.type(members[i][0]))));
    node.output(i, joined);
  }
  return {};
}

constexpr OnnxRow kRows[] = {{"If", 1, expand_if, "", true},
                             {"Loop", 1, expand_loop, "", true},
                             {"Scan", 8, expand_scan_8},
                             {"Scan", 9, expand_scan}};

}  // namespace

const OpFile control_flow_ops{nullptr, kRows};

}  // namespace tenon
