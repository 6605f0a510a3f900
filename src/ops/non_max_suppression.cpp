// non_max_suppression: of each batch and class, boxes by falling score that overlap none chosen before, as many as the run
// finds. ONNX: NonMaxSuppression.
#include "found/params.h"
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true}, {"center_point_box", AttrKind::integer}};

Result<Inferred> infer(NodeView view) {
  const TensorType &boxes = view.input(0), &scores = view.input(1);
  TN_TRY(check_found_attrs(view, 1));
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dtype != DType::f32 || scores.dtype != DType::f32 ||
      always_equal(boxes.shape[2], Dim(4)) == false || always_equal(boxes.shape[0], scores.shape[0]) == false ||
      always_equal(boxes.shape[1], scores.shape[2]) == false)
    return fail(Code::invalid_model, "boxes must be f32[B,N,4] and scores f32[B,C,N], they are {} and {}", print(boxes), print(scores));
  for (size_t i = 2; i < 5; ++i)
    if (view.has_input(i) && (view.input(i).dtype != (i == 2 ? DType::i64 : DType::f32) || !element_count(view.input(i).shape).is(1)))
      return fail(Code::invalid_model, "input {} must be one {}, it is {}", i, i == 2 ? "i64" : "f32", print(view.input(i)));
  Inferred out = one_output({DType::i64, {view.attrs().shape(kMost)[0], Dim(3)}, kLinear});
  out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("non_max_suppression.reference", NonMaxSuppressionParams{view.attrs().integer("center_point_box")});
}

Status expand_nms(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  if (node.rank(0) != 3 || node.rank(1) != 3)
    return fail(Code::invalid_model, "boxes and scores must have 3 dims, they are {} and {}", print(node.type(0)), print(node.type(1)));
  const Shape scores = node.type(1).shape;
  // Per class no more than there are boxes, nor than the model says where that is known.
  Dim each = scores[2];
  if (!node.has(2)) {
    each = Dim(0);
  } else {
    TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(2), "max_output_boxes_per_class"));
    if (known) each = min(each, Dim(std::max<int64_t>(static_cast<int64_t>(*known), 0)));
  }
  if (each.is(0)) {
    node.output(0, node.build().constant({DType::i64, {Dim(0), Dim(3)}, kLinear}, {}));
    return {};
  }
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 5; ++i) inputs.push_back(node.input(i));
  TN_ASSIGN(FoundSizes found, find_sizes(node, kNonMaxSuppression, std::move(inputs),
                                         {{"center_point_box", node.attrs().integer("center_point_box")}}, 1,
                                         {scores[0] * scores[1] * each}));
  TN_ASSIGN(ValueId chosen, slice(node.build(), found.outputs[0], 0, Dim(0), found.sizes[0]));
  node.output(0, chosen);
  return {};
}

constexpr OnnxRow kRows[] = {{"NonMaxSuppression", 10, expand_nms}};

}  // namespace

const OpDef kNonMaxSuppression{.name = "non_max_suppression", .min_inputs = 2, .max_inputs = 5, .min_outputs = 2, .max_outputs = 2,
                               .attrs = kAttrs, .infer = infer, .reference = reference};
const OpFile non_max_suppression_ops{&kNonMaxSuppression, kRows};

}  // namespace tenon
