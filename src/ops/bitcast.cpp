// bitcast: the same bytes as elements of another type. ONNX: BitCast.
#include "base/narrow.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"dtype", AttrKind::dtype, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  const auto to = view.attrs().get<DType>("dtype");
  if (size_of(x.dtype) == 0 || size_of(x.dtype) != size_of(to) || narrow_bits(x.dtype) != narrow_bits(to))
    return fail(Code::invalid_model, "bitcast: an element of {} has not as many bits as one of {}", print(x), name_of(to));
  if (to == DType::boolean && x.dtype != DType::boolean)
    return fail(Code::unsupported, "bitcast of {} to bool is not supported: a bool is 0 or 1", print(x));
  return one_output({to, x.shape, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("bitcast.reference"); }

Status expand_bitcast(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(DType to, type_attribute(node, "to", DType::none));
  if (to == node.type(0).dtype) return node.output(0, node.input(0)), Status{};
  TN_ASSIGN(ValueId y, node.add(kBitcast, {node.input(0)}, {{"dtype", to}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"BitCast", 26, expand_bitcast}};

}  // namespace

const OpDef kBitcast{.name = "bitcast", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                     .reference = reference};
const OpFile bitcast_ops{&kBitcast, kRows};

}  // namespace tenon
