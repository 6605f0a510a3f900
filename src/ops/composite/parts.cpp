#include "ops/composite/parts.h"

#include "ops/composite/elementwise.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {

Result<ValueId> cast(OnnxNode& node, ValueId x, DType type) {
  if (node.type(x).dtype == type) return x;
  return add_formula(node, fmt::format("cast(x0):{}", name_of(type)), {x});
}

Result<ValueId> reduce(OnnxNode& node, std::string_view kind, ValueId x, std::vector<int64_t> axes, bool keep_dims) {
  return node.add(kReduce, {x},
                  {{"kind", std::string(kind)}, {"axes", std::move(axes)}, {"keep_dims", int64_t{keep_dims}}});
}

Result<ValueId> concat(OnnxNode& node, std::vector<ValueId> parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  return node.add(kConcat, std::move(parts), {{"axis", axis}});
}

Result<ValueId> along(OnnxNode& node, ValueId x, size_t axis, size_t rank) {
  const Shape& dims = node.type(x).shape;
  if (axis + dims.size() > rank)
    return fail(Code::invalid_model, "{} does not lie within {} dims from axis {} on", print(node.type(x)), rank, axis);
  Shape shape(axis, Dim(1));
  shape.insert(shape.end(), dims.begin(), dims.end());
  shape.resize(rank, Dim(1));
  return reshape(node.build(), x, std::move(shape));
}

Result<ValueId> matrix_product(OnnxNode& node, ValueId a, ValueId b) {
  const Shape left = node.type(a).shape, right = node.type(b).shape;
  if (left.empty() || right.empty())
    return fail(Code::invalid_model, "operands must have at least one dim, they are {} and {}", print(node.type(a)),
                print(node.type(b)));
  if (left.size() == 1) {
    TN_ASSIGN(a, reshape(node.build(), a, {Dim(1), left[0]}));
  }
  if (right.size() == 1) {
    TN_ASSIGN(b, reshape(node.build(), b, {right[0], Dim(1)}));
  }
  TN_ASSIGN(ValueId out, node.add(kMatmul, {a, b}));
  if (left.size() > 1 && right.size() > 1) return out;
  Shape shape = node.type(out).shape;
  if (right.size() == 1) shape.pop_back();
  if (left.size() == 1) shape.erase(shape.end() - (right.size() == 1 ? 1 : 2));
  return reshape(node.build(), out, std::move(shape));
}

Result<ValueId> positions(OnnxNode& node, const Dim& size, size_t axis, size_t rank, const Dim& first) {
  if (size.is_constant() && size.value() < 0)
    return fail(Code::invalid_model, "a dim would be {}: none may be negative", size.value());
  Attrs attrs{{"dtype", DType::i64}, {"size", Shape{size}}, {"step", 1.0}};
  if (!first.is(0)) attrs.set("start_dim", Shape{first});
  TN_ASSIGN(ValueId iota, node.add(kIota, {}, std::move(attrs)));
  return along(node, iota, axis, rank);
}

Result<ValueId> dim_value(OnnxNode& node, const Dim& dim) {
  return node.add(kShapeValue, {}, {{"values", Shape{dim}}, {"scalar", int64_t{1}}});
}

Result<DType> type_attribute(OnnxNode& node, std::string_view name, DType fallback) {
  const int64_t number = node.attrs().integer(name);
  if (number == 0) return fallback;
  const auto type = number > 0 && number < 256 ? static_cast<DType>(number) : DType::none;
  if (is_known(type) && size_of(type) > 0) return type;
  return fail(Code::unsupported, "attribute {} of {} is {}, which is no type of a tensor", name,
              node.attrs().text("op_type"), number);
}

Status expect_inputs(OnnxNode& node, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!node.has(i)) return fail(Code::invalid_model, "input {} of {} is missing", i, node.attrs().text("op_type"));
  return {};
}

}  // namespace tenon
