// MatMulInteger, QLinearMatMul, and of ONNX Runtime's operators MatMulIntegerToFloat, DynamicQuantizeMatMul and QGemm:
// products of 8-bit integers, exact in i32.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/quantize.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A scale or zero point of a matrix, so that it broadcasts: a vector belongs to rows, or to columns.
Result<ValueId> of_matrix(OnnxNode& node, size_t i, bool rows) {
  if (!node.has(i)) return ValueId{};
  const Shape shape = node.type(i).shape;
  if (element_count(shape).is(1)) return reshape(node.build(), node.input(i), {});
  if (rows && shape.size() == 1) return reshape(node.build(), node.input(i), {shape[0], Dim(1)});
  return node.input(i);
}

// One number of a matrix as a scalar; one for each column stays what it is.
Result<ValueId> of_columns(OnnxNode& node, ValueId x) {
  if (!x.valid() || !element_count(node.type(x).shape).is(1)) return x;
  return reshape(node.build(), x, {});
}

// (a - its zero point) x (b - its zero point), of the inputs at these places.
Result<ValueId> integer_product(OnnxNode& node, size_t a, size_t zero_a, size_t b, size_t zero_b) {
  TN_ASSIGN(ValueId offset_a, of_matrix(node, zero_a, true));
  TN_ASSIGN(ValueId offset_b, of_matrix(node, zero_b, false));
  TN_ASSIGN(ValueId left, centred(node, node.input(a), offset_a));
  TN_ASSIGN(ValueId right, centred(node, node.input(b), offset_b));
  return matrix_product(node, left, right);
}

Status expand_matmul_integer(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId out, integer_product(node, 0, 2, 1, 3));
  node.output(0, out);
  return {};
}

Status expand_qlinear_matmul(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 8));
  TN_ASSIGN(ValueId product, integer_product(node, 0, 2, 3, 5));
  std::vector<ValueId> operands = {product};
  for (size_t i : {1, 4, 6}) {
    TN_ASSIGN(ValueId scale, of_matrix(node, i, i != 4));
    operands.push_back(scale);
  }
  TN_ASSIGN(ValueId zero, of_matrix(node, 7, true));
  TN_ASSIGN(ValueId y, quantized(node, "mul(cast(x0):f32, div(mul(cast(x1):f32, cast(x2):f32), cast(x3):f32))", operands,
                                 zero, node.type(7).dtype));
  node.output(0, y);
  return {};
}

Status expand_integer_to_float(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 4));
  TN_ASSIGN(ValueId y, scaled_product(node, {node.input(0), node.input(2), node.input(4)},
                                      {node.input(1), node.input(3), node.input(5)}, node.input(6)));
  node.output(0, y);
  return {};
}

Status expand_dynamic_product(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  TN_ASSIGN(std::vector<ValueId> a, expand_as(node, "DynamicQuantizeLinear", 11, {node.input(0)}, {}, 3));
  TN_ASSIGN(ValueId y, scaled_product(node, {a[0], a[1], a[2]}, {node.input(1), node.input(2), node.input(3)}, node.input(4)));
  node.output(0, y);
  return {};
}

// Without a scale for y the result is floats. C has the scale of A times B.
Status expand_qgemm(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 6));
  if (node.rank(0) != 2 || node.rank(3) != 2)
    return fail(Code::invalid_model, "QGemm's A and B must have 2 dims, they are {} and {}", print(node.type(0)), print(node.type(3)));
  const Attrs& attrs = node.attrs();
  TN_ASSIGN(ValueId zero_a, reshape(node.build(), node.input(2), {}));
  TN_ASSIGN(ValueId zero_b, of_columns(node, node.input(5)));
  TN_ASSIGN(ValueId scale_b, of_columns(node, node.input(4)));
  ValueId a = node.input(0), b = node.input(3);
  if (attrs.integer("transA")) {
    TN_ASSIGN(a, transpose(node.build(), a, {1, 0}));
  }
  if (attrs.integer("transB")) {
    TN_ASSIGN(b, transpose(node.build(), b, {1, 0}));
  }
  TN_ASSIGN(a, centred(node, a, zero_a));
  TN_ASSIGN(b, centred(node, b, zero_b));
  TN_ASSIGN(ValueId sum, matrix_product(node, a, b));
  if (node.has(6)) {
    TN_ASSIGN(sum, add_formula(node, "add(x0, x1)", {sum, node.input(6)}));
  }
  TN_ASSIGN(ValueId scale_a, reshape(node.build(), node.input(1), {}));
  TN_ASSIGN(ValueId scale, add_formula(node, fmt::format("mul(mul(x0, {}), x1)", attrs.number("alpha", 1)), {scale_a, scale_b}));
  if (node.has(7) != node.has(8)) return fail(Code::invalid_model, "QGemm takes y_scale and y_zero_point, or neither");
  if (!node.has(7)) {
    TN_ASSIGN(ValueId y, add_formula(node, "mul(cast(x0):f32, x1)", {sum, scale}));
    return node.output(0, y), Status{};
  }
  TN_ASSIGN(ValueId scale_y, reshape(node.build(), node.input(7), {}));
  TN_ASSIGN(ValueId zero_y, reshape(node.build(), node.input(8), {}));
  TN_ASSIGN(ValueId y, quantized(node, "mul(cast(x0):f32, div(x1, x2))", {sum, scale, scale_y}, zero_y, node.type(8).dtype));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"MatMulInteger", 10, expand_matmul_integer},
                             {"QLinearMatMul", 10, expand_qlinear_matmul},
                             {"MatMulIntegerToFloat", 1, expand_integer_to_float, "com.microsoft"},
                             {"DynamicQuantizeMatMul", 1, expand_dynamic_product, "com.microsoft"},
                             {"QGemm", 1, expand_qgemm, "com.microsoft"}};

}  // namespace

Result<ValueId> scaled_product(OnnxNode& node, const QuantizedMatrix& a, const QuantizedMatrix& b, ValueId bias) {
  TN_ASSIGN(ValueId zero_a, of_columns(node, a.zero));
  TN_ASSIGN(ValueId zero_b, of_columns(node, b.zero));
  TN_ASSIGN(ValueId left, centred(node, a.x, zero_a));
  TN_ASSIGN(ValueId right, centred(node, b.x, zero_b));
  TN_ASSIGN(ValueId product, matrix_product(node, left, right));
  TN_ASSIGN(ValueId scale_a, of_columns(node, a.scale));
  TN_ASSIGN(ValueId scale_b, of_columns(node, b.scale));
  const DType type = node.type(scale_b).dtype;
  TN_ASSIGN(ValueId y, add_formula(node, "mul(cast(x0):f32, mul(cast(x1):f32, cast(x2):f32))", {product, scale_a, scale_b}));
  if (bias.valid()) {
    TN_ASSIGN(y, add_formula(node, "add(x0, cast(x1):f32)", {y, bias}));
  }
  return cast(node, y, type);
}

extern const OpFile quantized_product_ops = {nullptr, kRows};

}  // namespace tenon
