// Cast and CastLike.
#include "ops/composite/cast.h"

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/ops.h"

namespace tenon {
namespace {

// To powers of two, rounded as round_mode says. The cast itself rounds up and saturates; from its result the power below is
// known.
Status cast_to_powers(OnnxNode& node) {
  const std::string mode = node.attrs().text("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest")
    return fail(Code::invalid_model, "attribute round_mode must be up, down or nearest, it is '{}'", mode);
  std::string text = "t0 = cast(x0):f32; ";
  std::string result = "t0";
  if (mode != "up") {
    text += "t1 = cast(cast(t0):f8e8m0):f32; ";
    result = fmt::format("where(lt(t0, {}), mul(t1, 0.5), t1)", mode == "down" ? "t1" : "mul(t1, 0.75)");
  }
  // Beyond 2^-127 and 2^127.
  if (node.attrs().integer("saturate", 1) == 0)
    result = fmt::format("where(logical_or(lt(t0, 5.877471754111438e-39), gt(t0, 1.7014118346046923e+38)), nan:f32, {})", result);
  TN_ASSIGN(ValueId out, add_formula(node, fmt::format("{}cast({}):f8e8m0", text, result), {node.input(0)}));
  node.output(0, out);
  return {};
}

Status cast_to(OnnxNode& node, DType to) {
  if (!is_known(to)) return fail(Code::invalid_model, "the type to cast to is {}, no known one", static_cast<int>(to));
  DType from = node.type(0).dtype;
  if (to == DType::string || from == DType::string) {
    TN_ASSIGN(ValueId out, cast_texts(node, node.input(0), to));
    node.output(0, out);
    return {};
  }
  if (to == DType::f8e8m0 && from != to) return cast_to_powers(node);
  TN_ASSIGN(ValueId out, cast(node, node.input(0), to, node.attrs().integer("saturate", 1) != 0));
  node.output(0, out);
  return {};
}

// Before op set 6 `to` is the type's name in capitals.
DType named_type(std::string_view name) {
  struct Row { std::string_view name; DType type; };
  static constexpr Row kRows[] = {
      {"FLOAT", DType::f32},   {"UINT8", DType::u8},    {"INT8", DType::i8},    {"UINT16", DType::u16},
      {"INT16", DType::i16},   {"INT32", DType::i32},   {"INT64", DType::i64},  {"BOOL", DType::boolean},
      {"STRING", DType::string},
      {"FLOAT16", DType::f16}, {"DOUBLE", DType::f64},  {"UINT32", DType::u32}, {"UINT64", DType::u64},
  };
  for (const Row& row : kRows)
    if (row.name == name) return row.type;
  return DType::none;
}

Status expand_cast(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 of Cast is missing");
  if (node.version() < 6) return cast_to(node, named_type(node.attrs().text("to")));
  int64_t to = node.attrs().integer("to");
  return cast_to(node, to > 0 && to < 256 ? static_cast<DType>(to) : DType::none);
}

Status expand_cast_like(OnnxNode& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::invalid_model, "CastLike takes 2 inputs");
  return cast_to(node, node.type(1).dtype);
}

constexpr OnnxRow kRows[] = {{"Cast", 1, expand_cast}, {"CastLike", 15, expand_cast_like}};

// What a number beyond the largest finite one of an 8-bit float becomes when the cast does not saturate. A number halfway
// between the largest and the next step rounds to the even one of both.
struct Overflow {
  DType type;
  std::string_view beyond;  // of the magnitude
  std::string_view result;
};
constexpr Overflow kOverflows[] = {
    {DType::f8e4m3fn, "gt(abs(t0), 464)", "nan"},
    {DType::f8e4m3fnuz, "ge(abs(t0), 248)", "nan"},
    {DType::f8e5m2, "ge(abs(t0), 61440)", "inf"},
    {DType::f8e5m2fnuz, "ge(abs(t0), 61440)", "nan"},
};

}  // namespace

Result<ValueId> cast(OnnxNode& node, ValueId x, DType type, bool saturate) {
  const DType from = node.type(x).dtype;
  if (saturate || from == type) return cast(node, x, type);
  for (const Overflow& row : kOverflows) {
    if (row.type != type) continue;
    const std::string to(name_of(type)), inner = is_float(from) ? "x0" : "cast(x0):f64";
    const std::string over = row.result == "inf" ? fmt::format("where(lt(t0, 0), -inf:{0}, inf:{0})", to)
                                                 : fmt::format("nan:{}", to);
    return add_formula(node, fmt::format("t0 = {}; where({}, {}, cast(t0):{})", inner, row.beyond, over, to), {x});
  }
  return cast(node, x, type);
}

extern const OpFile cast_ops = {nullptr, kRows};

}  // namespace tenon
