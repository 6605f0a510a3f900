// Convolutions as device code: their loops, checks and epilogue.
#pragma once

#include "conv/geometry.h"
#include "cuda/generate/operand.h"

namespace tenon::cuda {

struct ConvLoops {
  Space space{Variant::exact};   // loops N, O, spatial… of the output; operands: the output, then the extras
  int spatial = 0;
  ConvGeometry g;
  // Numbers by spatial dim, filled up to three from the left as in ConvGeometry.
  Extent in[3], out[3], kernel[3], pad[3];
  Extent batch, channels, per_group, out_per_group;   // N, C, C / group, O / group
  Steps x;                        // over x's dims: N, C, spatial…
  Steps w;                        // over w's dims
};

// Vectors of 8 channels of one position below which kernels of single channels give a thread less: there are not enough
// threads otherwise.
inline constexpr int64_t kFewVectors = 132 * 2048;

// Checks a convolution whose tensors may be stored as f16 or bf16; `type` receives that of x. Input 2 is the bias or
// absent, extras follow. Weights are linear.
Status check_conv(const PrepareCall& call, bool transposed, DType& type, ConvGeometry& geometry);
ConvLoops conv_loops(const PrepareCall& call, const ConvGeometry& geometry, bool transposed, Variant variant);

}  // namespace tenon::cuda
