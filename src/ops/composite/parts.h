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
// [N, spatial…, C] as [N, C, spatial…], and back.
Result<ValueId> channels_first(OnnxNode& node, ValueId x);
Result<ValueId> channels_last(OnnxNode& node, ValueId x);
// a x b as ONNX's MatMul has it: vectors are matrices of one row (a) or one column (b), and their dim leaves the result.
Result<ValueId> matrix_product(OnnxNode& node, ValueId a, ValueId b);
// first … first + size - 1, i64, along one axis of a tensor of `rank` dims whose other dims are 1.
Result<ValueId> positions(OnnxNode& node, const Dim& size, size_t axis, size_t rank, const Dim& first = Dim(0));
// What an operator of ai.onnx in a version of its own makes of these inputs and attributes: the outputs asked for, an
// invalid one where it has none.
Result<std::vector<ValueId>> expand_as(OnnxNode& node, std::string_view op_type, int64_t version, std::vector<ValueId> inputs,
                                       Attrs attrs = {}, size_t outputs = 1);
// The same for one output.
Result<ValueId> expand_one_as(OnnxNode& node, std::string_view op_type, int64_t version, std::vector<ValueId> inputs,
                              Attrs attrs = {});
// A dim as i64 of rank 0.
Result<ValueId> dim_value(OnnxNode& node, const Dim& dim);

// The type that an integer attribute names as ONNX numbers them; fails, naming it, unless it is one that tensors have.
Result<DType> type_attribute(OnnxNode& node, std::string_view name, DType fallback);
// Fails, naming the input, unless all of the first `count` are there.
Status expect_inputs(OnnxNode& node, size_t count);
// Fails, naming it, when the node has the input, or the output, that `what` says.
Status refuse_input(OnnxNode& node, size_t i, std::string_view what);
Status refuse_output(OnnxNode& node, size_t i, std::string_view what);
// Fails, naming it, unless the integer attribute is absent or `supported`.
Status refuse_attribute(OnnxNode& node, std::string_view name, int64_t supported);

}  // namespace tenon
