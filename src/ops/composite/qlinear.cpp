// ONNX Runtime's operators on 8-bit integers with a scale and a zero point: what the operator of floats makes
// of the numbers they stand for, quantised again. And its QuantizeLinear and DequantizeLinear, which ONNX's
// came to be.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/quantize.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A scale or a zero point as a scalar; an absent one stays so.
Result<ValueId> scalar_of(OnnxNode& node, size_t i) {
  if (!node.has(i)) return ValueId{};
  if (element_count(node.type(i).shape).is(1)) return reshape(node.build(), node.input(i), {});
  return fail(Code::invalid_model, "input {} of {} must have one element, it is {}", i,
              node.attrs().text("op_type"), print(node.type(i)));
}

// What inputs i, i + 1 and i + 2 stand for: integers, their scale, their zero point.
Result<ValueId> dequantised(OnnxNode& node, size_t i) {
  if (!node.has(i) || !node.has(i + 1))
    return fail(Code::invalid_model, "{} lacks input {} or its scale", node.attrs().text("op_type"), i);
  const DType type = node.type(i).dtype;
  if (type != DType::u8 && type != DType::i8)
    return fail(Code::invalid_model, "input {} of {} must be u8 or i8, it is {}", i,
                node.attrs().text("op_type"), print(node.type(i)));
  TN_ASSIGN(ValueId scale, scalar_of(node, i + 1));
  TN_ASSIGN(ValueId zero, scalar_of(node, i + 2));
  if (zero.valid() && node.type(zero).dtype != type)
    return fail(Code::invalid_model, "the zero point of input {} of {} is {}, the input {}", i,
                node.attrs().text("op_type"), print(node.type(zero)), print(node.type(i)));
  TN_ASSIGN(ValueId x, centred(node, node.input(i), zero));
  return add_formula(node, "mul(cast(x0):f32, x1)", {x, scale});
}

// Floats as output 0, by the scale and zero point in inputs i and i + 1, in the type of input 0 unless the
// zero point says.
Status give(OnnxNode& node, ValueId x, size_t i, DType fallback) {
  if (!node.has(i))
    return fail(Code::invalid_model, "{} lacks the scale of its output", node.attrs().text("op_type"));
  TN_ASSIGN(ValueId scale, scalar_of(node, i));
  TN_ASSIGN(ValueId zero, scalar_of(node, i + 1));
  const DType to = zero.valid() ? node.type(zero).dtype : fallback;
  TN_ASSIGN(ValueId y, quantized(node, "div(x0, x1)", {x, scale}, zero, to));
  node.output(0, y);
  return {};
}

Status expand_binary(OnnxNode& node, std::string_view formula) {
  TN_ASSIGN(ValueId a, dequantised(node, 0));
  TN_ASSIGN(ValueId b, dequantised(node, 3));
  TN_ASSIGN(ValueId y, add_formula(node, formula, {a, b}));
  return give(node, y, 6, node.type(0).dtype);
}
Status expand_add(OnnxNode& node) { return expand_binary(node, "add(x0, x1)"); }
Status expand_mul(OnnxNode& node) { return expand_binary(node, "mul(x0, x1)"); }

Status expand_unary(OnnxNode& node, std::string_view formula) {
  TN_ASSIGN(ValueId x, dequantised(node, 0));
  TN_ASSIGN(ValueId y, add_formula(node, formula, {x}));
  return give(node, y, 3, node.type(0).dtype);
}
Status expand_sigmoid(OnnxNode& node) { return expand_unary(node, "sigmoid(x0)"); }
Status expand_leaky_relu(OnnxNode& node) {
  return expand_unary(node,
                      fmt::format("where(lt(x0, 0), mul(x0, {}), x0)", node.attrs().number("alpha", 0.01)));
}

Status expand_where(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 of QLinearWhere is missing");
  TN_ASSIGN(ValueId x, dequantised(node, 1));
  TN_ASSIGN(ValueId y, dequantised(node, 4));
  TN_ASSIGN(ValueId out, add_formula(node, "where(x0, x1, x2)", {node.input(0), x, y}));
  return give(node, out, 7, node.type(1).dtype);
}

// Scale and zero point of the result, then three inputs for each part.
Status expand_concat(OnnxNode& node) {
  if (node.input_count() < 5 || (node.input_count() - 2) % 3 != 0)
    return fail(Code::invalid_model, "QLinearConcat takes 2 inputs and 3 for each part, the node has {}",
                node.input_count());
  std::vector<ValueId> parts;
  for (size_t i = 2; i < node.input_count(); i += 3) {
    TN_ASSIGN(ValueId part, dequantised(node, i));
    parts.push_back(part);
  }
  TN_ASSIGN(ValueId y,
            expand_one_as(node, "Concat", 13, std::move(parts), {{"axis", node.attrs().integer("axis")}}));
  return give(node, y, 0, node.type(2).dtype);
}

// The numbers that input 0 stands for, with their channels in dim 1.
Result<ValueId> image(OnnxNode& node) {
  TN_ASSIGN(ValueId x, dequantised(node, 0));
  return node.attrs().integer("channels_last") ? channels_first(node, x) : Result<ValueId>(x);
}

Status give_image(OnnxNode& node, ValueId y) {
  if (node.attrs().integer("channels_last")) {
    TN_ASSIGN(y, channels_last(node, y));
  }
  return give(node, y, 3, node.type(0).dtype);
}

Status expand_average_pool(OnnxNode& node) {
  TN_ASSIGN(ValueId x, image(node));
  TN_ASSIGN(ValueId y, expand_one_as(node, "AveragePool", 11, {x}, node.attrs()));
  return give_image(node, y);
}

Status expand_global_average_pool(OnnxNode& node) {
  TN_ASSIGN(ValueId x, image(node));
  TN_ASSIGN(ValueId y, expand_one_as(node, "GlobalAveragePool", 1, {x}));
  return give_image(node, y);
}

Status expand_reduce_mean(OnnxNode& node) {
  TN_ASSIGN(ValueId x, dequantised(node, 0));
  TN_ASSIGN(ValueId y, expand_one_as(node, "ReduceMean", 11, {x}, node.attrs()));
  return give(node, y, 3, node.type(0).dtype);
}

Status expand_softmax(OnnxNode& node) {
  const int64_t version = node.attrs().integer("opset", 13);
  if (version < 1) return fail(Code::invalid_model, "attribute opset of QLinearSoftmax is {}", version);
  TN_ASSIGN(ValueId x, dequantised(node, 0));
  TN_ASSIGN(ValueId y, expand_one_as(node, "Softmax", version < 13 ? 1 : 13, {x},
                                     {{"axis", node.attrs().integer("axis", -1)}}));
  return give(node, y, 3, node.type(0).dtype);
}

// QLinearConv, with the channels last if the attribute says so.
Status expand_conv(OnnxNode& node) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 9; ++i) inputs.push_back(node.input(i));
  const bool last = node.attrs().integer("channels_last") != 0;
  if (last && node.has(0)) {
    TN_ASSIGN(inputs[0], channels_first(node, inputs[0]));
  }
  TN_ASSIGN(ValueId y, expand_one_as(node, "QLinearConv", 10, std::move(inputs), node.attrs()));
  if (last) {
    TN_ASSIGN(y, channels_last(node, y));
  }
  node.output(0, y);
  return {};
}

Status expand_as_onnx(OnnxNode& node) {
  const std::string op = node.attrs().text("op_type");
  TN_ASSIGN(ValueId y,
            expand_one_as(node, op, 21, {node.input(0), node.input(1), node.input(2)}, node.attrs()));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"QLinearAdd", 1, expand_add, "com.microsoft"},
                             {"QLinearMul", 1, expand_mul, "com.microsoft"},
                             {"QLinearSigmoid", 1, expand_sigmoid, "com.microsoft"},
                             {"QLinearLeakyRelu", 1, expand_leaky_relu, "com.microsoft"},
                             {"QLinearWhere", 1, expand_where, "com.microsoft"},
                             {"QLinearConcat", 1, expand_concat, "com.microsoft"},
                             {"QLinearAveragePool", 1, expand_average_pool, "com.microsoft"},
                             {"QLinearGlobalAveragePool", 1, expand_global_average_pool, "com.microsoft"},
                             {"QLinearReduceMean", 1, expand_reduce_mean, "com.microsoft"},
                             {"QLinearSoftmax", 1, expand_softmax, "com.microsoft"},
                             {"QLinearConv", 1, expand_conv, "com.microsoft"},
                             {"QuantizeLinear", 1, expand_as_onnx, "com.microsoft"},
                             {"DequantizeLinear", 1, expand_as_onnx, "com.microsoft"}};

}  // namespace

extern const OpFile qlinear_ops = {nullptr, kRows};

}  // namespace tenon
