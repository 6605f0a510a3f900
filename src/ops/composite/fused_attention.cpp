// Attention as ONNX Runtime fuses it, as ONNX's Attention of operands, caches and masks that are made ready
// here: Attention, QAttention, MultiHeadAttention, GroupQueryAttention, RotaryEmbedding.
#include <algorithm>
#include <cmath>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/quantize.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// The version of ONNX's Attention and RotaryEmbedding that these become.
constexpr int64_t kVersion = 23;
// What keeps a query from a key, unless the node says another number.
constexpr double kMaskFilter = -10000;

std::string name_of_op(OnnxNode& node) { return node.attrs().text("op_type"); }

Result<int64_t> heads_of(OnnxNode& node, std::string_view name) {
  const int64_t heads = node.attrs().integer(name);
  if (heads >= 1) return heads;
  return fail(Code::invalid_model, "attribute {} of {} must be 1 or more, it is {}", name, name_of_op(node),
              heads);
}

Status expect_rank(OnnxNode& node, size_t i, size_t rank, std::string_view what) {
  if (!node.has(i) || node.rank(i) == rank) return {};
  return fail(Code::invalid_model, "input {} ({}) of {} must have {} dims, it is {}", i, what,
              name_of_op(node), rank, print(node.type(i)));
}

// size / parts; fails, naming what, when it does not divide.
Result<Dim> part_of(OnnxNode& node, const Dim& size, int64_t parts, std::string_view what) {
  if (size.is_constant() && (parts < 1 || size.value() % parts != 0))
    return fail(Code::invalid_model, "{}: {} of {} is not divided by {}", name_of_op(node), what, size.text(),
                parts);
  return quotient({size}, {Dim(parts)});
}

// An additive mask of the scores [batch, heads, queries, keys] that grows by terms.
class Bias {
 public:
  Bias(OnnxNode& node, DType type) : node_(node), type_(type) {}
  Status add(std::string_view formula, std::vector<ValueId> operands) {
    TN_ASSIGN(ValueId term, add_formula(node_, formula, std::move(operands)));
    return add(term);
  }
  Status add(ValueId term) {
    if (value_.valid()) {
      TN_ASSIGN(value_, add_formula(node_, "add(x0, x1)", {value_, term}));
    } else {
      value_ = term;
    }
    return {};
  }
  // "where(condition, 0, number)"
  std::string unless(std::string_view condition, double number) const {
    return fmt::format("where({}, 0:{}, {}:{})", condition, name_of(type_), number, name_of(type_));
  }
  ValueId value() const { return value_; }

 private:
  OnnxNode& node_;
  DType type_;
  ValueId value_;
};

// Input i, whose dims are these, or 1 where `may_broadcast`.
Status expect_dims(OnnxNode& node, size_t i, std::string_view what, const Shape& dims, bool may_broadcast) {
  const Shape& shape = node.type(i).shape;
  bool fits = shape.size() == dims.size();
  for (size_t d = 0; fits && d < dims.size(); ++d)
    fits = always_equal(shape[d], dims[d]) != false || (may_broadcast && d < 2 && shape[d].is(1));
  if (fits) return {};
  std::string wanted;
  for (const Dim& d : dims) wanted += (wanted.empty() ? "" : ",") + d.text();
  return fail(Code::invalid_model, "input {} ({}) of {} is {}; it must have the dims [{}]{}", i, what,
              name_of_op(node), print(node.type(i)), wanted,
              may_broadcast ? ", of which the first two may be 1" : "");
}

// The dims of the scores: batch, heads, queries, keys.
struct Scores {
  Dim batch, heads, queries, keys;
};

// What is added to the scores in input i.
Status add_bias(OnnxNode& node, size_t i, const Scores& scores, Bias& bias) {
  if (!node.has(i)) return {};
  TN_TRY(expect_dims(node, i, "attention_bias", {scores.batch, scores.heads, scores.queries, scores.keys},
                     true));
  return bias.add(node.input(i));
}

// The mask in input i: lengths [batch]; ends and then begins [2 batch]; ones where a key is seen [batch,
// keys] or [batch, queries, keys].
Status add_mask(OnnxNode& node, size_t i, const Scores& scores, Bias& bias) {
  if (!node.has(i)) return {};
  const TensorType mask = node.type(i);
  const Dim &batch = scores.batch, &keys = scores.keys;
  const double filter = node.attrs().number("mask_filter_value", kMaskFilter);
  if (!is_integer(mask.dtype))
    return fail(Code::invalid_model, "input {} (mask) of {} must be integers, it is {}", i, name_of_op(node),
                print(mask));
  if (mask.rank() == 2 || mask.rank() == 3) {
    TN_TRY(expect_dims(node, i, "mask",
                       mask.rank() == 2 ? Shape{batch, keys} : Shape{batch, scores.queries, keys}, false));
    Shape shape = mask.shape;
    shape.insert(shape.begin() + 1, mask.rank() == 2 ? 2 : 1, Dim(1));
    TN_ASSIGN(ValueId seen, reshape(node.build(), node.input(i), shape));
    return bias.add(bias.unless("gt(x0, 0)", filter), {seen});
  }
  const bool both = mask.rank() == 1 && always_equal(mask.shape[0], batch + batch) == true && !batch.is(0);
  if (mask.rank() != 1 || (!both && always_equal(mask.shape[0], batch) != true))
    return fail(
        Code::unsupported,
        "{}: a mask {} is not supported; [batch], [2 batch], [batch, keys] and [batch, queries, keys] "
        "are, the batch is {}",
        name_of_op(node), print(mask), batch.text());
  TN_ASSIGN(ValueId place, positions(node, keys, 3, 4));
  auto part = [&](const Dim& first) -> Result<ValueId> {
    TN_ASSIGN(ValueId x, slice(node.build(), node.input(i), 0, first, batch));
    TN_ASSIGN(x, along(node, x, 0, 4));
    return cast(node, x, DType::i64);
  };
  TN_ASSIGN(ValueId end, part(Dim(0)));
  if (!both) return bias.add(bias.unless("lt(x0, x1)", filter), {place, end});
  TN_ASSIGN(ValueId begin, part(batch));
  return bias.add(bias.unless("logical_and(lt(x0, x1), ge(x0, x2))", filter), {place, end, begin});
}

struct Operands {
  ValueId q, k, v, past_k, past_v;
};

// The attributes of ONNX's Attention for these heads. A scale of 0 is the default one.
Attrs core_attrs(OnnxNode& node, int64_t heads, int64_t kv_heads) {
  Attrs attrs{{"q_num_heads", heads},
              {"kv_num_heads", kv_heads},
              {"is_causal", int64_t{node.attrs().integer("unidirectional") != 0}}};
  if (double scale = node.attrs().number("scale"); scale != 0) attrs.set("scale", scale);
  if (double cap = node.attrs().number("softcap"); cap != 0) attrs.set("softcap", cap);
  return attrs;
}

Result<std::vector<ValueId>> attend(OnnxNode& node, const Operands& in, ValueId mask, Attrs attrs,
                                    int64_t scores = 0) {
  attrs.set("qk_matmul_output_mode", scores);
  return expand_as(node, "Attention", kVersion, {in.q, in.k, in.v, mask, in.past_k, in.past_v},
                   std::move(attrs), 4);
}

// ── Attention, QAttention ──

// The widths of q, k and v in the projection.
Result<std::vector<Dim>> projected_sizes(OnnxNode& node, const Dim& width, int64_t heads) {
  std::vector<int64_t> given = node.attrs().integers("qkv_hidden_sizes");
  if (given.empty()) {
    TN_ASSIGN(Dim size, part_of(node, width, 3, "the projection"));
    TN_ASSIGN(Dim head, part_of(node, size, heads, "a projection"));
    static_cast<void>(head);
    return std::vector<Dim>(3, size);
  }
  Dim sum(0);
  for (int64_t size : given) {
    if (size < 1 || size > INT32_MAX || size % heads != 0)
      return fail(Code::invalid_model, "{}: qkv_hidden_sizes holds {}, which {} heads do not divide",
                  name_of_op(node), size, heads);
    sum = sum + Dim(size);
  }
  if (given.size() != 3 || given[0] != given[1] || always_equal(sum, width) == false)
    return fail(Code::invalid_model,
                "{}: qkv_hidden_sizes must be three numbers, the first two equal, that add up to {}",
                name_of_op(node), width.text());
  return std::vector<Dim>(given.begin(), given.end());
}

// From the projection [batch, length, q + k + v] on. The past is [2, batch, heads, length, size], and so is
// what follows it.
Status attend_projected(OnnxNode& node, ValueId projected, size_t mask, size_t past, size_t more) {
  TN_TRY(refuse_attribute(node, "do_rotary", 0));
  TN_TRY(refuse_attribute(node, "past_present_share_buffer", 0));
  TN_ASSIGN(int64_t heads, heads_of(node, "num_heads"));
  const Shape shape = node.type(projected).shape;
  TN_ASSIGN(std::vector<Dim> sizes, projected_sizes(node, shape[2], heads));
  Operands in;
  TN_ASSIGN(in.q, slice(node.build(), projected, 2, Dim(0), sizes[0]));
  TN_ASSIGN(in.k, slice(node.build(), projected, 2, sizes[0], sizes[1]));
  TN_ASSIGN(in.v, slice(node.build(), projected, 2, sizes[0] + sizes[1], sizes[2]));
  Dim keys = shape[1];
  if (node.has(past)) {
    TN_TRY(expect_rank(node, past, 5, "past"));
    const Shape kept = node.type(past).shape;
    if (always_equal(kept[0], Dim(2)) == false)
      return fail(Code::invalid_model, "the past of {} must have 2 as its first dim, it is {}",
                  name_of_op(node), print(node.type(past)));
    const Shape inner(kept.begin() + 1, kept.end());
    TN_ASSIGN(in.past_k, slice(node.build(), node.input(past), 0, Dim(0), Dim(1)));
    TN_ASSIGN(in.past_k, reshape(node.build(), in.past_k, inner));
    TN_ASSIGN(in.past_v, slice(node.build(), node.input(past), 0, Dim(1), Dim(1)));
    TN_ASSIGN(in.past_v, reshape(node.build(), in.past_v, inner));
    keys = keys + kept[3];
  }
  Bias bias(node, node.type(projected).dtype);
  const Scores scores{shape[0], Dim(heads), shape[1], keys};
  TN_TRY(add_mask(node, mask, scores, bias));
  TN_TRY(add_bias(node, more, scores, bias));
  TN_ASSIGN(std::vector<ValueId> out, attend(node, in, bias.value(), core_attrs(node, heads, heads)));
  node.output(0, out[0]);
  if (!node.has_output(1)) return {};
  if (!(sizes[0] == sizes[2]))
    return fail(Code::invalid_model, "{}: the present holds keys and values, which must be of one size",
                name_of_op(node));
  for (size_t i : {1, 2}) {
    TN_ASSIGN(out[i], along(node, out[i], 1, 5));
  }
  TN_ASSIGN(ValueId present, concat(node, {out[1], out[2]}, 0));
  node.output(1, present);
  return {};
}

Status expand_attention(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_TRY(expect_rank(node, 0, 3, "input"));
  TN_TRY(expect_rank(node, 1, 2, "weights"));
  TN_TRY(refuse_input(node, 6, "past_sequence_length"));
  TN_ASSIGN(ValueId projected, matrix_product(node, node.input(0), node.input(1)));
  if (node.has(2)) {
    TN_TRY(expect_rank(node, 2, 1, "bias"));
    TN_ASSIGN(projected, add_formula(node, "add(x0, x1)", {projected, node.input(2)}));
  }
  return attend_projected(node, projected, 3, 4, 5);
}

Status expand_qattention(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 5));
  TN_TRY(expect_rank(node, 0, 3, "input"));
  TN_TRY(expect_rank(node, 1, 2, "weight"));
  TN_ASSIGN(ValueId projected, scaled_product(node, {node.input(0), node.input(3), node.input(6)},
                                              {node.input(1), node.input(4), node.input(7)}, node.input(2)));
  return attend_projected(node, projected, 5, 8, SIZE_MAX);
}

// ── MultiHeadAttention ──

// Input i [batch, length, heads, parts, size] taken apart: [batch, length, heads * size] each.
Result<std::vector<ValueId>> unpacked(OnnxNode& node, size_t i, int64_t parts, int64_t heads) {
  TN_TRY(expect_rank(node, i, 5, "packed"));
  const Shape shape = node.type(i).shape;
  if (always_equal(shape[3], Dim(parts)) == false || always_equal(shape[2], Dim(heads)) == false)
    return fail(Code::invalid_model, "input {} of {} must be [batch, length, {}, {}, size], it is {}", i,
                name_of_op(node), heads, parts, print(node.type(i)));
  std::vector<ValueId> out;
  for (int64_t p = 0; p < parts; ++p) {
    TN_ASSIGN(ValueId part, slice(node.build(), node.input(i), 3, Dim(p), Dim(1)));
    TN_ASSIGN(part, reshape(node.build(), part, {shape[0], shape[1], shape[2] * shape[4]}));
    out.push_back(part);
  }
  return out;
}

Result<Operands> multi_head_operands(OnnxNode& node, int64_t heads) {
  Operands in{node.input(0), node.input(1), node.input(2), node.input(6), node.input(7)};
  if (!node.has(1)) {
    if (node.has(2)) return fail(Code::invalid_model, "MultiHeadAttention has a value and no key");
    TN_ASSIGN(std::vector<ValueId> parts, unpacked(node, 0, 3, heads));
    in.q = parts[0], in.k = parts[1], in.v = parts[2];
  } else if (!node.has(2)) {
    TN_ASSIGN(std::vector<ValueId> parts, unpacked(node, 1, 2, heads));
    in.k = parts[0], in.v = parts[1];
  }
  for (ValueId x : {in.q, in.k, in.v})
    if (node.type(x).rank() != 3 && (x == in.q || node.type(x).rank() != 4))
      return fail(Code::invalid_model,
                  "an operand of MultiHeadAttention is {}; the query must have 3 dims, key and value 3 or 4",
                  print(node.type(x)));
  return in;
}

// One bias for the three projections, one after the other.
Status add_projection_bias(OnnxNode& node, Operands& in) {
  if (!node.has(3)) return {};
  TN_TRY(expect_rank(node, 3, 1, "bias"));
  Dim first(0);
  for (ValueId* x : {&in.q, &in.k, &in.v}) {
    if (node.type(*x).rank() != 3)
      return fail(
          Code::unsupported,
          "MultiHeadAttention: a bias together with key and value of 4 dims is not supported; add it before");
    const Dim size = node.type(*x).shape[2];
    TN_ASSIGN(ValueId part, slice(node.build(), node.input(3), 0, first, size));
    TN_ASSIGN(*x, add_formula(node, "add(x0, x1)", {*x, part}));
    first = first + size;
  }
  return {};
}

Status expand_multi_head(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_TRY(refuse_input(node, 8, "past_sequence_length"));
  TN_TRY(refuse_input(node, 9, "cache_indirection"));
  TN_ASSIGN(int64_t heads, heads_of(node, "num_heads"));
  if (node.has(6) != node.has(7))
    return fail(Code::invalid_model, "MultiHeadAttention takes past_key and past_value, or neither");
  TN_TRY(expect_rank(node, 6, 4, "past_key"));
  TN_TRY(expect_rank(node, 7, 4, "past_value"));
  TN_ASSIGN(Operands in, multi_head_operands(node, heads));
  TN_TRY(add_projection_bias(node, in));
  const TensorType q = node.type(in.q), k = node.type(in.k);
  Dim keys = k.shape[k.rank() == 4 ? 2 : 1];
  if (node.has(6)) keys = keys + node.type(6).shape[2];
  Bias bias(node, q.dtype);
  const Scores scores{q.shape[0], Dim(heads), q.shape[1], keys};
  TN_TRY(add_mask(node, 4, scores, bias));
  TN_TRY(add_bias(node, 5, scores, bias));
  TN_ASSIGN(std::vector<ValueId> out, attend(node, in, bias.value(), core_attrs(node, heads, heads), 2));
  for (size_t i = 0; i < 4; ++i) node.output(i, out[i]);
  return {};
}

// ── RotaryEmbedding ──

Status expand_rotary(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 4));
  TN_TRY(refuse_attribute(node, "is_packed_batching", 0));
  if (double scale = node.attrs().number("scale", 1); scale != 1)
    return fail(Code::unsupported, "RotaryEmbedding: attribute scale is {}; only 1 is supported", scale);
  const TensorType x = node.type(0);
  TN_TRY(expect_rank(node, 2, 2, "cos_cache"));
  if (x.rank() != 3 && x.rank() != 4)
    return fail(Code::invalid_model, "RotaryEmbedding takes x of 3 or 4 dims, it is {}", print(x));
  int64_t heads = node.attrs().integer("num_heads");
  const int64_t turned = node.attrs().integer("rotary_embedding_dim");
  if (x.rank() == 3 && heads == 0) {
    const Dim half = node.type(2).shape[1];
    if (turned != 0 || !x.shape[2].is_constant() || !half.is_constant() || half.value() < 1 ||
        x.shape[2].value() % (2 * half.value()) != 0)
      return fail(Code::invalid_model, "RotaryEmbedding of {} with caches {} needs the attribute num_heads",
                  print(x), print(node.type(2)));
    heads = x.shape[2].value() / (2 * half.value());
  }
  const Dim batch = x.shape[0], length = x.shape[x.rank() == 3 ? 1 : 2];
  ValueId places = node.input(1);
  if (node.rank(1) == 1 || node.rank(1) == 0) {
    // One number: the place of the first token.
    TN_ASSIGN(ValueId first, reshape(node.build(), places, {Dim(1), Dim(1)}));
    TN_ASSIGN(ValueId step, positions(node, length, 1, 2));
    TN_ASSIGN(places, add_formula(node, "add(cast(x0):i64, x1)", {first, step}));
    TN_ASSIGN(places, expand(node.build(), places, {batch, length}));
  }
  TN_ASSIGN(ValueId y, expand_one_as(node, "RotaryEmbedding", kVersion,
                                     {node.input(0), node.input(2), node.input(3), places},
                                     {{"num_heads", heads},
                                      {"rotary_embedding_dim", turned},
                                      {"interleaved", node.attrs().integer("interleaved")}}));
  node.output(0, y);
  return {};
}

// ── GroupQueryAttention ──

// What the steps of GroupQueryAttention share.
struct Group {
  int64_t heads = 0, kv_heads = 0;
  Dim batch, length, size;  // of the tokens that are given, of a head
  Dim kept, keys;           // dims of the caches that are given and that are made
  ValueId before;           // [batch,1,1,1]: how many tokens of each sequence come before those given
};

Status refuse_group_options(OnnxNode& node) {
  for (const char* name : {"k_quant_type", "v_quant_type"})
    if (const std::string text = node.attrs().text(name, "NONE"); text != "NONE")
      return fail(Code::unsupported,
                  "GroupQueryAttention: attribute {} is '{}'; only caches that are not quantised (NONE) are "
                  "supported",
                  name, text);
  for (const char* name : {"kv_cache_bit_width", "qk_output", "sliding_window_cache"})
    TN_TRY(refuse_attribute(node, name, 0));
  TN_TRY(refuse_input(node, 12, "k_scale"));
  TN_TRY(refuse_input(node, 13, "v_scale"));
  TN_TRY(refuse_input(node, 16, "query_seqlens"));
  return refuse_output(node, 3, "output_qk");
}

// Query, key and value [batch, length, heads * size], taken apart where they come as one.
Result<Operands> group_operands(OnnxNode& node, Group& group) {
  TN_TRY(expect_rank(node, 0, 3, "query"));
  if (node.has(1) != node.has(2))
    return fail(Code::invalid_model, "GroupQueryAttention takes a key and a value, or neither");
  TN_TRY(expect_rank(node, 1, 3, "key"));
  TN_TRY(expect_rank(node, 2, 3, "value"));
  const Shape q = node.type(0).shape;
  group.batch = q[0];
  group.length = q[1];
  Operands in{node.input(0), node.input(1), node.input(2), {}, {}};
  if (node.has(1)) {
    TN_ASSIGN(group.size, part_of(node, q[2], group.heads, "the query"));
    return in;
  }
  TN_ASSIGN(group.size, part_of(node, q[2], group.heads + 2 * group.kv_heads, "the packed query"));
  const Dim own = group.size * Dim(group.heads), shared = group.size * Dim(group.kv_heads);
  TN_ASSIGN(in.q, slice(node.build(), node.input(0), 2, Dim(0), own));
  TN_ASSIGN(in.k, slice(node.build(), node.input(0), 2, own, shared));
  TN_ASSIGN(in.v, slice(node.build(), node.input(0), 2, own + shared, shared));
  return in;
}

// Each head over the root of its mean square, times a weight.
Result<ValueId> normalised_heads(OnnxNode& node, ValueId x, size_t weight, int64_t heads, const Dim& size,
                                 std::string_view epsilon) {
  const Shape shape = node.type(x).shape;
  TN_ASSIGN(ValueId y, reshape(node.build(), x, {shape[0], shape[1], Dim(heads), size}));
  const double number = node.attrs().number(epsilon, node.attrs().number("qk_norm_epsilon", 1e-6));
  TN_ASSIGN(y, expand_one_as(node, "SimplifiedLayerNormalization", 1, {y, node.input(weight)},
                             {{"epsilon", number}}));
  return reshape(node.build(), y, shape);
}

// Query and key turned by the places of their tokens.
Status turn(OnnxNode& node, const Group& group, Operands& in) {
  if (node.attrs().integer("do_rotary") == 0) return {};
  if (!node.has(7) || !node.has(8))
    return fail(Code::invalid_model, "GroupQueryAttention with do_rotary needs cos_cache and sin_cache");
  TN_TRY(expect_rank(node, 7, 2, "cos_cache"));
  ValueId places = node.input(9);
  if (!places.valid()) {
    TN_ASSIGN(ValueId before, reshape(node.build(), group.before, {group.batch, Dim(1)}));
    TN_ASSIGN(ValueId step, positions(node, group.length, 1, 2));
    TN_ASSIGN(places, add_formula(node, "add(x0, x1)", {before, step}));
  }
  const Dim half = node.type(7).shape[1];
  if (!half.is_constant())
    return fail(Code::unsupported, "GroupQueryAttention: cos_cache {} must have a constant last dim",
                print(node.type(7)));
  for (auto [x, heads] : {std::pair{&in.q, group.heads}, std::pair{&in.k, group.kv_heads}}) {
    TN_ASSIGN(*x, expand_one_as(node, "RotaryEmbedding", kVersion, {*x, node.input(7), node.input(8), places},
                                {{"num_heads", heads},
                                 {"rotary_embedding_dim", 2 * half.value()},
                                 {"interleaved", node.attrs().integer("rotary_interleaved")}}));
  }
  return {};
}

// x with zeros behind, so that dim `axis` becomes `size`.
Result<ValueId> lengthened(OnnxNode& node, ValueId x, size_t axis, const Dim& size) {
  const TensorType type = node.type(x);
  Shape begins(type.rank(), Dim(0)), ends = begins;
  ends[axis] = size - type.shape[axis];
  if (ends[axis].is(0)) return x;
  return node.add(kPad, {x, node.build().scalar(type.dtype, 0)},
                  {{"mode", std::string("constant")}, {"begins", begins}, {"ends", ends}});
}

// The cache that follows `past`: its first tokens, then those of x [batch, length, heads * size], then zeros.
Result<ValueId> grown(OnnxNode& node, const Group& group, ValueId x, size_t past) {
  TN_ASSIGN(x, reshape(node.build(), x, {group.batch, group.length, Dim(group.kv_heads), group.size}));
  TN_ASSIGN(x, transpose(node.build(), x, {0, 2, 1, 3}));
  if (group.kept.is(0)) return lengthened(node, x, 2, group.keys);
  TN_ASSIGN(ValueId place, positions(node, group.keys, 2, 4));
  if (!group.length.is(1)) {
    TN_ASSIGN(ValueId count, dim_value(node, group.length));
    TN_ASSIGN(ValueId at,
              add_formula(node, "max(min(sub(x0, x1), sub(x2, 1)), 0)", {place, group.before, count}));
    TN_ASSIGN(at, expand(node.build(), at, {group.batch, Dim(group.kv_heads), group.keys, group.size}));
    TN_ASSIGN(x, node.add(kGatherElements, {x, at}, {{"axis", int64_t{2}}}));
  }
  TN_ASSIGN(ValueId kept, lengthened(node, node.input(past), 2, group.keys));
  TN_ASSIGN(ValueId count, dim_value(node, group.length));
  return add_formula(
      node,
      fmt::format("where(lt(x0, x1), x2, where(lt(sub(x0, x1), x3), x4, 0:{}))", name_of(node.type(x).dtype)),
      {place, group.before, kept, count, x});
}

// Which keys each query sees: those up to itself, of them a window's; what the model adds.
Result<ValueId> group_mask(OnnxNode& node, const Group& group, DType type) {
  TN_ASSIGN(ValueId place, positions(node, group.keys, 3, 4));
  TN_ASSIGN(ValueId query, positions(node, group.length, 2, 4));
  TN_ASSIGN(ValueId own, add_formula(node, "add(x0, x1)", {group.before, query}));
  const int64_t window = node.attrs().integer("local_window_size", -1);
  std::string seen = "le(x0, x1)";
  std::vector<ValueId> operands = {place, own};
  if (node.attrs().integer("causal", 1) == 0) {
    if (window > 0)
      return fail(Code::invalid_model, "GroupQueryAttention: local_window_size is {}, which needs causal",
                  window);
    TN_ASSIGN(ValueId count, dim_value(node, group.length));
    seen = "lt(x0, add(x1, x2))";
    operands = {place, group.before, count};
  } else if (window > 0) {
    seen = fmt::format("logical_and({}, gt(x0, sub(x1, {})))", seen,
                       std::min<int64_t>(window, int64_t{1} << 48));
  }
  Bias bias(node, type);
  TN_TRY(bias.add(bias.unless(seen, -INFINITY), operands));
  if (node.has(10)) {
    TN_TRY(expect_rank(node, 10, 4, "attention_bias"));
    TN_TRY(expect_dims(node, 10, "attention_bias",
                       {group.batch, Dim(group.heads), group.length, node.type(10).shape[3]}, true));
    TN_ASSIGN(ValueId more, lengthened(node, node.input(10), 3, group.keys));
    TN_TRY(bias.add(more));
  }
  return bias.value();
}

// One more key, of zeros, whose score is what a head leaves to no token.
Result<ValueId> with_sink(OnnxNode& node, const Group& group, Operands& in, ValueId mask) {
  const bool given = node.has(11);
  if (!given && node.attrs().integer("smooth_softmax") != 1) return mask;
  if (given && (node.rank(11) != 1 || always_equal(node.type(11).shape[0], Dim(group.heads)) == false))
    return fail(Code::invalid_model, "head_sink of GroupQueryAttention must be [{}], it is {}", group.heads,
                print(node.type(11)));
  const Dim longer = group.keys + Dim(1);
  TN_ASSIGN(in.k, lengthened(node, in.k, 2, longer));
  TN_ASSIGN(in.v, lengthened(node, in.v, 2, longer));
  ValueId sink = node.build().scalar(node.type(mask).dtype, 0);
  if (given) {
    TN_ASSIGN(sink, along(node, node.input(11), 1, 4));
    TN_ASSIGN(sink, cast(node, sink, node.type(mask).dtype));
  }
  const Dim heads = given ? Dim(group.heads) : node.type(mask).shape[1];
  Shape shape = node.type(mask).shape;
  shape[1] = heads;
  TN_ASSIGN(mask, expand(node.build(), mask, shape));
  shape[3] = Dim(1);
  TN_ASSIGN(sink, expand(node.build(), sink, shape));
  return concat(node, {mask, sink}, 3);
}

Result<Group> read_group(OnnxNode& node) {
  Group group;
  TN_ASSIGN(group.heads, heads_of(node, "num_heads"));
  TN_ASSIGN(group.kv_heads, heads_of(node, "kv_num_heads"));
  if (group.heads % group.kv_heads != 0 || group.heads > INT32_MAX)
    return fail(Code::invalid_model, "GroupQueryAttention: {} heads are no multiple of {}", group.heads,
                group.kv_heads);
  for (size_t i : {0, 5, 6})
    if (!node.has(i)) return fail(Code::invalid_model, "input {} of GroupQueryAttention is missing", i);
  return group;
}

Status expand_group_query(OnnxNode& node) {
  TN_TRY(refuse_group_options(node));
  TN_ASSIGN(Group group, read_group(node));
  TN_ASSIGN(Operands in, group_operands(node, group));
  if (node.has(3) != node.has(4))
    return fail(Code::invalid_model, "GroupQueryAttention takes past_key and past_value, or neither");
  TN_TRY(expect_rank(node, 3, 4, "past_key"));
  TN_TRY(expect_rank(node, 4, 4, "past_value"));
  TN_ASSIGN(std::vector<Dim> total, node.dims(6, "total_sequence_length"));
  if (total.size() != 1)
    return fail(Code::invalid_model, "total_sequence_length must be one number, it has {}", total.size());
  group.kept = node.has(3) ? node.type(3).shape[2] : Dim(0);
  group.keys = max(group.kept, total[0]);
  if (at_least(group.length - group.keys, 1))
    return fail(Code::invalid_model, "GroupQueryAttention: {} tokens for a total_sequence_length of {}",
                group.length.text(), total[0].text());
  TN_ASSIGN(ValueId last, reshape(node.build(), node.input(5), {group.batch, Dim(1), Dim(1), Dim(1)}));
  TN_ASSIGN(ValueId count, dim_value(node, group.length));
  TN_ASSIGN(group.before, add_formula(node, "max(sub(add(cast(x0):i64, 1), x1), 0)", {last, count}));
  if (node.has(14) != node.has(15))
    return fail(Code::invalid_model, "GroupQueryAttention takes q_norm_weight and k_norm_weight, or neither");
  if (node.has(14)) {
    TN_ASSIGN(in.q, normalised_heads(node, in.q, 14, group.heads, group.size, "q_norm_epsilon"));
    TN_ASSIGN(in.k, normalised_heads(node, in.k, 15, group.kv_heads, group.size, "k_norm_epsilon"));
  }
  TN_TRY(turn(node, group, in));
  TN_ASSIGN(in.k, grown(node, group, in.k, 3));
  TN_ASSIGN(in.v, grown(node, group, in.v, 4));
  node.output(1, in.k);
  node.output(2, in.v);
  TN_ASSIGN(ValueId mask, group_mask(node, group, node.type(in.q).dtype));
  TN_ASSIGN(mask, with_sink(node, group, in, mask));
  TN_ASSIGN(std::vector<ValueId> out, attend(node, in, mask, core_attrs(node, group.heads, group.kv_heads)));
  node.output(0, out[0]);
  return {};
}

constexpr OnnxRow kRows[] = {{"Attention", 1, expand_attention, "com.microsoft"},
                             {"QAttention", 1, expand_qattention, "com.microsoft"},
                             {"MultiHeadAttention", 1, expand_multi_head, "com.microsoft"},
                             {"RotaryEmbedding", 1, expand_rotary, "com.microsoft"},
                             {"GroupQueryAttention", 1, expand_group_query, "com.microsoft"}};

}  // namespace

extern const OpFile fused_attention_ops = {nullptr, kRows};

}  // namespace tenon
