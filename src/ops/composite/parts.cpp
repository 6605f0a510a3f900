#include "ops/composite/parts.h"

#include <algorithm>
#include <numeric>

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

Result<ValueId> channels_first(OnnxNode& node, ValueId x) {
  const size_t rank = node.type(x).rank();
  if (rank < 2) return fail(Code::invalid_model, "a tensor with channels last must have 2 dims or more, it is {}", print(node.type(x)));
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  std::rotate(perm.begin() + 1, perm.end() - 1, perm.end());
  return transpose(node.build(), x, std::move(perm));
}

Result<ValueId> channels_last(OnnxNode& node, ValueId x) {
  std::vector<int64_t> perm(node.type(x).rank());
  std::iota(perm.begin(), perm.end(), 0);
  if (perm.size() > 2) std::rotate(perm.begin() + 1, perm.begin() + 2, perm.end());
  return transpose(node.build(), x, std::move(perm));
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

Result<std::vector<ValueId>> expand_as(OnnxNode& node, std::string_view op_type, int64_t version, std::vector<ValueId> inputs,
                                       Attrs attrs, size_t outputs) {
  TN_ASSIGN(const OnnxRow* row, require_onnx_row("", op_type, version));
  attrs.set("domain", std::string());
  attrs.set("op_type", std::string(op_type));
  attrs.set("version", version);
  OnnxNode part(node, std::move(inputs), version, attrs, outputs);
  TN_TRY(row->expand(part));
  std::vector<ValueId> out;
  for (const OnnxValue& output : part.outputs()) out.push_back(output.tensor);
  out.resize(outputs);
  return out;
}

Result<ValueId> expand_one_as(OnnxNode& node, std::string_view op_type, int64_t version, std::vector<ValueId> inputs,
                              Attrs attrs) {
  TN_ASSIGN(std::vector<ValueId> out, expand_as(node, op_type, version, std::move(inputs), std::move(attrs)));
  return out[0];
}

Result<ValueId> dim_value(OnnxNode& node, const Dim& dim) {
  return node.add(kShapeValue, {}, {{"values", Shape{dim}}, {"scalar", int64_t{1}}});
}

Result<DType> type_attribute(OnnxNode& node, std::string_view name, DType fallback) {
  const int64_t number = node.attrs().integer(name);
  if (number == 0) return fallback;
  const auto type = number > 0 && number < 256 ? static_cast<DType>(number) : DType::none;
  if (is_known(type) && type != DType::string) return type;
  return fail(Code::unsupported, "attribute {} of {} is {}, which is no type of a tensor", name,
              node.attrs().text("op_type"), number);
}

Status expect_inputs(OnnxNode& node, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!node.has(i)) return fail(Code::invalid_model, "input {} of {} is missing", i, node.attrs().text("op_type"));
  return {};
}

Status refuse_input(OnnxNode& node, size_t i, std::string_view what) {
  if (!node.has(i)) return {};
  return fail(Code::unsupported, "{}: input {} ({}) is not supported; export the model without it",
              node.attrs().text("op_type"), i, what);
}

Status refuse_output(OnnxNode& node, size_t i, std::string_view what) {
  if (!node.has_output(i)) return {};
  return fail(Code::unsupported, "{}: output {} ({}) is not supported; export the model without it",
              node.attrs().text("op_type"), i, what);
}

Status refuse_attribute(OnnxNode& node, std::string_view name, int64_t supported) {
  const int64_t value = node.attrs().integer(name, supported);
  if (value == supported) return {};
  return fail(Code::unsupported, "{}: attribute {} is {}; only {} is supported", node.attrs().text("op_type"), name, value,
              supported);
}

}  // namespace tenon
