// What the operators of ai.onnx.ml share: inputs that become floats, constants, what happens to scores at the
// end.
#pragma once

#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// X [N, features] as floats: f64 stays f64, everything else becomes f32. A vector is one row.
Result<ValueId> features_of(OnnxNode& node);

// A constant of f32 or f64, and one of i64.
ValueId float_constant(OnnxNode& node, DType type, Shape shape, const std::vector<double>& values);
ValueId integer_constant(OnnxNode& node, Shape shape, const std::vector<int64_t>& values);

// A number attribute's list or, where it is given so, that of the tensor attribute `<name>_as_tensor`.
Result<std::vector<double>> numbers_attribute(OnnxNode& node, std::string_view name);

// The attribute post_transform, NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT, of scores [N, classes].
enum class PostTransform : uint8_t { none, softmax, logistic, softmax_zero, probit };
Result<PostTransform> post_transform(OnnxNode& node);
Result<ValueId> transformed(OnnxNode& node, ValueId scores, PostTransform transform);

// A classifier's labels: those of the attribute of integers, or 0, 1, … for the texts of the other one, which name_labels
// puts in their place in output 0 when the node has it.
Result<std::vector<int64_t>> class_labels(OnnxNode& node, std::string_view integers);
Status name_labels(OnnxNode& node);

// Scores of two classes [N, 2] from one score [N, 1], as ONNX Runtime has it: s becomes 1-s and s where the
// weights are shares of one, else -s and s; LOGISTIC makes probabilities of both.
Result<ValueId> two_scores(OnnxNode& node, ValueId score, bool shares, PostTransform transform);

}  // namespace tenon
