// unique: rows that are equal become one, as many as the run finds. ONNX: Unique.
#include "found/params.h"
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true}, {"sorted", AttrKind::integer}};

// values, first, inverse, counts, sizes.
Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  TN_TRY(check_found_attrs(view, 1));
  if (x.rank() != 2 || (!is_integer(x.dtype) && x.dtype != DType::boolean && (!is_float(x.dtype) || is_only_stored(x.dtype))))
    return fail(Code::invalid_model, "unique takes rows [m, r] of numbers or bools, not {}", print(x));
  Inferred out = one_output({x.dtype, x.shape, kLinear});
  for (int i = 0; i < 3; ++i) out.outputs.push_back({DType::i64, {x.shape[0]}, kLinear});
  out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("unique.reference", UniqueParams{view.attrs().integer("sorted", 1)});
}

Status expand_unique(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const bool flat = !node.attrs().has("axis");
  ValueId x = node.input(0);
  Shape rest;         // dims of one row
  std::vector<int64_t> back;  // the permutation that puts rows where the axis was
  if (flat) {
    TN_ASSIGN(x, reshape(node.build(), x, {element_count(node.type(0).shape), Dim(1)}));
  } else {
    TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
    std::vector<int64_t> front = {axis};
    for (int64_t d = 0; d < static_cast<int64_t>(node.rank(0)); ++d)
      if (d != axis) front.push_back(d);
    back.resize(front.size());
    for (size_t i = 0; i < front.size(); ++i) back[static_cast<size_t>(front[i])] = static_cast<int64_t>(i);
    TN_ASSIGN(x, transpose(node.build(), x, front));
    rest.assign(node.type(x).shape.begin() + 1, node.type(x).shape.end());
    TN_ASSIGN(x, reshape(node.build(), x, {node.type(x).shape[0], element_count(rest)}));
  }
  const Dim rows = node.type(x).shape[0];
  TN_ASSIGN(FoundSizes found, find_sizes(node, kUnique, {x}, {{"sorted", node.attrs().integer("sorted", 1)}}, 4, {rows}));
  TN_ASSIGN(ValueId values, slice(node.build(), found.outputs[0], 0, Dim(0), found.sizes[0]));
  Shape shape = {found.sizes[0]};
  shape.insert(shape.end(), rest.begin(), rest.end());
  TN_ASSIGN(values, reshape(node.build(), values, std::move(shape)));
  if (!flat) {
    TN_ASSIGN(values, transpose(node.build(), values, back));
  }
  node.output(0, values);
  for (size_t i : {size_t{1}, size_t{3}}) {
    TN_ASSIGN(ValueId part, slice(node.build(), found.outputs[i], 0, Dim(0), found.sizes[0]));
    node.output(i, part);
  }
  node.output(2, found.outputs[2]);
  return {};
}

constexpr OnnxRow kRows[] = {{"Unique", 11, expand_unique}};

}  // namespace

const OpDef kUnique{.name = "unique", .min_inputs = 1, .max_inputs = 1, .min_outputs = 5, .max_outputs = 5, .attrs = kAttrs,
                    .infer = infer, .reference = reference};
const OpFile unique_ops{&kUnique, kRows};

}  // namespace tenon
