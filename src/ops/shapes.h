// What the ops that move elements share: merging dims, dims as kernel parameters.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// The dim that two operands must share, as exactly as either says it; nullopt when both are constant and differ.
std::optional<Dim> same_dim(const Dim& a, const Dim& b);

// min(max(value, low), high) without the parts that never matter. low <= high.
Dim clamp(const Dim& value, const Dim& low, const Dim& high);

// The quotient of two products of dims; equal factors cancel first, so that the result has few symbols.
Dim quotient(Shape numerator, Shape denominator);

// Writes dims over the int64 numbers at `offset` of the call's parameters: constants at once, others as DimParams.
void set_dims(KernelCall& call, size_t offset, const Shape& dims);

// Fails unless `values` has one entry for each dim of `type`.
Status expect_full_rank(const TensorType& type, size_t entries, std::string_view what);

// One output, maybe with a known content.
Inferred one_output(TensorType type, std::optional<std::vector<Dim>> content = std::nullopt);

// Whether a permutation leaves everything in place.
bool is_identity(const std::vector<int64_t>& perm);
// Fails unless `perm` is a permutation of 0 … rank-1.
Status expect_permutation(const std::vector<int64_t>& perm, size_t rank);

// x under other dims; x itself if it has them already.
Result<ValueId> reshape(Patch& patch, ValueId x, Shape shape);
Result<ValueId> transpose(Patch& patch, ValueId x, std::vector<int64_t> perm);
// x broadcast to exactly `shape`; x itself if it has it already.
Result<ValueId> expand(Patch& patch, ValueId x, Shape shape);
// x[…, start : start + size, …] along one axis; x itself if that is all of it.
Result<ValueId> slice(Patch& patch, ValueId x, size_t axis, Dim start, Dim size);

}  // namespace tenon
