// cumsum, top_k and reverse_sequence: what goes along one axis.
#include "index/params.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_axis(int64_t axis, const TensorType& x) {
  if (axis >= 0 && axis < static_cast<int64_t>(x.rank())) return {};
  return fail(Code::invalid_model, "axis {} of {}", axis, print(x));
}

constexpr AttrSpec kCumsumAttrs[] = {
    {"axis", AttrKind::integer, true}, {"exclusive", AttrKind::integer}, {"reverse", AttrKind::integer},
    {"product", AttrKind::integer}};
constexpr AttrSpec kTopKAttrs[] = {
    {"axis", AttrKind::integer, true}, {"k", AttrKind::shape, true}, {"largest", AttrKind::integer}};
constexpr AttrSpec kReverseAttrs[] = {{"batch_axis", AttrKind::integer, true}, {"time_axis", AttrKind::integer, true}};

Result<Inferred> infer_cumsum(NodeView view) {
  const TensorType& x = view.input(0);
  TN_TRY(expect_axis(view.attrs().integer("axis"), x));
  if (!is_float(x.dtype) && !is_integer(x.dtype)) return fail(Code::invalid_model, "cumsum of {}", print(x));
  return one_output({x.dtype, x.shape, kLinear});
}

Result<KernelCall> reference_cumsum(NodeView view) {
  const Attrs& attrs = view.attrs();
  return KernelCall::with("cumsum.reference",
                          CumsumParams{attrs.integer("axis"), attrs.integer("exclusive"), attrs.integer("reverse"),
                                       attrs.integer("product")});
}

Result<Inferred> infer_top_k(NodeView view) {
  const TensorType& x = view.input(0);
  const int64_t axis = view.attrs().integer("axis");
  Shape k = view.attrs().shape("k"), shape = x.shape;
  TN_TRY(expect_axis(axis, x));
  const auto along = static_cast<size_t>(axis);
  if (k.size() != 1 || at_least(Dim(-1) - k[0], 0) || at_least(k[0] - shape[along], 1))
    return fail(Code::invalid_model, "top_k: k is {} along dim {} of {}", print(k), axis, print(x));
  shape[along] = k[0];
  Inferred out = one_output({x.dtype, shape, kLinear});
  out.outputs.push_back({DType::i64, shape, kLinear});
  return out;
}

Result<KernelCall> reference_top_k(NodeView view) {
  return KernelCall::with("top_k.reference",
                          TopKParams{view.attrs().integer("axis"), view.attrs().integer("largest", 1)});
}

Result<Inferred> infer_reverse(NodeView view) {
  const TensorType &x = view.input(0), &lengths = view.input(1);
  const int64_t batch = view.attrs().integer("batch_axis"), time = view.attrs().integer("time_axis");
  TN_TRY(expect_axis(batch, x));
  TN_TRY(expect_axis(time, x));
  if (batch == time || lengths.rank() != 1 || (lengths.dtype != DType::i64 && lengths.dtype != DType::i32))
    return fail(Code::invalid_model, "reverse_sequence: {} by lengths {}, batch axis {}, time axis {}", print(x),
                print(lengths), batch, time);
  return one_output({x.dtype, x.shape, kLinear});
}

Result<KernelCall> reference_reverse(NodeView view) {
  return KernelCall::with("reverse_sequence.reference",
                          ReverseSequenceParams{view.attrs().integer("batch_axis"), view.attrs().integer("time_axis")});
}

Status onnx_cumsum(OnnxNode& node) {
  const std::string op = node.attrs().text("op_type");
  TN_ASSIGN(std::vector<int64_t> axis, node.integers(1, "axis"));
  if (axis.size() != 1) return fail(Code::invalid_model, "{}: axis must be one number", op);
  TN_ASSIGN(int64_t along, node.axis(axis[0], node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kCumsum, {node.input(0)}, {{"axis", along},
                                                             {"exclusive", node.attrs().integer("exclusive")},
                                                             {"reverse", node.attrs().integer("reverse")},
                                                             {"product", int64_t{op == "CumProd"}}}));
  node.output(0, out);
  return {};
}

Status top_k(OnnxNode& node, Dim k) {
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
  TN_ASSIGN(std::vector<ValueId> out,
            node.build().add_many(kTopK, {node.input(0)}, {{"axis", axis}, {"k", Shape{std::move(k)}},
                                                           {"largest", node.attrs().integer("largest", 1)}}, 2));
  node.output(0, out[0]);
  node.output(1, out[1]);
  return {};
}

Status onnx_top_k_attr(OnnxNode& node) { return top_k(node, Dim(node.attrs().integer("k"))); }

Status onnx_top_k(OnnxNode& node) {
  if (node.has(1) && !node.is_constant(1) && !content_of(node.graph(), node.input(1))) {
    TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
    TN_ASSIGN(Dim found, size_in(node, node.input(1), node.type(0).shape[static_cast<size_t>(axis)]));
    return top_k(node, std::move(found));
  }
  TN_ASSIGN(std::vector<Dim> k, node.dims(1, "k"));
  if (k.size() != 1) return fail(Code::invalid_model, "TopK: k must be one number");
  return top_k(node, k[0]);
}

Status onnx_reverse_sequence(OnnxNode& node) {
  TN_ASSIGN(int64_t batch, node.axis(node.attrs().integer("batch_axis", 1), node.rank(0)));
  TN_ASSIGN(int64_t time, node.axis(node.attrs().integer("time_axis", 0), node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kReverseSequence, {node.input(0), node.input(1)},
                                  {{"batch_axis", batch}, {"time_axis", time}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kCumsumRows[] = {{"CumSum", 11, onnx_cumsum}, {"CumProd", 26, onnx_cumsum}};
constexpr OnnxRow kTopKRows[] = {{"TopK", 1, onnx_top_k_attr}, {"TopK", 10, onnx_top_k}};
constexpr OnnxRow kReverseRows[] = {{"ReverseSequence", 10, onnx_reverse_sequence}};

}  // namespace

const OpDef kCumsum{.name = "cumsum", .min_inputs = 1, .max_inputs = 1, .attrs = kCumsumAttrs, .infer = infer_cumsum,
                    .reference = reference_cumsum};
const OpDef kTopK{.name = "top_k", .min_inputs = 1, .max_inputs = 1, .min_outputs = 2, .max_outputs = 2,
                  .attrs = kTopKAttrs, .infer = infer_top_k, .reference = reference_top_k};
const OpDef kReverseSequence{.name = "reverse_sequence", .min_inputs = 2, .max_inputs = 2, .attrs = kReverseAttrs,
                             .infer = infer_reverse, .reference = reference_reverse, .takes_texts = true};
const OpFile cumsum_ops{&kCumsum, kCumsumRows};
const OpFile top_k_ops{&kTopK, kTopKRows};
const OpFile reverse_sequence_ops{&kReverseSequence, kReverseRows};

}  // namespace tenon
