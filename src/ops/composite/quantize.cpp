// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear: y = round(x / scale) + zero point and back, with scales for a
// whole tensor, along an axis or for blocks of an axis.
#include "ops/composite/quantize.h"

#include <numeric>

#include "ops/composite/cast.h"
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

struct Range {
  DType type;
  int low, high;
};
constexpr Range kRanges[] = {
    {DType::u8, 0, 255}, {DType::i8, -128, 127}, {DType::u16, 0, 65535}, {DType::i16, -32768, 32767},
    {DType::u4, 0, 15},  {DType::i4, -8, 7},     {DType::u2, 0, 3},      {DType::i2, -2, 1},
};

const Range* range_of(DType type) {
  for (const Range& range : kRanges)
    if (range.type == type) return &range;
  return nullptr;
}

bool is_float8(DType type) { return is_float(type) && is_only_stored(type); }

// A scale or zero point that broadcasts to x: as it is for a whole tensor, along `axis`, or each of its elements for
// `block` of x's along that axis.
Result<ValueId> spread(OnnxNode& node, size_t i, int64_t axis, int64_t block) {
  const TensorType x = node.type(0), scale = node.type(i);
  if (element_count(scale.shape).is(1) && block == 0) return reshape(node.build(), node.input(i), {});
  TN_ASSIGN(axis, node.axis(axis, x.rank()));
  const auto along_axis = static_cast<size_t>(axis);
  if (block == 0) {
    if (scale.rank() != 1 || always_equal(scale.shape[0], x.shape[along_axis]) == false)
      return fail(Code::invalid_model, "input {} is {}; it must be a scalar, or a vector that goes with axis {} of {}", i,
                  print(scale), axis, print(x));
    return along(node, node.input(i), along_axis, x.rank());
  }
  bool fits = scale.rank() == x.rank();
  for (size_t d = 0; fits && d < x.rank(); ++d)
    fits = always_equal(scale.shape[d], d == along_axis ? ceildiv(x.shape[d], Dim(block)) : x.shape[d]) != false;
  if (!fits)
    return fail(Code::invalid_model, "input {} is {}; with blocks of {} along axis {} it must have the dims of {}, that one "
                                     "divided by the block and rounded up", i, print(scale), block, axis, print(x));
  Shape split = scale.shape, repeated;
  split.insert(split.begin() + axis + 1, Dim(1));
  repeated = split;
  repeated[along_axis + 1] = Dim(block);
  Shape joined = scale.shape;
  joined[along_axis] = joined[along_axis] * Dim(block);
  TN_ASSIGN(ValueId out, reshape(node.build(), node.input(i), split));
  TN_ASSIGN(out, expand(node.build(), out, repeated));
  TN_ASSIGN(out, reshape(node.build(), out, joined));
  return slice(node.build(), out, along_axis, Dim(0), x.shape[along_axis]);
}

struct Scaling {
  ValueId scale, zero;  // zero: invalid when absent
};

Result<Scaling> scaling_of(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const int64_t axis = node.attrs().integer("axis", 1), block = node.attrs().integer("block_size");
  if (block < 0) return fail(Code::invalid_model, "attribute block_size must not be negative, it is {}", block);
  const auto differ = [&] {
    const Shape &scale = node.type(1).shape, &zero = node.type(2).shape;
    if (scale.size() != zero.size()) return true;
    for (size_t d = 0; d < scale.size(); ++d)
      if (always_equal(scale[d], zero[d]) == false) return true;
    return false;
  };
  if (node.has(2) && differ() &&
      !(element_count(node.type(1).shape).is(1) && element_count(node.type(2).shape).is(1)))
    return fail(Code::invalid_model, "scale {} and zero point {} must have the same dims", print(node.type(1)),
                print(node.type(2)));
  Scaling out;
  TN_ASSIGN(out.scale, spread(node, 1, axis, block));
  if (node.has(2)) {
    TN_ASSIGN(out.zero, spread(node, 2, axis, block));
  }
  return out;
}

Status expand_quantize(OnnxNode& node) {
  TN_ASSIGN(Scaling scaling, scaling_of(node));
  TN_ASSIGN(DType declared, type_attribute(node, "output_dtype", DType::none));
  const DType to = node.has(2) ? node.type(2).dtype : declared == DType::none ? DType::u8 : declared;
  if (declared != DType::none && declared != to)
    return fail(Code::invalid_model, "attribute output_dtype says {}, the zero point is {}", name_of(declared), name_of(to));
  TN_ASSIGN(DType precision, type_attribute(node, "precision", node.type(1).dtype));
  if (!is_float(precision)) {
    if (node.attrs().integer("precision") != 0)
      return fail(Code::invalid_model, "attribute precision says {}, it must be a type of floats", name_of(precision));
    precision = DType::f32;   // of a scale that is i32
  }
  TN_ASSIGN(ValueId x, cast(node, node.input(0), precision));
  TN_ASSIGN(scaling.scale, cast(node, scaling.scale, precision));
  if (range_of(to)) {
    TN_ASSIGN(ValueId y, quantized(node, "div(x0, x1)", {x, scaling.scale}, scaling.zero, to));
    node.output(0, y);
    return {};
  }
  if (!is_float8(to) && to != DType::f4e2m1)
    return fail(Code::unsupported, "{} quantises to {}, which is not supported", node.attrs().text("op_type"), name_of(to));
  TN_ASSIGN(ValueId y, add_formula(node, "div(x0, x1)", {x, scaling.scale}));
  if (scaling.zero.valid()) {
    TN_ASSIGN(ValueId zero, cast(node, scaling.zero, precision));
    TN_ASSIGN(y, add_formula(node, "add(x0, x1)", {y, zero}));
  }
  TN_ASSIGN(y, cast(node, y, to, node.attrs().integer("saturate", 1) != 0));
  node.output(0, y);
  return {};
}

Status expand_dequantize(OnnxNode& node) {
  TN_ASSIGN(Scaling scaling, scaling_of(node));
  const DType from = node.type(0).dtype;
  TN_ASSIGN(DType to, type_attribute(node, "output_dtype", node.type(1).dtype));
  if (!is_float(to)) return fail(Code::invalid_model, "DequantizeLinear yields floats, not {}", name_of(to));
  if (scaling.zero.valid() && node.type(2).dtype != from)
    return fail(Code::invalid_model, "x is {}, its zero point {}; they must have one type", print(node.type(0)),
                print(node.type(2)));
  // Differences of 8- and 16-bit integers are exact in i32, of 32-bit ones in i64.
  const DType inner = from == DType::i32 ? DType::i64 : range_of(from) ? DType::i32 : DType::f32;
  TN_ASSIGN(ValueId x, cast(node, node.input(0), inner));
  if (scaling.zero.valid()) {
    TN_ASSIGN(ValueId zero, cast(node, scaling.zero, inner));
    TN_ASSIGN(x, add_formula(node, "sub(x0, x1)", {x, zero}));
  }
  TN_ASSIGN(x, cast(node, x, DType::f32));
  TN_ASSIGN(ValueId scale, cast(node, scaling.scale, DType::f32));
  TN_ASSIGN(ValueId y, add_formula(node, "mul(x0, x1)", {x, scale}));
  TN_ASSIGN(y, cast(node, y, to));
  node.output(0, y);
  return {};
}

// The scale and zero point that map the range of x, 0 included, to u8.
Status expand_dynamic(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const ValueId x = node.input(0);
  if (node.type(x).dtype != DType::f32)
    return fail(Code::invalid_model, "DynamicQuantizeLinear takes f32, not {}", print(node.type(x)));
  std::vector<int64_t> axes(node.rank(0));
  std::iota(axes.begin(), axes.end(), 0);
  TN_ASSIGN(ValueId high, reduce(node, "max", x, axes, false));
  TN_ASSIGN(ValueId low, reduce(node, "min", x, axes, false));
  TN_ASSIGN(ValueId scale, add_formula(node, "t0 = max(x0, 0); t1 = min(x1, 0); "
                                             "div(where(eq(t0, t1), 1, sub(t0, t1)), 255)", {high, low}));
  TN_ASSIGN(ValueId zero, add_formula(node, "cast(round(max(min(div(neg(min(x0, 0)), x1), 255), 0))):u8", {low, scale}));
  TN_ASSIGN(ValueId y, quantized(node, "div(x0, x1)", {x, scale}, zero, DType::u8));
  node.output(0, y);
  node.output(1, scale);
  node.output(2, zero);
  return {};
}

constexpr OnnxRow kRows[] = {{"QuantizeLinear", 10, expand_quantize},
                             {"DequantizeLinear", 10, expand_dequantize},
                             {"DynamicQuantizeLinear", 11, expand_dynamic}};

}  // namespace

Result<ValueId> quantized(OnnxNode& node, std::string_view value, std::vector<ValueId> operands, ValueId zero, DType to) {
  const Range* range = range_of(to);
  if (!range)
    return fail(Code::invalid_model, "{} quantises to integers of up to 16 bits, not to {}", node.attrs().text("op_type"),
                name_of(to));
  // Beyond 17 bits no zero point brings a number back into the range.
  std::string text = fmt::format("max(min(cast(round({})):i32, 65535), -65535)", value);
  if (zero.valid()) {
    text = fmt::format("add({}, cast(x{}):i32)", text, operands.size());
    operands.push_back(zero);
  }
  return add_formula(node, fmt::format("cast(max(min({}, {}), {})):{}", text, range->high, range->low, name_of(to)),
                     std::move(operands));
}

Result<ValueId> centred(OnnxNode& node, ValueId x, ValueId zero) {
  if (!zero.valid()) return cast(node, x, DType::i32);
  return add_formula(node, "sub(cast(x0):i32, cast(x1):i32)", {x, zero});
}

extern const OpFile quantize_ops = {nullptr, kRows};

}  // namespace tenon
