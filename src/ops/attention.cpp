// attention: softmax(scale * q k^T + mask) v, a head at a time.
#include "attention/params.h"

#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"perm_q", AttrKind::integers},  {"perm_k", AttrKind::integers},  {"perm_v", AttrKind::integers},
    {"perm_out", AttrKind::integers}, {"heads_q", AttrKind::integers}, {"heads_k", AttrKind::integers},
    {"heads_v", AttrKind::integers}, {"scale", AttrKind::number},     {"causal", AttrKind::text},
    {"zero_masked", AttrKind::integer},
};

constexpr std::string_view kOperands[] = {"q", "k", "v"};
constexpr std::string_view kCausal[] = {"none", "first", "last"};

Result<Causal> causal_of(const Attrs& attrs) {
  const std::string name = attrs.text("causal", "none");
  for (size_t i = 0; i < std::size(kCausal); ++i)
    if (kCausal[i] == name) return static_cast<Causal>(i);
  return fail(Code::invalid_argument, "attention has no causal '{}'; there are none, first and last", name);
}

Result<AttentionParams::Heads> heads_of(const Attrs& attrs, std::string_view operand) {
  const std::vector<int64_t> heads = attrs.integers(fmt::format("heads_{}", operand));
  if (heads.empty()) return AttentionParams::Heads{};
  if (heads.size() == 2 && heads[0] >= 0 && heads[1] > 0) return AttentionParams::Heads{heads[0], heads[1]};
  return fail(Code::invalid_argument, "heads_{} must be the first head and how many", operand);
}

// [batch, heads that are read, length, size]
Result<Shape> operand_shape(NodeView view, size_t i) {
  const TensorType& type = view.input(i);
  if (type.rank() != 4)
    return fail(Code::invalid_argument, "{} must have 4 dims, it is {}", kOperands[i], print(type));
  TN_ASSIGN(std::vector<int64_t> perm, permutation(view.attrs(), fmt::format("perm_{}", kOperands[i]), 4));
  Shape shape;
  for (int64_t p : perm) shape.push_back(type.shape[static_cast<size_t>(p)]);
  TN_ASSIGN(AttentionParams::Heads heads, heads_of(view.attrs(), kOperands[i]));
  if (heads.count > 0) {
    if (shape[1].is_constant() && (heads.first > shape[1].value() || heads.count > shape[1].value() - heads.first))
      return fail(Code::invalid_argument, "{} heads from {} on are not all among the {} of {} {}", heads.count, heads.first,
                  shape[1].text(), kOperands[i], print(type));
    shape[1] = Dim(heads.count);
  }
  return shape;
}

Status check_mask(const TensorType& mask, const Shape& scores) {
  bool fits = mask.rank() <= 4;
  for (size_t i = 0; fits && i < mask.rank(); ++i)
    fits = mask.shape[i].is(1) || always_equal(mask.shape[i], scores[4 - mask.rank() + i]) != false;
  if (fits) return {};
  return fail(Code::invalid_argument, "the mask {} does not broadcast to {}", print(mask), print(scores));
}

Result<Inferred> infer(NodeView view) {
  const DType type = view.input(0).dtype;
  if (!is_float(type) || size_of(type) < 2)
    return fail(Code::invalid_argument, "attention takes f32, f64, f16 or bf16, not {}", print(view.input(0)));
  for (size_t i = 1; i < view.input_count(); ++i)
    if (view.has_input(i) && view.input(i).dtype != type)
      return fail(Code::invalid_argument, "q, k, v and the mask must have one type, q is {}, input {} {}", name_of(type), i,
                  print(view.input(i)));
  TN_ASSIGN(Shape q, operand_shape(view, 0));
  TN_ASSIGN(Shape k, operand_shape(view, 1));
  TN_ASSIGN(Shape v, operand_shape(view, 2));
  if (always_equal(q[0], k[0]) == false || always_equal(q[0], v[0]) == false || always_equal(k[1], v[1]) == false ||
      always_equal(k[2], v[2]) == false || always_equal(q[3], k[3]) == false)
    return fail(Code::invalid_argument, "q {}, k {} and v {} do not fit", print(q), print(k), print(v));
  if (q[1].is_constant() && k[1].is_constant() && (k[1].is(0) || q[1].value() % k[1].value() != 0))
    return fail(Code::invalid_argument, "q has {} heads, which must be a multiple of k's {}", q[1].text(), k[1].text());
  if (view.has_input(3)) TN_TRY(check_mask(view.input(3), {q[0], q[1], q[2], k[2]}));
  TN_ASSIGN(Causal causal, causal_of(view.attrs()));
  static_cast<void>(causal);
  const Shape result = {q[0], q[1], q[2], v[3]};
  TN_ASSIGN(std::vector<int64_t> perm, permutation(view.attrs(), "perm_out", 4));
  TensorType out{type, {}, kLinear};
  for (int64_t p : perm) out.shape.push_back(result[static_cast<size_t>(p)]);
  return Inferred{{std::move(out)}, {}};
}

Status read_perm(const Attrs& attrs, std::string_view name, int8_t* out) {
  TN_ASSIGN(std::vector<int64_t> perm, permutation(attrs, name, 4));
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<int8_t>(perm[i]);
  return {};
}

Result<KernelCall> reference(NodeView view) {
  const Attrs& attrs = view.attrs();
  AttentionParams params;
  TN_TRY(read_perm(attrs, "perm_q", params.perm_q));
  TN_TRY(read_perm(attrs, "perm_k", params.perm_k));
  TN_TRY(read_perm(attrs, "perm_v", params.perm_v));
  TN_TRY(read_perm(attrs, "perm_out", params.perm_out));
  TN_ASSIGN(params.heads_q, heads_of(attrs, "q"));
  TN_ASSIGN(params.heads_k, heads_of(attrs, "k"));
  TN_ASSIGN(params.heads_v, heads_of(attrs, "v"));
  TN_ASSIGN(params.causal, causal_of(attrs));
  params.scale = attrs.number("scale", 1.0);
  params.zero_masked = attrs.integer("zero_masked") != 0;
  return KernelCall::with("attention.reference", params);
}

Dim multiply_adds(NodeView view) {
  auto q = operand_shape(view, 0), k = operand_shape(view, 1), v = operand_shape(view, 2);
  if (!q || !k || !v) return Dim(0);
  return (*q)[0] * (*q)[1] * (*q)[2] * (*k)[2] * ((*q)[3] + (*v)[3]);
}

}  // namespace

const OpDef kAttention = {
    .name = "attention",
    .min_inputs = 3,
    .max_inputs = 4,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
    .multiply_adds = multiply_adds,
};

extern const OpFile attention_ops = {&kAttention, {}};

}  // namespace tenon
