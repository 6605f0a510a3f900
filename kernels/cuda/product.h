// What matrix products and convolutions share.
#pragma once

#include "base/dtype.h"
#include "cuda/generate/source.h"
#include "matmul/params.h"

namespace tenon::cuda {

// The type that products of elements of `type` are accumulated in: "float", "double", "u32", "u64".
std::string_view accumulator_name(DType type);

// The loops of a matmul: batch dims (group 0, merged), then M, N, K; operands a, b, output, extras.
struct MatmulLoops {
  Space space;
  int m = 0, n = 0, k = 0;   // loops
};
// Of a call that matmul_geometry has accepted.
MatmulLoops matmul_loops(const PrepareCall& call, const MatmulParams& params, Variant variant);

// Checks a matmul whose tensors may be stored as f16 or bf16; `type` receives that of a and b.
Status check_matmul(const PrepareCall& call, const MatmulParams& params, DType& type);

}  // namespace tenon::cuda
