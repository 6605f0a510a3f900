// Parameters of the CUDA kernels that compute products and convolutions. Knows no CUDA header.
#pragma once

#include "conv/params.h"
#include "matmul/params.h"

namespace tenon {

// How f32 operands are multiplied; operands stored as f16 or bf16 always are as they stand. Sums are f32.
enum class CudaMath : int64_t { exact = 0, tf32 = 1 };

// cuda.matmul.lt: MatmulParams' operands, stored as f32, f16 or bf16, a and b as one of them.
struct CudaMatmulLtParams {
  MatmulParams matmul;
  CudaMath math = CudaMath::exact;
  int64_t algorithm = 0;   // of those that cuBLASLt's heuristic lists for the shape, from 0 to 15
  int64_t apart = 0;       // 1: the epilogue is a pointwise kernel of its own behind the product
};

// cuda.conv.lt: ConvParams' operands in nhwc, w with a kernel of 1, no pads, strides of 1, one group.
struct CudaConvLtParams {
  ConvParams conv;
  CudaMath math = CudaMath::exact;
  int64_t algorithm = 0;
  int64_t apart = 0;
};

// cuda.conv.cudnn, cuda.conv_transpose.cudnn: ConvParams' operands, all linear or all nhwc (w too), stored as f32, f16 or
// bf16. Extras that have one value a channel are linear.
struct CudaConvCudnnParams {
  ConvParams conv;
  CudaMath math = CudaMath::exact;
  int64_t plan = 0;        // of those that cuDNN's heuristic lists for the shape, from 0 to 31
  int64_t compiled = 0;    // 1: of those that compile their code when they are loaded, 0: of the others
  int64_t apart = 0;       // 1: bias and epilogue are a pointwise kernel of its own behind the convolution
};

}  // namespace tenon
