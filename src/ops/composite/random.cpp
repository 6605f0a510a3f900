// RandomUniform, RandomNormal, those like a tensor, Bernoulli and Multinomial. An element's number is a hash
// of its place and a seed: a plan draws the same numbers in each run. A node without a seed takes one from
// its name.
#include <cstring>

#include "base/hash.h"
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;

uint32_t seed_of(OnnxNode& node) {
  if (!node.attrs().has("seed")) return static_cast<uint32_t>(hash_text(node.name()));
  const auto seed = static_cast<float>(node.attrs().number("seed"));
  uint32_t bits;
  std::memcpy(&bits, &seed, sizeof bits);
  return bits;
}

// 24 random bits for each place, as numbers in [0, 1); `stream` tells sequences of one node apart. The mixing
// is C. Wellons' lowbias32.
Result<ValueId> fractions(OnnxNode& node, ValueId place, uint32_t stream, DType type) {
  const uint32_t key = seed_of(node) * 0x9e3779b1u + stream * 0x85ebca77u + 0x165667b1u;
  const std::string text = fmt::format(
      "t0 = add(mul(cast(x0):u32, 2654435769), {}); t1 = mul(bit_xor(t0, shift_right(t0, 16)), 2146121005); "
      "t2 = mul(bit_xor(t1, shift_right(t1, 15)), 2221713035); t3 = bit_xor(t2, shift_right(t2, 16)); "
      "mul(cast(shift_right(t3, 8)):{}, 5.960464477539063e-08)",
      key, name_of(type));
  return add_formula(node, text, {place});
}

// Numbers in [0, 1) of f32, or of f64 with 48 bits.
Result<ValueId> uniform(OnnxNode& node, const Shape& shape, DType type, uint32_t stream) {
  TN_ASSIGN(ValueId place, positions(node, element_count(shape), 0, 1));
  TN_ASSIGN(place, reshape(node.build(), place, shape));
  const DType inner = type == DType::f64 ? DType::f64 : DType::f32;
  TN_ASSIGN(ValueId out, fractions(node, place, stream, inner));
  if (inner == DType::f32) return out;
  TN_ASSIGN(ValueId low, fractions(node, place, stream + 16, inner));
  return add_formula(node, "add(x0, mul(x1, 5.960464477539063e-08))", {out, low});
}

// By Box and Muller.
Result<ValueId> normal(OnnxNode& node, const Shape& shape, DType type) {
  TN_ASSIGN(ValueId radius, uniform(node, shape, type, 0));
  TN_ASSIGN(ValueId angle, uniform(node, shape, type, 1));
  return add_formula(node, "mul(sqrt(mul(log(sub(1, x0)), -2)), cos(mul(x1, 6.283185307179586)))",
                     {radius, angle});
}

Result<Shape> shape_attribute(OnnxNode& node) {
  if (!node.attrs().has("shape"))
    return fail(Code::invalid_model, "attribute shape of {} is missing", node.attrs().text("op_type"));
  Shape out;
  int64_t count = 1;
  for (int64_t dim : node.attrs().integers("shape")) {
    if (dim < 0)
      return fail(Code::invalid_model, "attribute shape of {} holds {}", node.attrs().text("op_type"), dim);
    if (dim > kMostElements || (dim > 0 && count > kMostElements / dim))
      return fail(Code::unsupported, "{}: attribute shape asks for more than {} elements",
                  node.attrs().text("op_type"), kMostElements);
    count *= dim;
    out.push_back(Dim(dim));
  }
  return out;
}

Result<DType> float_type(OnnxNode& node, DType fallback) {
  TN_ASSIGN(DType type, type_attribute(node, "dtype", fallback));
  if (is_float(type) && !is_only_stored(type)) return type;
  return fail(Code::invalid_model, "{} draws f32, f64, f16 or bf16, not {}; attribute dtype says which",
              node.attrs().text("op_type"), name_of(type));
}

// low + x (high - low), or mean + x scale.
Status give(OnnxNode& node, ValueId x, double factor, double shift, DType type) {
  TN_ASSIGN(ValueId y, add_formula(node, fmt::format("add(mul(x0, {}), {})", factor, shift), {x}));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

Status give_uniform(OnnxNode& node, const Shape& shape, DType type) {
  const double low = node.attrs().number("low", 0), high = node.attrs().number("high", 1);
  TN_ASSIGN(ValueId x, uniform(node, shape, type, 0));
  return give(node, x, high - low, low, type);
}

Status give_normal(OnnxNode& node, const Shape& shape, DType type) {
  TN_ASSIGN(ValueId x, normal(node, shape, type));
  return give(node, x, node.attrs().number("scale", 1), node.attrs().number("mean", 0), type);
}

Status expand_uniform(OnnxNode& node) {
  TN_ASSIGN(Shape shape, shape_attribute(node));
  TN_ASSIGN(DType type, float_type(node, DType::f32));
  return give_uniform(node, shape, type);
}

Status expand_normal(OnnxNode& node) {
  TN_ASSIGN(Shape shape, shape_attribute(node));
  TN_ASSIGN(DType type, float_type(node, DType::f32));
  return give_normal(node, shape, type);
}

Status expand_uniform_like(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(DType type, float_type(node, node.type(0).dtype));
  return give_uniform(node, Shape(node.type(0).shape), type);
}

Status expand_normal_like(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(DType type, float_type(node, node.type(0).dtype));
  return give_normal(node, Shape(node.type(0).shape), type);
}

// 1 with the probability that the input says.
Status expand_bernoulli(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const DType given = node.type(0).dtype;
  if (!is_float(given))
    return fail(Code::invalid_model, "Bernoulli takes probabilities, not {}", print(node.type(0)));
  TN_ASSIGN(DType type, type_attribute(node, "dtype", given));
  TN_ASSIGN(ValueId x, uniform(node, Shape(node.type(0).shape), given, 0));
  TN_ASSIGN(ValueId p, cast(node, node.input(0), node.type(x).dtype));
  TN_ASSIGN(ValueId y, add_formula(node, "lt(x0, x1)", {x, p}));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

// The first class whose share of the probability, with those before it, is above the number drawn.
Status expand_multinomial(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const TensorType given = node.type(0);
  const int64_t samples = node.attrs().integer("sample_size", 1);
  if (given.rank() != 2 || !is_float(given.dtype))
    return fail(Code::invalid_model, "Multinomial takes logarithms [batch, classes], not {}", print(given));
  if (samples < 1 || samples > INT32_MAX)
    return fail(Code::invalid_model, "attribute sample_size of Multinomial is {}", samples);
  TN_ASSIGN(DType type, type_attribute(node, "dtype", DType::i32));
  if (type != DType::i32 && type != DType::i64)
    return fail(Code::invalid_model, "Multinomial draws i32 or i64, not {}", name_of(type));
  TN_ASSIGN(ValueId p, cast(node, node.input(0), given.dtype == DType::f64 ? DType::f64 : DType::f32));
  TN_ASSIGN(p, node.add(kSoftmax, {p}, {{"axis", int64_t{1}}}));
  TN_ASSIGN(p, node.add(kCumsum, {p}, {{"axis", int64_t{1}}}));
  TN_ASSIGN(p, reshape(node.build(), p, {given.shape[0], Dim(1), given.shape[1]}));
  TN_ASSIGN(ValueId x, uniform(node, {given.shape[0], Dim(samples), Dim(1)}, given.dtype, 0));
  TN_ASSIGN(ValueId below, add_formula(node, "cast(le(x0, x1)):i64", {p, x}));
  TN_ASSIGN(ValueId y, reduce(node, "sum", below, {2}, false));
  TN_ASSIGN(ValueId classes, dim_value(node, given.shape[1]));
  TN_ASSIGN(y, add_formula(node, fmt::format("cast(min(x0, sub(x1, 1))):{}", name_of(type)), {y, classes}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {
    {"RandomUniform", 1, expand_uniform},          {"RandomNormal", 1, expand_normal},
    {"RandomUniformLike", 1, expand_uniform_like}, {"RandomNormalLike", 1, expand_normal_like},
    {"Bernoulli", 15, expand_bernoulli},           {"Multinomial", 7, expand_multinomial}};

}  // namespace

extern const OpFile random_ops = {nullptr, kRows};

}  // namespace tenon
