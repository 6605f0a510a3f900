// separable_conv: a depthwise convolution with the 1 x 1 convolutions before and behind it, or one of them, as one node: an
// inverted residual. Made where it takes less time than conv nodes; see compile/separable.cpp.
#include "ops/separable_conv.h"

#include <cstddef>

#include "ops/content.h"
#include "ops/conv.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/window.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"operands", AttrKind::integers, true},
                               {"strides", AttrKind::integers},
                               {"dilations", AttrKind::integers},
                               {"pads", AttrKind::shape},
                               {kSeparableEpilogues[kExpandStage], AttrKind::program},
                               {kSeparableEpilogues[kDepthwiseStage], AttrKind::program},
                               {kSeparableEpilogues[kProjectStage], AttrKind::program}};

// The window of the depthwise convolution; the others' are single pixels.
Result<WindowAttrs> window_of(NodeView view, int stage) {
  const size_t spatial = view.input(0).rank() - 2;
  return stage == kDepthwiseStage ? window_attrs(view.attrs(), spatial) : window_attrs({}, spatial);
}

// The convolution of a stage, of x.
Result<TensorType> result_of(NodeView view, int stage, const SeparablePart& part, const TensorType& x) {
  if (!view.has_input(part.first_input)) return fail(Code::invalid_model, "w of convolution {} is absent", stage);
  const TensorType &w = view.input(part.first_input), &bias = view.input(part.first_input + 1);
  const bool biased = part.inputs > 1 && view.has_input(part.first_input + 1);
  if (!is_float(x.dtype) || w.dtype != x.dtype || (biased && bias.dtype != x.dtype))
    return fail(Code::invalid_model, "x, w and bias must have one float type, x is {}, w {}", print(x), print(w));
  if (w.rank() != x.rank() || !constant_shape(w.shape))
    return fail(Code::invalid_model, "w must have constant dims, as many as x, they are {} and {}", print(w), print(x));
  if (biased && (bias.rank() != 1 || always_equal(bias.shape[0], w.shape[0]) == false))
    return fail(Code::invalid_model, "bias must have dims [{}], it is {}", w.shape[0].text(), print(bias));
  const bool plane = stage == kDepthwiseStage;
  for (size_t i = 1; i < w.rank(); ++i)
    if ((i == 1) == plane && !w.shape[i].is(1))
      return fail(Code::invalid_model, "convolution {} must be {}, w is {}", stage, plane ? "depthwise" : "1 x 1", print(w));
  if (plane && w.shape[0].is(0)) return fail(Code::invalid_model, "the depthwise convolution has no channels");
  TN_ASSIGN(WindowAttrs window, window_of(view, stage));
  return conv_result(x, w, plane ? w.shape[0].value() : 1, window);
}

Result<Inferred> infer(NodeView view) {
  TN_ASSIGN(SeparableParts parts, separable_parts(view));
  const SeparablePart& last = parts[parts[kProjectStage].inputs ? kProjectStage : kDepthwiseStage];
  return Inferred{{last.out}, {}};
}

Result<KernelCall> reference(NodeView view) {
  std::vector<KernelCall::DimParam> dims;
  TN_ASSIGN(SeparableParams params, separable_params(view, dims));
  KernelCall call = KernelCall::with("conv.separable.reference", params);
  call.dims = std::move(dims);
  return call;
}

Dim multiply_adds(NodeView view) {
  Dim sum(0);
  auto parts = separable_parts(view);
  if (!parts) return sum;
  for (const SeparablePart& part : *parts) {
    if (!part.inputs) continue;
    const Shape& w = view.input(part.first_input).shape;
    sum = sum + element_count(part.out.shape) * element_count({w.begin() + 1, w.end()});
  }
  return sum;
}

}  // namespace

Result<SeparableParts> separable_parts(NodeView view) {
  const std::vector<int64_t> operands = view.attrs().integers("operands");
  int64_t sum = 1;
  bool fits = operands.size() == kSeparableStages;
  for (size_t i = 0; fits && i < operands.size(); sum += operands[i++])
    fits = operands[i] >= (i == kDepthwiseStage ? 1 : 0) && operands[i] <= 1 + kMaxProgramInputs;
  if (!fits || sum != static_cast<int64_t>(view.input_count()))
    return fail(Code::invalid_model, "operands must say how many inputs are each of the {} convolutions'", +kSeparableStages);
  TensorType x = view.input(0);
  if (x.rank() < 3 || x.rank() > 2 + kMaxSpatial)
    return fail(Code::invalid_model, "x must have 3 to {} dims, it is {}", 2 + kMaxSpatial, print(x));
  SeparableParts parts;
  size_t next = 1;
  for (int i = 0; i < kSeparableStages; ++i) {
    SeparablePart& part = parts[static_cast<size_t>(i)];
    part.first_input = next;
    part.inputs = static_cast<size_t>(operands[static_cast<size_t>(i)]);
    next += part.inputs;
    if (part.inputs == 0) continue;
    TN_ASSIGN(TensorType own, result_of(view, i, part, x));
    TN_ASSIGN(part.out, apply_program(view, view.attrs().program(kSeparableEpilogues[i]), part.first_extra(), part.extras(),
                                      std::move(own)));
    x = part.out;
  }
  return parts;
}

Result<SeparableParams> separable_params(NodeView view, std::vector<KernelCall::DimParam>& dims) {
  TN_ASSIGN(SeparableParts parts, separable_parts(view));
  SeparableParams params;
  for (int i = 0; i < kSeparableStages; ++i) {
    const SeparablePart& part = parts[static_cast<size_t>(i)];
    params.operands[i] = static_cast<int64_t>(part.inputs);
    if (part.inputs == 0) continue;
    ConvPackedParams& stage = params.stage[i];
    TN_ASSIGN(WindowAttrs window, window_of(view, i));
    const auto offset = static_cast<uint32_t>(
        offsetof(SeparableParams, stage) + static_cast<size_t>(i) * sizeof(ConvPackedParams) + offsetof(ConvPackedParams, conv));
    write_window(window,
                 {stage.conv.strides, stage.conv.dilations, stage.conv.pads_begin, stage.conv.pads_end,
                  offset + static_cast<uint32_t>(offsetof(ConvParams, pads_begin)),
                  offset + static_cast<uint32_t>(offsetof(ConvParams, pads_end))},
                 dims);
    const Shape& w = view.input(part.first_input).shape;
    stage.w_rank = static_cast<int64_t>(w.size());
    for (size_t d = 0; d < w.size(); ++d) stage.w_dims[d] = w[d].value();
    stage.conv.group = i == kDepthwiseStage ? w[0].value() : 1;
    stage.conv.epilogue = view.attrs().program(kSeparableEpilogues[i]);
  }
  return params;
}

const OpDef kSeparableConv{.name = "separable_conv",
                           .min_inputs = 2,
                           .max_inputs = 1 + kSeparableStages * (1 + kMaxProgramInputs),
                           .attrs = kAttrs,
                           .infer = infer,
                           .reference = reference,
                           .multiply_adds = multiply_adds};

extern const OpFile separable_conv_ops{&kSeparableConv, {}};

}  // namespace tenon
