// gather_nd: slices of x, each named by a row of the indices.
#include "index/params.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"batch_dims", AttrKind::integer}};

Result<Inferred> infer(NodeView view) {
  const TensorType &x = view.input(0), &indices = view.input(1);
  const int64_t batch = view.attrs().integer("batch_dims");
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    return fail(Code::invalid_model, "gather_nd: indices must be i32 or i64, they are {}", print(indices));
  if (batch < 0 || batch >= static_cast<int64_t>(std::min(x.rank(), indices.rank())))
    return fail(Code::invalid_model, "gather_nd: {} batch dims of {} by {}", batch, print(x), print(indices));
  const Dim& depth = indices.shape.back();
  if (!depth.is_constant() || depth.value() < 1 || depth.value() > static_cast<int64_t>(x.rank()) - batch)
    return fail(Code::invalid_model, "gather_nd: rows of {} indices into {} after {} batch dims", depth.text(), print(x),
                batch);
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  for (size_t d = 0; d < static_cast<size_t>(batch); ++d) {
    auto same = same_dim(shape[d], x.shape[d]);
    if (!same)
      return fail(Code::invalid_model, "gather_nd: batch dim {} of {} differs from that of {}", d, print(x),
                  print(indices));
    shape[d] = *same;
  }
  shape.insert(shape.end(), x.shape.begin() + batch + depth.value(), x.shape.end());
  return one_output({x.dtype, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("gather_nd.reference", GatherNdParams{view.attrs().integer("batch_dims")});
}

Status onnx_gather_nd(OnnxNode& node) {
  TN_ASSIGN(ValueId out, node.add(kGatherNd, {node.input(0), node.input(1)},
                                  {{"batch_dims", node.attrs().integer("batch_dims")}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"GatherND", 11, onnx_gather_nd}};

}  // namespace

const OpDef kGatherNd{.name = "gather_nd", .min_inputs = 2, .max_inputs = 2, .attrs = kAttrs, .infer = infer,
                      .reference = reference, .takes_texts = true};
const OpFile gather_nd_ops{&kGatherNd, kRows};

}  // namespace tenon
