// scatter_elements and scatter_nd: x with other elements where indices say.
#include "index/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr std::string_view kReductions[] = {"none", "add", "mul", "max", "min"};

Result<ScatterReduction> reduction_of(const Attrs& attrs) {
  std::string name = attrs.text("reduction", "none");
  for (size_t i = 0; i < std::size(kReductions); ++i)
    if (kReductions[i] == name) return static_cast<ScatterReduction>(i);
  return fail(Code::invalid_model, "scatter: reduction '{}' is none of none, add, mul, max, min", name);
}

Status expect_operands(NodeView view) {
  const DType indices = view.input(1).dtype;
  if (indices != DType::i32 && indices != DType::i64)
    return fail(Code::invalid_model, "scatter: indices must be i32 or i64, they are {}", print(view.input(1)));
  if (view.input(2).dtype != view.input(0).dtype)
    return fail(Code::invalid_model, "scatter: updates {} must have the type of {}", print(view.input(2)),
                print(view.input(0)));
  TN_TRY(reduction_of(view.attrs()));
  return {};
}

Inferred like_input(NodeView view) { return one_output({view.input(0).dtype, view.input(0).shape, kLinear}); }

constexpr AttrSpec kElementsAttrs[] = {{"axis", AttrKind::integer, true}, {"reduction", AttrKind::text}};
constexpr AttrSpec kNdAttrs[] = {{"reduction", AttrKind::text}};

Result<Inferred> infer_elements(NodeView view) {
  TN_TRY(expect_operands(view));
  const int64_t axis = view.attrs().integer("axis");
  const TensorType &x = view.input(0), &indices = view.input(1), &updates = view.input(2);
  if (axis < 0 || axis >= static_cast<int64_t>(x.rank()) || indices.rank() != x.rank() || updates.rank() != x.rank())
    return fail(Code::invalid_model, "scatter_elements: axis {} of {} by {} with {}", axis, print(x), print(indices),
                print(updates));
  for (size_t d = 0; d < x.rank(); ++d)
    if (!same_dim(indices.shape[d], updates.shape[d]))
      return fail(Code::invalid_model, "scatter_elements: updates {} must have the dims of indices {}", print(updates),
                  print(indices));
  return like_input(view);
}

Result<Inferred> infer_nd(NodeView view) {
  TN_TRY(expect_operands(view));
  const TensorType &x = view.input(0), &indices = view.input(1), &updates = view.input(2);
  if (indices.rank() < 1 || !indices.shape.back().is_constant() || indices.shape.back().value() < 1 ||
      indices.shape.back().value() > static_cast<int64_t>(x.rank()))
    return fail(Code::invalid_model, "scatter_nd: indices {} into {}", print(indices), print(x));
  const auto depth = static_cast<size_t>(indices.shape.back().value());
  if (updates.rank() != indices.rank() - 1 + x.rank() - depth)
    return fail(Code::invalid_model, "scatter_nd: updates {} for indices {} into {}", print(updates), print(indices),
                print(x));
  return like_input(view);
}

Result<KernelCall> reference_elements(NodeView view) {
  TN_ASSIGN(ScatterReduction reduction, reduction_of(view.attrs()));
  return KernelCall::with("scatter_elements.reference",
                          ScatterElementsParams{view.attrs().integer("axis"), reduction});
}

Result<KernelCall> reference_nd(NodeView view) {
  TN_ASSIGN(ScatterReduction reduction, reduction_of(view.attrs()));
  return KernelCall::with("scatter_nd.reference", ScatterNdParams{reduction});
}

Status onnx_scatter_elements(OnnxNode& node) {
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kScatterElements, {node.input(0), node.input(1), node.input(2)},
                                  {{"axis", axis}, {"reduction", node.attrs().text("reduction", "none")}}));
  node.output(0, out);
  return {};
}

Status onnx_scatter_nd(OnnxNode& node) {
  TN_ASSIGN(ValueId out, node.add(kScatterNd, {node.input(0), node.input(1), node.input(2)},
                                  {{"reduction", node.attrs().text("reduction", "none")}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kElementsRows[] = {{"Scatter", 9, onnx_scatter_elements},
                                     {"ScatterElements", 11, onnx_scatter_elements}};
constexpr OnnxRow kNdRows[] = {{"ScatterND", 11, onnx_scatter_nd}};

}  // namespace

const OpDef kScatterElements{.name = "scatter_elements", .min_inputs = 3, .max_inputs = 3, .attrs = kElementsAttrs,
                             .infer = infer_elements, .reference = reference_elements, .takes_texts = true};
const OpDef kScatterNd{.name = "scatter_nd", .min_inputs = 3, .max_inputs = 3, .attrs = kNdAttrs, .infer = infer_nd,
                       .reference = reference_nd, .takes_texts = true};
const OpFile scatter_elements_ops{&kScatterElements, kElementsRows};
const OpFile scatter_nd_ops{&kScatterNd, kNdRows};

}  // namespace tenon
