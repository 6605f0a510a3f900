// What follows from comparing positions: OneHot, Trilu, EyeLike.
#include <algorithm>

#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<ValueId> pointwise(OnnxNode& node, std::vector<ValueId> inputs, ProgramBuilder& builder, uint8_t result) {
  TN_ASSIGN(Program program, builder.finish(result));
  return node.add(kPointwise, std::move(inputs), {{"program", program}});
}

// Any number type may give the depth.
Result<std::vector<Dim>> depth_of(OnnxNode& node) {
  if (!is_float(node.type(1).dtype)) return node.dims(1, "depth");
  TN_ASSIGN(double depth, node.scalar(1, "depth"));
  if (!(depth >= 0 && depth <= 0x1p40)) return fail(Code::invalid_model, "OneHot: depth is {}", depth);
  return std::vector<Dim>{Dim(static_cast<int64_t>(depth))};
}

Status onnx_one_hot(OnnxNode& node) {
  const Shape indices = node.type(0).shape;
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), indices.size() + 1));
  TN_ASSIGN(std::vector<Dim> depth, depth_of(node));
  if (depth.size() != 1) return fail(Code::invalid_model, "OneHot: depth must be one number");
  if (node.rank(2) != 1) return fail(Code::invalid_model, "OneHot: values must be [off, on]");
  Shape with_axis = indices;
  with_axis.insert(with_axis.begin() + axis, Dim(1));
  TN_ASSIGN(ValueId x, reshape(node.build(), node.input(0), with_axis));
  TN_ASSIGN(ValueId at, positions(node, depth[0], static_cast<size_t>(axis), with_axis.size()));
  TN_ASSIGN(ValueId count, dim_value(node, depth[0]));
  ValueId value[2];
  for (int i = 0; i < 2; ++i) {
    TN_ASSIGN(value[i], slice(node.build(), node.input(2), 0, Dim(i), Dim(1)));
    TN_ASSIGN(value[i], reshape(node.build(), value[i], {}));
  }
  const DType type = node.type(2).dtype;
  const DType types[] = {node.type(0).dtype, DType::i64, DType::i64, type, type};
  ProgramBuilder builder(types);
  uint8_t index = types[0] == DType::i64 ? 0 : builder.cast(DType::i64, 0);
  uint8_t negative = builder.binary(ExprOp::lt, index, builder.constant(DType::i64, 0));
  uint8_t wrapped = builder.where(negative, builder.binary(ExprOp::add, index, 2), index);
  uint8_t result = builder.where(builder.binary(ExprOp::eq, wrapped, 1), 4, 3);
  TN_ASSIGN(ValueId out, pointwise(node, {x, at, count, value[0], value[1]}, builder, result));
  node.output(0, out);
  return {};
}

Status onnx_trilu(OnnxNode& node) {
  const Shape shape = node.type(0).shape;
  const size_t rank = shape.size();
  if (rank < 2) return fail(Code::invalid_model, "Trilu: {} has no rows and columns", print(node.type(0)));
  int64_t k = 0;
  if (node.has(1)) {
    TN_ASSIGN(std::vector<int64_t> values, node.integers(1, "k"));
    if (values.size() != 1) return fail(Code::invalid_model, "Trilu: k must be one number");
    k = values[0];
  }
  TN_ASSIGN(ValueId row, positions(node, shape[rank - 2], 0, 2));
  TN_ASSIGN(ValueId column, positions(node, shape[rank - 1], 1, 2));
  const DType type = node.type(0).dtype;
  const DType types[] = {type, DType::i64, DType::i64};
  ProgramBuilder builder(types);
  const bool upper = node.attrs().integer("upper", 1) != 0;
  // The diagonal's number is exact as a constant of a program: beyond the tensor's size it decides nothing more.
  uint8_t diagonal = builder.constant(DType::i64, static_cast<double>(std::clamp<int64_t>(k, -(int64_t{1} << 48),
                                                                                          int64_t{1} << 48)));
  uint8_t kept = builder.binary(upper ? ExprOp::ge : ExprOp::le, builder.binary(ExprOp::sub, 2, 1), diagonal);
  uint8_t result = builder.where(kept, 0, builder.constant(type, 0));
  TN_ASSIGN(ValueId out, pointwise(node, {node.input(0), row, column}, builder, result));
  node.output(0, out);
  return {};
}

Status onnx_eye_like(OnnxNode& node) {
  const Shape shape = node.type(0).shape;
  if (shape.size() != 2) return fail(Code::invalid_model, "EyeLike: {} must have 2 dims", print(node.type(0)));
  const DType type = node.attrs().has("dtype") ? static_cast<DType>(node.attrs().integer("dtype")) : node.type(0).dtype;
  if (!is_known(type) || type == DType::string) return fail(Code::unsupported, "EyeLike: dtype {}", static_cast<int>(type));
  TN_ASSIGN(ValueId row, positions(node, shape[0], 0, 2));
  TN_ASSIGN(ValueId column, positions(node, shape[1], 1, 2));
  const DType types[] = {DType::i64, DType::i64};
  ProgramBuilder builder(types);
  const int64_t k = std::clamp<int64_t>(node.attrs().integer("k"), -(int64_t{1} << 48), int64_t{1} << 48);
  uint8_t on = builder.binary(ExprOp::eq, builder.binary(ExprOp::sub, 1, 0),
                              builder.constant(DType::i64, static_cast<double>(k)));
  uint8_t result = type == DType::boolean ? on : builder.cast(type, on);
  TN_ASSIGN(ValueId out, pointwise(node, {row, column}, builder, result));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"OneHot", 9, onnx_one_hot}, {"Trilu", 14, onnx_trilu}, {"EyeLike", 9, onnx_eye_like}};

}  // namespace

const OpFile one_hot_ops{nullptr, kRows};

}  // namespace tenon
