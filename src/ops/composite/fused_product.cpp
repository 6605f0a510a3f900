// Products and convolutions that ONNX Runtime has fused with what stands beside them: FusedMatMul, FusedGemm,
// FusedConv, NhwcConv.
#include <algorithm>
#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// An operand as FusedMatMul's attributes turn it: with `batch`, its first dim comes before its last; then,
// with `swap`, its last two are exchanged. A vector stays what it is.
Result<ValueId> turned(OnnxNode& node, size_t i, bool swap, bool batch) {
  const size_t rank = node.rank(i);
  if (rank < 2) return node.input(i);
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  if (batch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (swap) std::swap(perm[rank - 1], perm[rank - 2]);
  return transpose(node.build(), node.input(i), std::move(perm));
}

Result<ValueId> scaled(OnnxNode& node, ValueId x, double factor) {
  if (factor == 1) return x;
  return add_formula(node, fmt::format("mul(x0, {})", factor), {x});
}

Status expand_fused_matmul(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const Attrs& attrs = node.attrs();
  TN_ASSIGN(ValueId a, turned(node, 0, attrs.integer("transA") != 0, attrs.integer("transBatchA") != 0));
  TN_ASSIGN(ValueId b, turned(node, 1, attrs.integer("transB") != 0, attrs.integer("transBatchB") != 0));
  TN_ASSIGN(ValueId y, matrix_product(node, a, b));
  TN_ASSIGN(y, scaled(node, y, attrs.number("alpha", 1)));
  node.output(0, y);
  return {};
}

// What follows a product: its formula, with numbers in the place of {0}, {1}, …
struct Activation {
  std::string_view name;
  size_t numbers;
  std::string_view formula;
};
constexpr Activation kActivations[] = {
    {"Relu", 0, "max(x0, 0)"},
    {"Tanh", 0, "tanh(x0)"},
    {"Sigmoid", 0, "sigmoid(x0)"},
    {"LeakyRelu", 1, "where(lt(x0, 0), mul(x0, {0}), x0)"},
    {"Clip", 2, "min(max(x0, {0}), {1})"},
    {"HardSigmoid", 2, "max(min(add(mul(x0, {0}), {1}), 1), 0)"},
};

Result<ValueId> activated(OnnxNode& node, ValueId x, const std::vector<double>& numbers) {
  const std::string name = node.attrs().text("activation");
  if (name.empty()) return x;
  for (const Activation& row : kActivations) {
    if (row.name != name) continue;
    if (numbers.size() < row.numbers)
      return fail(Code::invalid_model, "{}: activation {} needs {} numbers, the node gives {}",
                  node.attrs().text("op_type"), name, row.numbers, numbers.size());
    const double first = numbers.empty() ? 0 : numbers[0], second = numbers.size() < 2 ? 0 : numbers[1];
    return add_formula(node, fmt::format(fmt::runtime(row.formula), first, second), {x});
  }
  return fail(
      Code::unsupported,
      "{}: activation '{}' is not supported; Relu, Tanh, Sigmoid, LeakyRelu, Clip and HardSigmoid are",
      node.attrs().text("op_type"), name);
}

Status expand_fused_gemm(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId y,
            expand_one_as(node, "Gemm", 13, {node.input(0), node.input(1), node.input(2)}, node.attrs()));
  std::vector<double> numbers;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (node.attrs().has(name)) numbers.push_back(node.attrs().number(name));
  TN_ASSIGN(y, activated(node, y, numbers));
  node.output(0, y);
  return {};
}

// A convolution, Z added to it, then an activation.
Status expand_fused_conv(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId y,
            expand_one_as(node, "Conv", 11, {node.input(0), node.input(1), node.input(2)}, node.attrs()));
  if (node.has(3)) {
    TN_ASSIGN(y, add_formula(node, "add(x0, x1)", {y, node.input(3)}));
  }
  TN_ASSIGN(y, activated(node, y, node.attrs().get<std::vector<double>>("activation_params")));
  node.output(0, y);
  return {};
}

// x and y have their channels last; w is as Conv has it.
Status expand_nhwc_conv(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId x, channels_first(node, node.input(0)));
  TN_ASSIGN(ValueId y, expand_one_as(node, "Conv", 11, {x, node.input(1), node.input(2)}, node.attrs()));
  TN_ASSIGN(y, channels_last(node, y));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"FusedMatMul", 1, expand_fused_matmul, "com.microsoft"},
                             {"TransposeMatMul", 1, expand_fused_matmul, "com.microsoft"},
                             {"FusedGemm", 1, expand_fused_gemm, "com.microsoft"},
                             {"FusedConv", 1, expand_fused_conv, "com.microsoft"},
                             {"NhwcConv", 1, expand_nhwc_conv, "com.microsoft"}};

}  // namespace

extern const OpFile fused_product_ops = {nullptr, kRows};

}  // namespace tenon
