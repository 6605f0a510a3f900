// linear_attention: a state that goes from token to token, written with keys and values and read by queries. ONNX:
// LinearAttention.
#include <cmath>

#include "attention/params.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"q_heads", AttrKind::integer, true}, {"kv_heads", AttrKind::integer, true}, {"scale", AttrKind::number, true}};

// Fails when the dims of an input are not these.
Status expect_dims(NodeView view, size_t i, std::string_view name, const Shape& dims) {
  const TensorType& type = view.input(i);
  bool fits = type.rank() == dims.size() && (i == 3 || type.dtype == view.input(0).dtype);
  for (size_t d = 0; fits && d < dims.size(); ++d) fits = always_equal(type.shape[d], dims[d]) != false;
  if (fits) return {};
  return fail(Code::invalid_model, "linear_attention: {} is {}, expected {} of the queries' type, {}", name, print(type),
              print(dims), name_of(view.input(0).dtype));
}

// The last dim of decay or beta is one of two.
Dim last_of(NodeView view, size_t i, const Dim& a, const Dim& b) {
  if (view.input(i).rank() != 3) return a;
  return always_equal(view.input(i).shape[2], a) == true ? a : b;
}

Result<Inferred> infer(NodeView view) {
  const TensorType &q = view.input(0), &v = view.input(2), &past = view.input(3);
  const int64_t q_heads = view.attrs().integer("q_heads"), kv_heads = view.attrs().integer("kv_heads");
  if (view.input_count() != 6)
    return fail(Code::invalid_model, "linear_attention has 6 inputs, of which the last 3 may be absent; there are {}",
                view.input_count());
  if (q_heads < 1 || kv_heads < 1 || q_heads % kv_heads != 0)
    return fail(Code::invalid_model, "linear_attention: {} heads of queries must be a multiple of {} of keys and values, both "
                                     "above 0", q_heads, kv_heads);
  if (!is_float(q.dtype) || is_only_stored(q.dtype) || q.rank() != 3 || v.rank() != 3 || !q.shape[2].is_constant() ||
      !v.shape[2].is_constant() || q.shape[2].value() % q_heads != 0 || v.shape[2].value() % kv_heads != 0)
    return fail(Code::invalid_model, "linear_attention takes floats [batch, tokens, heads * size] whose last dim is constant and "
                                     "divided by {} and {} heads; queries are {}, values {}", q_heads, kv_heads, print(q), print(v));
  const Dim heads(kv_heads), d_k(q.shape[2].value() / q_heads), d_v(v.shape[2].value() / kv_heads);
  const Dim &batch = q.shape[0], &tokens = q.shape[1];
  TN_TRY(expect_dims(view, 1, "keys", {batch, tokens, heads * d_k}));
  TN_TRY(expect_dims(view, 2, "values", {batch, tokens, heads * d_v}));
  if (view.has_input(3)) {
    TN_TRY(expect_dims(view, 3, "the past state", {batch, heads, d_k, d_v}));
    if (!is_float(past.dtype) || is_only_stored(past.dtype))
      return fail(Code::invalid_model, "linear_attention: the past state is {}, it must be floats", print(past));
  }
  if (view.has_input(4)) TN_TRY(expect_dims(view, 4, "decay", {batch, tokens, last_of(view, 4, heads, heads * d_k)}));
  if (view.has_input(5)) TN_TRY(expect_dims(view, 5, "beta", {batch, tokens, last_of(view, 5, heads, Dim(1))}));
  Inferred out = one_output({q.dtype, {batch, tokens, Dim(q_heads) * d_v}, kLinear});
  out.outputs.push_back({view.has_input(3) ? past.dtype : q.dtype, {batch, heads, d_k, d_v}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("linear_attention.reference",
                          LinearAttentionParams{view.attrs().integer("q_heads"), view.attrs().integer("kv_heads"),
                                                view.attrs().number("scale")});
}

Status expand_linear_attention(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  const Attrs& attrs = node.attrs();
  const std::string rule = attrs.text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return fail(Code::invalid_model, "attribute update_rule must be linear, gated, delta or gated_delta, it is '{}'", rule);
  if (node.has(4) != gated || node.has(5) != delta)
    return fail(Code::invalid_model, "LinearAttention with update_rule={} takes {} and {}", rule,
                gated ? "decay" : "no decay", delta ? "beta" : "no beta");
  const int64_t q_heads = attrs.integer("q_num_heads"), kv_heads = attrs.integer("kv_num_heads");
  double scale = attrs.number("scale");
  if (scale == 0) {
    const TensorType& q = node.type(0);
    if (q_heads < 1 || q.rank() != 3 || !q.shape[2].is_constant() || q.shape[2].value() < q_heads)
      return fail(Code::invalid_model, "the size of the queries' {} heads is not known: they are {}", q_heads, print(q));
    scale = 1 / std::sqrt(static_cast<double>(q.shape[2].value() / q_heads));
  }
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 6; ++i) inputs.push_back(node.input(i));
  TN_ASSIGN(std::vector<ValueId> out,
            node.build().add_many(kLinearAttention, std::move(inputs),
                                  {{"q_heads", q_heads}, {"kv_heads", kv_heads}, {"scale", scale}}, 2));
  node.output(0, out[0]);
  node.output(1, out[1]);
  return {};
}

constexpr OnnxRow kRows[] = {{"LinearAttention", 27, expand_linear_attention}};

}  // namespace

const OpDef kLinearAttention{.name = "linear_attention", .min_inputs = 3, .max_inputs = 6, .min_outputs = 2,
                             .max_outputs = 2, .attrs = kAttrs, .infer = infer, .reference = reference};
const OpFile linear_attention_ops{&kLinearAttention, kRows};

}  // namespace tenon
