// MatMulInteger and QLinearMatMul: products of 8-bit integers, exact in i32.
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

constexpr OnnxRow kRows[] = {{"MatMulInteger", 10, expand_matmul_integer}, {"QLinearMatMul", 10, expand_qlinear_matmul}};

}  // namespace

extern const OpFile quantized_product_ops = {nullptr, kRows};

}  // namespace tenon
