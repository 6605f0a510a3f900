// branch: one of two graphs computed when the network runs. See ir/control.h.
#include "ir/control.h"
#include "ir/found.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kThen, AttrKind::graph, true},  {kElse, AttrKind::graph, true}, {kWhich, AttrKind::shape, true},
                               {kSplit, AttrKind::integer},     {kThenSizes, AttrKind::shape},  {kElseSizes, AttrKind::shape},
                               {kFound, AttrKind::shape},       {kMost, AttrKind::shape}, {"vectors", AttrKind::shape}};

// Attribute `vectors` has, for each output whose dims differ, in order, how many elements either can have.
Result<Inferred> infer(NodeView view) {
  const Attrs& attrs = view.attrs();
  const GraphPtr graphs[] = {attrs.get<GraphPtr>(kThen), attrs.get<GraphPtr>(kElse)};
  const int64_t split = attrs.integer(kSplit);
  if (!graphs[0] || !graphs[1] || split < 0 || static_cast<size_t>(split) > view.input_count() ||
      graphs[0]->inputs.size() != static_cast<size_t>(split) ||
      graphs[1]->inputs.size() != view.input_count() - static_cast<size_t>(split) || graphs[0]->outputs.size() != graphs[1]->outputs.size() ||
      graphs[0]->outputs.empty() || attrs.shape(kWhich).size() != 1)
    return fail(Code::invalid_model, "branch: its graphs do not fit its {} inputs, or compute differently many values", view.input_count());
  for (size_t i = 0; i < view.input_count(); ++i) {
    const bool first = i < static_cast<size_t>(split);
    const Graph& graph = *graphs[first ? 0 : 1];
    const TensorType& inside = graph.value(graph.inputs[first ? i : i - static_cast<size_t>(split)]).type;
    if (!view.has_input(i) || inside.dtype != view.input(i).dtype || inside.rank() != view.input(i).rank())
      return fail(Code::invalid_model, "branch: input {} is {}, the graph's is {}", i, print(view.input(i)), print(inside));
  }
  Inferred out;
  const Shape vectors = attrs.shape("vectors");
  size_t vector = 0;
  for (size_t i = 0; i < graphs[0]->outputs.size(); ++i) {
    const TensorType &a = graphs[0]->value(graphs[0]->outputs[i]).type, &b = graphs[1]->value(graphs[1]->outputs[i]).type;
    if (a.dtype != b.dtype || a.rank() != b.rank())
      return fail(Code::invalid_model, "branch: output {} is {} of one graph and {} of the other", i, print(a), print(b));
    if (a == b) {
      out.outputs.push_back(a);
    } else {
      if (vector >= vectors.size()) return fail(Code::invalid_model, "branch: output {} differs, and its size is not said", i);
      out.outputs.push_back({a.dtype, {vectors[vector++]}, kLinear});
    }
  }
  const size_t sizes = attrs.shape(kThenSizes).size();
  if (vector != vectors.size() || attrs.shape(kElseSizes).size() != sizes || attrs.has(kFound) != (sizes > 0))
    return fail(Code::invalid_model, "branch: its sizes do not fit what its graphs compute");
  if (sizes > 0) {
    TN_TRY(check_found_attrs(view, sizes));
    out.outputs.push_back({DType::i64, {Dim(static_cast<int64_t>(sizes))}, kLinear});
  }
  return out;
}

}  // namespace

const OpDef kBranch{.name = "branch", .min_inputs = 0, .max_inputs = -1, .max_outputs = -1, .attrs = kAttrs, .infer = infer,
                    .reference = nullptr, .deterministic = false, .runs_graphs = true};
const OpFile branch_ops{&kBranch, {}};

}  // namespace tenon
