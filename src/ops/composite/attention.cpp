// Attention and FlexAttention: products, masks and a softmax, which fuse_attention makes one node of where that is faster.
#include <cmath>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// [batch, heads, length, size] of an operand, which may be [batch, length, heads * size].
Result<ValueId> with_heads(OnnxNode& node, size_t i, std::string_view heads_attribute) {
  const TensorType x = node.type(i);
  if (x.rank() == 4) return node.input(i);
  const int64_t heads = node.attrs().integer(heads_attribute);
  if (x.rank() != 3 || heads < 1)
    return fail(Code::invalid_model, "input {} of Attention is {}; it must have 4 dims, or 3 and the attribute {} above 0",
                i, print(x), heads_attribute);
  if (x.shape[2].is_constant() && x.shape[2].value() % heads != 0)
    return fail(Code::invalid_model, "input {} of Attention is {}, which {} heads do not divide", i, print(x), heads);
  const Shape split = {x.shape[0], x.shape[1], Dim(heads), quotient({x.shape[2]}, {Dim(heads)})};
  TN_ASSIGN(ValueId out, reshape(node.build(), node.input(i), split));
  return transpose(node.build(), out, {0, 2, 1, 3});
}

// x with what was kept of earlier steps before it.
Result<ValueId> with_past(OnnxNode& node, ValueId x, size_t past) {
  if (!node.has(past)) return x;
  return concat(node, {node.input(past), x}, 2);
}

// Each of the heads of keys or values as often as query heads share it.
Result<ValueId> repeat_heads(OnnxNode& node, ValueId x, const Dim& heads) {
  const Shape shape = node.type(x).shape;
  if (shape[1] == heads) return x;
  if (!shape[1].is_constant() || !heads.is_constant())
    return fail(Code::unsupported, "{} has {} heads of queries for {} of keys or values; unless the dims are one and the same, "
                                   "both must be constant", node.attrs().text("op_type"), heads.text(), shape[1].text());
  if (shape[1].is(0) || heads.value() % shape[1].value() != 0)
    return fail(Code::invalid_model, "{} has {} heads of queries for {} of keys or values; it must be a multiple",
                node.attrs().text("op_type"), heads.text(), shape[1].text());
  const Dim times(heads.value() / shape[1].value());
  TN_ASSIGN(ValueId out, reshape(node.build(), x, {shape[0], shape[1], Dim(1), shape[2], shape[3]}));
  TN_ASSIGN(out, expand(node.build(), out, {shape[0], shape[1], times, shape[2], shape[3]}));
  return reshape(node.build(), out, {shape[0], heads, shape[2], shape[3]});
}

// The mask over all keys: one that ends earlier lets no query see the rest.
Result<ValueId> whole_mask(OnnxNode& node, const Dim& keys) {
  const TensorType mask = node.type(3);
  if (mask.rank() < 2 || mask.rank() > 4)
    return fail(Code::invalid_model, "attn_mask must have 2 to 4 dims, it is {}", print(mask));
  if (always_equal(mask.shape.back(), keys) == true) return node.input(3);
  Shape begins(mask.rank(), Dim(0)), ends = begins;
  ends.back() = keys - mask.shape.back();
  if (at_least(Dim(-1) - ends.back(), 0))
    return fail(Code::invalid_model, "attn_mask {} is longer than the {} keys", print(mask), keys.text());
  const double nothing = mask.dtype == DType::boolean ? 0 : -INFINITY;
  return node.add(kPad, {node.input(3), node.build().scalar(mask.dtype, nothing)},
                  {{"mode", std::string("constant")}, {"begins", begins}, {"ends", ends}});
}

// What is added to the scores [batch, heads, queries, keys]; invalid when nothing is.
Result<ValueId> bias_of(OnnxNode& node, DType type, const Shape& scores) {
  std::vector<ValueId> operands;
  std::vector<std::string> terms;
  auto operand = [&](ValueId x) {
    operands.push_back(x);
    return fmt::format("x{}", operands.size() - 1);
  };
  const std::string zero = fmt::format("0:{}", name_of(type)), never = fmt::format("-inf:{}", name_of(type));
  if (node.has(3)) {
    TN_ASSIGN(ValueId mask, whole_mask(node, scores[3]));
    const DType given = node.type(mask).dtype;
    const std::string x = operand(mask);
    terms.push_back(given == DType::boolean ? fmt::format("where({}, {}, {})", x, zero, never)
                    : given == type         ? x
                                            : fmt::format("cast({}):{}", x, name_of(type)));
  }
  ValueId column;
  if (node.attrs().integer("is_causal") || node.has(6)) {
    TN_ASSIGN(column, positions(node, scores[3], 1, 2));
  }
  if (node.attrs().integer("is_causal")) {
    const Dim past = node.has(4) ? node.type(4).shape[2] : Dim(0);
    TN_ASSIGN(ValueId row, positions(node, scores[2], 0, 2, past));
    const std::string at = operand(column), last = operand(row);
    terms.push_back(fmt::format("where(le({}, {}), {}, {})", at, last, zero, never));
  }
  if (node.has(6)) {
    TN_ASSIGN(ValueId lengths, along(node, node.input(6), 0, 4));
    const std::string at = operand(column), length = operand(lengths);
    terms.push_back(fmt::format("where(lt({}, {}), {}, {})", at, length, zero, never));
  }
  if (terms.empty()) return ValueId{};
  std::string text = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) text = fmt::format("add({}, {})", text, terms[i]);
  if (text == "x0") return operands[0];
  return add_formula(node, text, std::move(operands));
}

// 1 / sqrt(head size) or what the attribute says, of a type.
Result<ValueId> scale_of(OnnxNode& node, const Dim& size, DType type) {
  if (node.attrs().has("scale")) return node.build().scalar(type, node.attrs().number("scale"));
  if (size.is_constant()) return node.build().scalar(type, 1 / std::sqrt(static_cast<double>(size.value())));
  TN_ASSIGN(ValueId dim, dim_value(node, size));
  return add_formula(node, fmt::format("cast(reciprocal(sqrt(cast(x0):f32))):{}", name_of(type)), {dim});
}

// q kᵀ, scaled. In 16 bits the query is scaled before the product, which could leave the type's range.
Result<ValueId> scores_of(OnnxNode& node, ValueId q, ValueId k) {
  const TensorType type = node.type(q);
  TN_ASSIGN(ValueId factor, scale_of(node, type.shape[3], type.dtype));
  const bool narrow = size_of(type.dtype) < 4;
  if (narrow) {
    TN_ASSIGN(q, add_formula(node, "mul(x0, x1)", {q, factor}));
  }
  TN_ASSIGN(k, transpose(node.build(), k, {0, 1, 3, 2}));
  TN_ASSIGN(ValueId scores, node.add(kMatmul, {q, k}));
  return narrow ? Result<ValueId>(scores) : add_formula(node, "mul(x0, x1)", {scores, factor});
}

Status check_attention(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  if (node.has(4) != node.has(5)) return fail(Code::invalid_model, "Attention takes past_key and past_value, or neither");
  for (size_t i : {4, 5})
    if (node.has(i) && node.rank(i) != 4)
      return fail(Code::invalid_model, "input {} of Attention must have 4 dims, it is {}", i, print(node.type(i)));
  if (node.has(6) && (node.rank(6) != 1 || node.has(4)))
    return fail(Code::invalid_model, "nonpad_kv_seqlen must be [batch], and is not taken together with past_key");
  if (!is_float(node.type(0).dtype) || node.type(1).dtype != node.type(0).dtype || !is_float(node.type(2).dtype))
    return fail(Code::invalid_model, "Attention takes floats, Q and K of one type; they are {}, {} and {}",
                print(node.type(0)), print(node.type(1)), print(node.type(2)));
  const int64_t mode = node.attrs().integer("qk_matmul_output_mode");
  if (mode < 0 || mode > 3) return fail(Code::invalid_model, "attribute qk_matmul_output_mode must be 0 to 3, it is {}", mode);
  return {};
}

Status expand_attention(OnnxNode& node) {
  TN_TRY(check_attention(node));
  TN_ASSIGN(ValueId q, with_heads(node, 0, "q_num_heads"));
  TN_ASSIGN(ValueId k, with_heads(node, 1, "kv_num_heads"));
  TN_ASSIGN(ValueId v, with_heads(node, 2, "kv_num_heads"));
  TN_ASSIGN(k, with_past(node, k, 4));
  TN_ASSIGN(v, with_past(node, v, 5));
  node.output(1, k);
  node.output(2, v);
  const Dim heads = node.type(q).shape[1];
  TN_ASSIGN(k, repeat_heads(node, k, heads));
  TN_ASSIGN(v, repeat_heads(node, v, heads));
  TN_ASSIGN(ValueId scores, scores_of(node, q, k));
  ValueId stages[4] = {scores};
  if (double cap = node.attrs().number("softcap"); cap > 0) {
    TN_ASSIGN(scores, add_formula(node, fmt::format("mul(tanh(div(x0, {0})), {0})", cap), {scores}));
  }
  stages[1] = scores;
  const DType type = node.type(scores).dtype;
  const Shape dims = node.type(scores).shape;
  TN_ASSIGN(ValueId bias, bias_of(node, type, dims));
  if (bias.valid()) {
    TN_ASSIGN(scores, add_formula(node, "add(x0, x1)", {scores, bias}));
  }
  stages[2] = scores;
  TN_ASSIGN(DType precision, type_attribute(node, "softmax_precision", type));
  TN_ASSIGN(ValueId weights, cast(node, scores, precision));
  TN_ASSIGN(weights, node.add(kSoftmax, {weights}, {{"axis", int64_t{3}}}));
  TN_ASSIGN(stages[3], cast(node, weights, type));
  TN_ASSIGN(weights, cast(node, weights, node.type(v).dtype));
  TN_ASSIGN(ValueId y, node.add(kMatmul, {weights, v}));
  if (node.rank(0) == 3) {
    TN_ASSIGN(y, transpose(node.build(), y, {0, 2, 1, 3}));
    const Shape shape = node.type(y).shape;
    TN_ASSIGN(y, reshape(node.build(), y, {shape[0], shape[1], shape[2] * shape[3]}));
  }
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  node.output(3, stages[node.attrs().integer("qk_matmul_output_mode")]);
  return {};
}

// The scores, their softmax and nothing between: models with sub-graphs that change them are refused when they are read.
// What a sub-graph makes of scores or weights; they themselves without one.
Result<ValueId> modified(OnnxNode& node, std::string_view attribute, ValueId x) {
  if (!node.attrs().has(attribute)) return x;
  TN_ASSIGN(std::vector<OnnxValue> out, node.expand_subgraph(attribute, {x}, attribute));
  if (out.size() == 1 && out[0].tensor.valid() && node.type(out[0].tensor) == node.type(x)) return out[0].tensor;
  return fail(Code::invalid_model, "sub-graph {} of FlexAttention must make one tensor, {}", attribute, print(node.type(x)));
}

Status expand_flex_attention(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  const DType type = node.type(0).dtype;
  for (size_t i = 0; i < 3; ++i)
    if (node.rank(i) != 4 || !is_float(node.type(i).dtype))
      return fail(Code::invalid_model, "input {} of FlexAttention must be floats of 4 dims, it is {}", i, print(node.type(i)));
  TN_ASSIGN(DType precision, type_attribute(node, "softmax_precision", type == DType::f64 ? DType::f64 : DType::f32));
  TN_ASSIGN(ValueId q, cast(node, node.input(0), precision));
  TN_ASSIGN(ValueId k, cast(node, node.input(1), precision));
  const Dim heads = node.type(q).shape[1];
  TN_ASSIGN(k, repeat_heads(node, k, heads));
  TN_ASSIGN(ValueId v, repeat_heads(node, node.input(2), heads));
  TN_ASSIGN(ValueId weights, scores_of(node, q, k));
  TN_ASSIGN(weights, modified(node, "score_mod", weights));
  TN_ASSIGN(weights, node.add(kSoftmax, {weights}, {{"axis", int64_t{3}}}));
  TN_ASSIGN(weights, modified(node, "prob_mod", weights));
  TN_ASSIGN(weights, cast(node, weights, node.type(v).dtype));
  TN_ASSIGN(ValueId y, node.add(kMatmul, {weights, v}));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"Attention", 23, expand_attention},
                             {"FlexAttention", 1, expand_flex_attention, "ai.onnx.preview"}};

}  // namespace

extern const OpFile onnx_attention_ops = {nullptr, kRows};

}  // namespace tenon
