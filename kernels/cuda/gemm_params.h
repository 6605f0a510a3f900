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

// The tile that one block of the library's own tensor-core kernels computes: bm × bn of the product, bk of K at a time.
struct GemmTile {
  bool wgmma;      // of cuda.matmul.wgmma (Hopper), else of cuda.matmul.mma
  int bm, bn, bk;
  int wm, wn;      // mma: the part of one warp
  int stages;      // of the pipeline through shared memory
  bool swap;       // the tile's rows are the result's columns: for few rows
  bool stays;      // wgmma: a block takes one tile after another
  int threads() const { return wgmma ? bm * 2 + (stays ? 128 : 32) : bm / wm * (bn / wn) * 32; }
  int rows() const { return swap ? bn : bm; }
  int columns() const { return swap ? bm : bn; }
};
inline constexpr GemmTile kGemmTiles[] = {
    {false, 128, 128, 32, 64, 32, 4, false, false},
    {false, 128, 64, 32, 32, 32, 4, false, false},
    {false, 64, 64, 64, 32, 32, 3, false, false},
    {false, 32, 64, 64, 16, 32, 4, false, false},
    {false, 16, 64, 128, 16, 16, 4, false, false},
    {true, 128, 256, 64, 0, 0, 3, false, false},
    {true, 128, 128, 64, 0, 0, 3, false, false},  // two blocks on a multiprocessor: one multiplies while the other ends
    {true, 128, 64, 64, 0, 0, 4, false, false},
    {true, 64, 128, 64, 0, 0, 4, false, false},
    {true, 64, 64, 64, 0, 0, 6, false, false},
    {true, 128, 64, 64, 0, 0, 4, true, false},
    {true, 64, 32, 64, 0, 0, 6, true, false},
    {true, 64, 16, 64, 0, 0, 8, true, false},
    {true, 128, 128, 64, 0, 0, 4, false, false},
    {true, 128, 256, 64, 0, 0, 4, false, true},
    {true, 128, 192, 64, 0, 0, 4, false, true},
    {true, 128, 128, 64, 0, 0, 6, false, true},
    {true, 64, 128, 64, 0, 0, 6, false, true},
    {true, 64, 64, 64, 0, 0, 8, false, true},
};
inline constexpr int kMaxGemmParts = 8;

// cuda.matmul.mma, cuda.matmul.wgmma: MatmulParams' operands, a and b stored as f16 or bf16, any epilogue.
struct CudaGemmParams {
  MatmulParams matmul;
  int64_t tile = 0;        // of kGemmTiles
  int64_t parts = 1;       // blocks that share the K of one tile: 1, 2, 4 or 8
};

// cuda.conv.mma, cuda.conv.wgmma: as cuda.conv.lt, stored as f16 or bf16, any epilogue.
struct CudaConvGemmParams {
  ConvParams conv;
  int64_t tile = 0;
  int64_t parts = 1;
};

}  // namespace tenon
