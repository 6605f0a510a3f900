// layer_norm: normalisation over the last dims, and ONNX's LayerNormalization.
#include "norm/params.h"

#include "ops/composite/elementwise.h"
#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"axis", AttrKind::integer, true},
    {"epsilon", AttrKind::number, true},
    {"epilogue", AttrKind::program},
};

Status check_vector(const NodeView& view, size_t i, const char* what) {
  if (!view.has_input(i)) return {};
  const TensorType &x = view.input(0), &vector = view.input(i);
  bool fits = vector.dtype == x.dtype && vector.rank() <= x.rank();
  for (size_t k = 0; fits && k < vector.rank(); ++k)
    fits = vector.shape[k].is(1) || always_equal(vector.shape[k], x.shape[x.rank() - vector.rank() + k]) != false;
  if (fits) return {};
  return fail(Code::invalid_model, "layer_norm's {} {} does not fit x {}", what, print(vector), print(x));
}

Result<Inferred> infer(NodeView view) {
  if (!view.has_input(0)) return fail(Code::invalid_model, "input 0 is absent");
  TensorType x{view.input(0).dtype, view.input(0).shape, kLinear};
  int64_t axis = view.attrs().integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(x.rank()))
    return fail(Code::invalid_argument, "layer_norm from axis {} of {}", axis, print(x));
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_argument, "layer_norm takes f32, f64, f16 or bf16, not {}", print(x));
  TN_TRY(check_vector(view, 1, "scale"));
  TN_TRY(check_vector(view, 2, "bias"));
  TensorType statistics{DType::f32, x.shape, kLinear};
  for (size_t i = static_cast<size_t>(axis); i < x.rank(); ++i) statistics.shape[i] = Dim(1);
  TN_ASSIGN(TensorType out, apply_epilogue(view, 3, std::move(x)));
  Inferred inferred;
  inferred.outputs.push_back(std::move(out));
  while (inferred.outputs.size() < view.output_count()) inferred.outputs.push_back(statistics);
  return inferred;
}

Result<KernelCall> reference(NodeView view) {
  LayerNormParams params;
  params.axis = static_cast<int32_t>(view.attrs().integer("axis"));
  params.epsilon = static_cast<float>(view.attrs().number("epsilon"));
  params.epilogue = view.attrs().program("epilogue");
  return KernelCall::with("layer_norm.reference", params);
}

Status expand(OnnxNode& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::invalid_model, "LayerNormalization needs x and a scale");
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
  size_t outputs = node.has_output(2) ? 3 : node.has_output(1) ? 2 : 1;
  TN_ASSIGN(std::vector<ValueId> made,
            node.build().add_many(kLayerNorm, {node.input(0), node.input(1), node.has(2) ? node.input(2) : ValueId{}},
                                  {{"axis", axis}, {"epsilon", node.attrs().number("epsilon", 1e-5)}}, outputs));
  int64_t stash = node.attrs().integer("stash_type", 1);
  for (size_t i = 0; i < outputs; ++i) {
    if (i > 0 && stash != 1) {
      auto type = stash > 0 && stash < 256 ? static_cast<DType>(stash) : DType::none;
      if (!is_float(type)) return fail(Code::invalid_model, "attribute stash_type is {}, no float type", stash);
      TN_ASSIGN(made[i], add_formula(node, fmt::format("cast(x0):{}", name_of(type)), {made[i]}));
    }
    node.output(i, made[i]);
  }
  return {};
}

constexpr OnnxRow kRows[] = {{"LayerNormalization", 1, expand}};

}  // namespace

const OpDef kLayerNorm = {
    .name = "layer_norm",
    .min_inputs = 1,
    .max_inputs = 3 + kMaxProgramInputs,
    .max_outputs = 3,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
};

extern const OpFile layer_norm_ops = {&kLayerNorm, kRows};

}  // namespace tenon
