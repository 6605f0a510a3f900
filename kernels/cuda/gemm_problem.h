// A product as a kernel of matrices sees it: few batch dims, every operand by its steps.
#pragma once

#include <vector>

#include "common/kernel.h"
#include "conv/params.h"
#include "cuda/gemm_epilogue.h"
#include "matmul/geometry.h"

namespace tenon::cuda {

// A call as the checks of the reference kernels take it: f16 and bf16 tensors as f32.
Arg widened(Arg arg);
std::vector<Arg> widened(std::span<const Arg> args);

// Checks parameters and tensors of a matmul whose floats may be stored in other types. Dims of 1 and dims that every
// operand walks as one are merged, batch dims into M last; extras keep their order.
Status gemm_of_matmul(const PrepareCall& call, const MatmulParams& params, MatmulGeometry& out);

// A convolution of nhwc tensors with a kernel of 1 as a product: rows are positions. Extra 0 is the bias where there is
// one.
Status gemm_of_conv(const PrepareCall& call, const ConvParams& params, MatmulGeometry& out);

// Merges what can be merged.
void reduce(MatmulGeometry& geometry, size_t extras);

// What the extra operand can be for a library.
ExtraRole role_of(const MatmulGeometry& geometry, const MatmulGeometry::Steps& extra);

// Bias (the call's input 2, where present) and epilogue of a convolution as one program; extras begin with the bias.
struct ConvTail {
  Program program;              // f32
  std::vector<size_t> inputs;   // of the call, in the order of the program's inputs from 1 on
};
Status conv_tail(const PrepareCall& call, const Program& epilogue, ConvTail& out);
// Its operands from 1 on as a pointwise kernel takes them: the bias with dims that broadcast along the channels.
std::vector<Arg> tail_extras(const PrepareCall& call, const ConvTail& tail);

// a and b are stored as one of f32, f16 and bf16, the result as they are or as f32.
Status check_stored_product(const Arg& a, const Arg& b, const Arg& out);

}  // namespace tenon::cuda
