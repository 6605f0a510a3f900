// Cast and CastLike.
#include "ops/composite/elementwise.h"
#include "ops/ops.h"

namespace tenon {
namespace {

Status cast_to(OnnxNode& node, DType to) {
  if (!is_known(to)) return fail(Code::invalid_model, "the type to cast to is {}, no known one", static_cast<int>(to));
  DType from = node.type(0).dtype;
  if (to == DType::string || from == DType::string)
    return fail(Code::unsupported, "a cast of {} to {} is not supported", name_of(from), name_of(to));
  if (size_of(to) == 1 && is_float(to) && node.attrs().integer("saturate", 1) == 0)
    return fail(Code::unsupported, "a cast to {} with saturate=0 is not supported", name_of(to));
  if (from == to) return node.output(0, node.input(0)), Status{};
  TN_ASSIGN(ValueId out, add_formula(node, fmt::format("cast(x0):{}", name_of(to)), {node.input(0)}));
  node.output(0, out);
  return {};
}

// Before op set 6 `to` is the type's name in capitals.
DType named_type(std::string_view name) {
  struct Row { std::string_view name; DType type; };
  static constexpr Row kRows[] = {
      {"FLOAT", DType::f32},   {"UINT8", DType::u8},    {"INT8", DType::i8},    {"UINT16", DType::u16},
      {"INT16", DType::i16},   {"INT32", DType::i32},   {"INT64", DType::i64},  {"BOOL", DType::boolean},
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

}  // namespace

extern const OpFile cast_ops = {nullptr, kRows};

}  // namespace tenon
