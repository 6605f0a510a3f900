// loop: a graph computed again and again when the network runs. See ir/control.h.
#include "ir/control.h"
#include "ir/found.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kBody, AttrKind::graph, true},      {kTrips, AttrKind::shape, true},    {kCarried, AttrKind::integer},
                               {kReversed, AttrKind::integers},     {kCondition, AttrKind::shape},      {kFound, AttrKind::shape},
                               {kMost, AttrKind::shape}};

// Of one dim only the run may tell whether it is equal: by the tensor's bytes.
bool may_equal(const TensorType& a, const TensorType& b) {
  bool same = a.dtype == b.dtype && a.rank() == b.rank();
  int unknown = 0;
  for (size_t d = 0; same && d < a.rank(); ++d) {
    const Dim difference = a.shape[d] - b.shape[d];
    if (!difference.is_constant()) ++unknown;
    same = (!difference.is_constant() || difference.is(0)) && unknown <= 1;
  }
  return same;
}

Result<Inferred> infer(NodeView view) {
  const Attrs& attrs = view.attrs();
  const GraphPtr body = attrs.get<GraphPtr>(kBody);
  const int64_t carried = attrs.integer(kCarried);
  const std::vector<int64_t> reversed = attrs.integers(kReversed);
  const Shape trips = attrs.shape(kTrips), condition = attrs.shape(kCondition);
  if (!body || carried < 0 || static_cast<size_t>(carried) > view.input_count() || body->inputs.size() != view.input_count() ||
      body->outputs.size() != static_cast<size_t>(carried) + reversed.size())
    return fail(Code::invalid_model, "loop: a body of {} inputs and {} outputs does not fit {} inputs, {} of them carried, and {} stacked outputs",
                body ? body->inputs.size() : 0, body ? body->outputs.size() : 0, view.input_count(), carried, reversed.size());
  if (trips.size() != 1 || condition.size() > 1 || (condition.size() == 1 && !condition[0].symbol_name().starts_with(kFoundPrefix)))
    return fail(Code::invalid_model, "loop: it needs one number of iterations, and one size for its condition at most");
  for (size_t i = 0; i < view.input_count(); ++i)
    if (const TensorType& inside = body->value(body->inputs[i]).type; !view.has_input(i) || !may_equal(inside, view.input(i)))
      return fail(Code::invalid_model, "loop: input {} is {}, the body's is {}", i, print(view.input(i)), print(inside));
  Inferred out;
  for (size_t c = 0; c < static_cast<size_t>(carried); ++c) {
    if (const TensorType& next = body->value(body->outputs[c]).type; !may_equal(next, view.input(c)))
      return fail(Code::unsupported, "what a loop carries must keep its type: carried value {} is {} before an iteration and {} after it", c,
                  print(view.input(c)), print(next));
    out.outputs.push_back(view.input(c));
  }
  for (size_t s = 0; s < reversed.size(); ++s) {
    TensorType type = body->value(body->outputs[static_cast<size_t>(carried) + s]).type;
    type.shape.insert(type.shape.begin(), trips[0]);
    out.outputs.push_back(std::move(type));
  }
  if (attrs.has(kFound)) {
    TN_TRY(check_found_attrs(view, 1));
    out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  }
  if (out.outputs.empty()) return fail(Code::invalid_model, "loop: it carries and stacks nothing");
  return out;
}

}  // namespace

const OpDef kLoop{.name = "loop", .min_inputs = 0, .max_inputs = -1, .max_outputs = -1, .attrs = kAttrs, .infer = infer,
                  .reference = nullptr, .deterministic = false, .runs_graphs = true};
const OpFile loop_ops{&kLoop, {}};

}  // namespace tenon
