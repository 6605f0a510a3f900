// What composites are put together from: one core node a call.
#pragma once

#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// x in another element type; x itself if it has it already.
Result<ValueId> cast(OnnxNode& node, ValueId x, DType type);
Result<ValueId> reduce(OnnxNode& node, std::string_view kind, ValueId x, std::vector<int64_t> axes, bool keep_dims = true);
Result<ValueId> concat(OnnxNode& node, std::vector<ValueId> parts, int64_t axis);
// x in which dims of 1 are put in, so that it has `rank` dims of which the first is at `axis`.
Result<ValueId> along(OnnxNode& node, ValueId x, size_t axis, size_t rank);
// a x b as ONNX's MatMul has it: vectors are matrices of one row (a) or one column (b), and their dim leaves the result.
Result<ValueId> matrix_product(OnnxNode& node, ValueId a, ValueId b);
// first … first + size - 1, i64, along one axis of a tensor of `rank` dims whose other dims are 1.
Result<ValueId> positions(OnnxNode& node, const Dim& size, size_t axis, size_t rank, const Dim& first = Dim(0));
// A dim as i64 of rank 0.
Result<ValueId> dim_value(OnnxNode& node, const Dim& dim);

// The type that an integer attribute names as ONNX numbers them; fails, naming it, unless it is one that tensors have.
Result<DType> type_attribute(OnnxNode& node, std::string_view name, DType fallback);
// Fails, naming the input, unless all of the first `count` are there.
Status expect_inputs(OnnxNode& node, size_t count);

}  // namespace tenon
