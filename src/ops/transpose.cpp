// transpose: dims in another order.
#include <algorithm>

#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"perm", AttrKind::integers, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  std::vector<int64_t> perm = view.attrs().integers("perm");
  TN_TRY(expect_permutation(perm, x.rank()));
  Shape shape;
  for (int64_t p : perm) shape.push_back(x.shape[static_cast<size_t>(p)]);
  return one_output({x.dtype, std::move(shape), kLinear}, content_of(view, 0));
}

Result<KernelCall> reference(NodeView view) {
  std::vector<int64_t> perm = view.attrs().integers("perm");
  TransposeParams params;
  params.rank = static_cast<int64_t>(perm.size());
  std::copy(perm.begin(), perm.end(), params.perm);
  return KernelCall::with("transpose.reference", params);
}

// Where only dims of 1 move, the elements stay where they are.
Result<bool> as_reshape(NodeView view, Patch& patch) {
  const Shape& shape = view.input(0).shape;
  int64_t last = -1;
  for (int64_t p : view.attrs().integers("perm")) {
    if (shape[static_cast<size_t>(p)].is(1)) continue;
    if (p < last) return false;
    last = p;
  }
  TN_ASSIGN(ValueId view_value, reshape(patch, view.node().inputs[0], view.output(0).shape));
  patch.replace(view.node().outputs[0], view_value);
  return true;
}

Result<bool> merge(NodeView view, Patch& patch) {
  const Node* inner = view.graph().producer(view.node().inputs[0]);
  if (!inner || inner->op != &kTranspose) return false;
  std::vector<int64_t> first = inner->attrs.integers("perm"), perm;
  for (int64_t p : view.attrs().integers("perm")) perm.push_back(first[static_cast<size_t>(p)]);
  TN_ASSIGN(ValueId merged, transpose(patch, inner->inputs[0], std::move(perm)));
  patch.replace(view.node().outputs[0], merged);
  return true;
}

constexpr Rule kRules[] = {{"transpose_as_reshape", as_reshape}, {"merge_transposes", merge}};

Status onnx_transpose(OnnxNode& node) {
  std::vector<int64_t> perm = node.attrs().integers("perm");
  if (!node.attrs().has("perm"))
    for (size_t i = node.rank(0); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  TN_TRY(expect_permutation(perm, node.rank(0)));
  TN_ASSIGN(ValueId out, transpose(node.build(), node.input(0), std::move(perm)));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"Transpose", 1, onnx_transpose}};

}  // namespace

const OpDef kTranspose{.name = "transpose", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                       .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile transpose_ops{&kTranspose, kRows};

}  // namespace tenon
