// CausalConvWithState: a convolution of each channel with what was before it, which the state carries on.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// x with the `carried` positions before it: the past state, or zeros.
Result<ValueId> with_state(OnnxNode& node, const Dim& carried) {
  if (!node.has(3)) {
    const Shape begins = {Dim(0), Dim(0), carried}, ends(3, Dim(0));
    return node.add(kPad, {node.input(0)}, {{"mode", std::string("constant")}, {"begins", begins}, {"ends", ends}});
  }
  if (node.rank(3) != 3 || always_equal(node.type(3).shape[2], carried) == false)
    return fail(Code::invalid_model, "past_state must be [batch, channels, {}], it is {}", carried.text(),
                print(node.type(3)));
  return concat(node, {node.input(3), node.input(0)}, 2);
}

Status expand_causal_conv(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const TensorType x = node.type(0), w = node.type(1);
  if (x.rank() != 3 || w.rank() != 3 || !w.shape[0].is_constant() || !w.shape[1].is(1))
    return fail(Code::invalid_model, "CausalConvWithState takes x [batch, channels, length] and weights [channels, 1, k] with "
                                     "constant channels; they are {} and {}", print(x), print(w));
  const std::string activation = node.attrs().text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return fail(Code::invalid_model, "attribute activation must be none, silu or swish, it is '{}'", activation);
  const Dim carried = w.shape[2] - Dim(1);
  TN_ASSIGN(ValueId line, with_state(node, carried));
  std::vector<ValueId> inputs = {line, node.input(1)};
  if (node.has(2)) inputs.push_back(node.input(2));
  TN_ASSIGN(ValueId y, node.add(kConv, std::move(inputs), {{"group", w.shape[0].value()}}));
  if (activation != "none") {
    const std::string_view text = size_of(x.dtype) < 4 ? "t0 = cast(x0):f32; mul(t0, sigmoid(t0))" : "mul(x0, sigmoid(x0))";
    TN_ASSIGN(y, add_formula(node, text, {y}));
    TN_ASSIGN(y, cast(node, y, x.dtype));
  }
  node.output(0, y);
  TN_ASSIGN(ValueId state, slice(node.build(), line, 2, x.shape[2], carried));
  node.output(1, state);
  return {};
}

constexpr OnnxRow kRows[] = {{"CausalConvWithState", 27, expand_causal_conv}};

}  // namespace

const OpFile causal_conv_ops{nullptr, kRows};

}  // namespace tenon
