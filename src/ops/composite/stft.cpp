// STFT: the transforms of a signal's frames as a product with a matrix of cosines, which is computed once when the plan is
// built.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// More elements of a matrix would be a plan of gigabytes.
constexpr int64_t kMaxMatrix = int64_t{1} << 28;

// The matrix [length, parts, frequencies, 2]: the part of an element that goes to the part of a frequency. A real part
// times cos and an imaginary one times sin is a cosine whose phase depends on the parts.
Result<ValueId> matrix_of(OnnxNode& node, const Shape& dims, DType type) {
  const Dim elements = element_count(dims);
  if (elements.is_constant() && elements.value() > kMaxMatrix)
    return fail(Code::unsupported, "STFT with frames of {}: the matrix {} would have more than {} elements", dims[0].text(),
                print(dims), kMaxMatrix);
  ValueId at[4];
  for (size_t i = 0; i < 4; ++i) {
    TN_ASSIGN(at[i], positions(node, dims[i], i, 4));
  }
  TN_ASSIGN(ValueId length, dim_value(node, dims[0]));
  TN_ASSIGN(ValueId turns, add_formula(node, "div(cast(mod(mul(x0, x1), x2)):f64, cast(x2):f64)", {at[0], at[2], length}));
  const std::string text = fmt::format(
      "cast(cos(add(mul(x0, 6.283185307179586), mul(cast(sub(x2, x1)):f64, 1.5707963267948966)))):{}", name_of(type));
  TN_ASSIGN(ValueId matrix, add_formula(node, text, {turns, at[1], at[3]}));
  return expand(node.build(), matrix, dims);
}

// The transform of frames [batch, frames, length, 1 or 2].
Result<ValueId> transform(OnnxNode& node, ValueId x, bool onesided) {
  const TensorType type = node.type(x);
  const Dim length = type.shape[2], parts = type.shape[3], two(2);
  const Dim frequencies = onesided ? floordiv(length, two) + Dim(1) : length;
  TN_ASSIGN(ValueId matrix, matrix_of(node, {length, parts, frequencies, two}, type.dtype));
  TN_ASSIGN(matrix, reshape(node.build(), matrix, {length * parts, frequencies * two}));
  TN_ASSIGN(x, reshape(node.build(), x, {type.shape[0], type.shape[1], length * parts}));
  TN_ASSIGN(ValueId y, node.add(kMatmul, {x, matrix}));
  return reshape(node.build(), y, {type.shape[0], type.shape[1], frequencies, two});
}

Result<Dim> one_dim(OnnxNode& node, size_t i, std::string_view what) {
  TN_ASSIGN(std::vector<Dim> values, node.dims(i, what));
  if (values.size() == 1) return values[0];
  return fail(Code::invalid_model, "{}: {} must be one number", node.attrs().text("op_type"), what);
}

// The signal's frames, each multiplied by the window, and the transform of each.
Status expand_stft(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const Shape signal = node.type(0).shape;
  if (!is_float(node.type(0).dtype) || signal.size() != 3 || (!signal[2].is(1) && !signal[2].is(2)))
    return fail(Code::invalid_model, "STFT takes floats [batch, length, 1 or 2], not {}", print(node.type(0)));
  TN_ASSIGN(Dim step, one_dim(node, 1, "frame_step"));
  if (at_least(Dim(0) - step, 0)) return fail(Code::invalid_model, "STFT: frame_step is {}", step.text());
  Dim length = signal[1];
  if (node.has(2) && node.rank(2) != 1)
    return fail(Code::invalid_model, "STFT: the window must be a vector, it is {}", print(node.type(2)));
  if (node.has(3)) {
    TN_ASSIGN(length, one_dim(node, 3, "frame_length"));
  } else if (node.has(2)) {
    length = node.type(2).shape[0];
  }
  if (node.has(2) && always_equal(length, node.type(2).shape[0]) == false)
    return fail(Code::unsupported, "STFT: frames of {} with a window of {} are not supported; they must have one length",
                length.text(), node.type(2).shape[0].text());
  if (at_least(Dim(0) - length, 0)) return fail(Code::invalid_model, "STFT: frame_length is {}, it must be at least 1", length.text());
  if (at_least(length - signal[1], 1))
    return fail(Code::invalid_model, "STFT: frames of {} in a signal of {}", length.text(), signal[1].text());
  const Dim frames = floordiv(signal[1] - length, step) + Dim(1);
  TN_ASSIGN(ValueId frame, positions(node, frames, 0, 2));
  TN_ASSIGN(ValueId within, positions(node, length, 1, 2));
  TN_ASSIGN(ValueId stride, dim_value(node, step));
  TN_ASSIGN(ValueId at, add_formula(node, "add(mul(x0, x2), x1)", {frame, within, stride}));
  TN_ASSIGN(ValueId x, node.add(kGather, {node.input(0), at}, {{"axis", int64_t{1}}}));
  if (node.has(2)) {
    TN_ASSIGN(ValueId window, along(node, node.input(2), 2, 4));
    TN_ASSIGN(x, add_formula(node, "mul(x0, x1)", {x, window}));
  }
  TN_ASSIGN(ValueId y, transform(node, x, node.attrs().integer("onesided", 1) != 0));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"STFT", 17, expand_stft}};

}  // namespace

extern const OpFile stft_ops = {nullptr, kRows};

}  // namespace tenon
