// Scan: unrolled where its length is known when the plan is built and that is little; else a loop over the slices' numbers.
#include <algorithm>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/run_loop.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

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
  for (size_t i = 0; i < scan.states.size(); ++i) {
    TN_ASSIGN(ValueId first, tensor_of(scan.states[i], "state", i));
    run.carried.push_back(first);
  }
  run.carried.push_back(node.build().scalar(DType::i64, 0));
  run.body = [&](OnnxNode& inside, const std::vector<ValueId>& carried) -> Result<RunLoop::Iteration> {
    std::vector<OnnxValue> arguments(carried.begin(), carried.end() - 1);
    ValueId from_end;
    for (size_t i = 0; i < scan.inputs.size(); ++i) {
      ValueId at = carried.back();
      if (scan.inputs[i].reversed) {
        if (!from_end.valid()) {
          TN_ASSIGN(ValueId last, dim_value(inside, scan.length - Dim(1)));
          TN_ASSIGN(from_end, add_formula(inside, "sub(x0, x1)", {last, carried.back()}));
        }
        at = from_end;
      }
      TN_ASSIGN(ValueId slice, pick(inside, inside.input(scan.numbers[i]), scan.inputs[i].axis, at));
      arguments.push_back(slice);
    }
    TN_ASSIGN(std::vector<OnnxValue> results, inside.expand_subgraph("body", std::move(arguments), ""));
    RunLoop::Iteration out;
    for (size_t i = 0; i < results.size(); ++i) {
      TN_ASSIGN(ValueId result, tensor_of(results[i], "output", i));
      (i < scan.states.size() ? out.next : out.slices).push_back(result);
    }
    TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried.back(), inside.build().scalar(DType::i64, 1)}));
    out.next.push_back(next);
    return out;
  };
  TN_ASSIGN(RunResults results, run_loop(node, std::move(run)));
  std::vector<ValueId> out(results.carried.begin(), results.carried.end() - 1);
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
    RunLoop slices;
    slices.trips = whole.length;
    for (size_t i = 0; i < whole.states.size(); ++i) {
      TN_ASSIGN(ValueId state, pick(inside, inside.input(1 + i), 0, carried[0]));
      slices.carried.push_back(state);
    }
    slices.carried.push_back(carried[0]);  // of the batch
    slices.carried.push_back(inside.build().scalar(DType::i64, 0));
    slices.body = [&](OnnxNode& within, const std::vector<ValueId>& now) -> Result<RunLoop::Iteration> {
      const ValueId which = now[now.size() - 2], number = now.back();
      std::vector<OnnxValue> arguments(now.begin(), now.end() - 2);
      TN_ASSIGN(ValueId length, dim_value(within, whole.length));
      for (size_t i = 0; i < whole.inputs.size(); ++i) {
        const ValueId input = within.input(whole.numbers[i]);
        Shape rows = within.type(input).shape;
        rows.erase(rows.begin());
        rows[0] = batch * whole.length;
        TN_ASSIGN(ValueId flat, reshape(within.build(), input, std::move(rows)));
        const std::string_view at = whole.inputs[i].reversed ? "sub(sub(mul(add(x0, 1), x1), 1), x2)" : "add(mul(x0, x1), x2)";
        TN_ASSIGN(ValueId row, add_formula(within, at, {which, length, number}));
        TN_ASSIGN(ValueId slice, pick(within, flat, 0, row));
        arguments.push_back(slice);
      }
      TN_ASSIGN(std::vector<OnnxValue> results, within.expand_subgraph("body", std::move(arguments), ""));
      RunLoop::Iteration out;
      for (size_t i = 0; i < results.size(); ++i) {
        TN_ASSIGN(ValueId result, tensor_of(results[i], "output", i));
        (i < whole.states.size() ? out.next : out.slices).push_back(result);
      }
      TN_ASSIGN(ValueId next, add_formula(within, "add(x0, x1)", {number, within.build().scalar(DType::i64, 1)}));
      out.next.push_back(which);
      out.next.push_back(next);
      return out;
    };
    TN_ASSIGN(RunResults results, run_loop(inside, std::move(slices)));
    RunLoop::Iteration out;
    TN_ASSIGN(ValueId next, add_formula(inside, "add(x0, x1)", {carried[0], inside.build().scalar(DType::i64, 1)}));
    out.next.push_back(next);
    out.slices.assign(results.carried.begin(), results.carried.end() - 2);
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

constexpr OnnxRow kRows[] = {{"Scan", 8, expand_scan_8}, {"Scan", 9, expand_scan}};

}  // namespace

const OpFile scan_ops{nullptr, kRows};

}  // namespace tenon
