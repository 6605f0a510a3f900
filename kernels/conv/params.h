// Parameters of the convolution kernels.
#pragma once

#include "base/limits.h"
#include "base/program.h"
#include "gemm/cache.h"

namespace tenon {

inline constexpr int kMaxSpatial = 3;

// inputs: x [N,C,spatial…], w, bias [O] or absent, the epilogue's extras (they broadcast to the output).
// conv: w [O, C/group, k…]; conv_transpose: w [C, O/group, k…]. One to three spatial dims; unused entries are
// ignored.
struct ConvParams {
  int64_t strides[kMaxSpatial] = {1, 1, 1};
  int64_t dilations[kMaxSpatial] = {1, 1, 1};
  int64_t pads_begin[kMaxSpatial] = {};
  int64_t pads_end[kMaxSpatial] = {};
  int64_t output_padding[kMaxSpatial] = {};  // conv_transpose only
  int64_t group = 1;
  Program epilogue;
};

// As ConvParams, with w packed by conv.pack: its dims before that, and how.
struct ConvPackedParams {
  ConvParams conv;
  int64_t w_rank = 0;
  int64_t w_dims[2 + kMaxSpatial] = {};
  int64_t vectors = 0;  // output channels computed together, in vector registers
  int64_t rows = 0;     // output columns computed together; of Winograd's, rows and columns of a tile, or outputs of a line's
  int64_t together = 0;  // of Strassen's: as in MatmulPackedParams
  int64_t cache = kUsualCache;  // what chunks are cut for, where there are any (in conv.separable, as its depthwise stage says)
};

// The convolutions of conv.separable, in their order: one of pixels (1 x 1), one of each channel's plane, one of pixels.
enum SeparableStage { kExpandStage, kDepthwiseStage, kProjectStage, kSeparableStages };

// inputs: x, then for each stage that is there w, bias or absent, the epilogue's extras. Extras of a stage that another one
// follows have one value per channel or one at all.
struct SeparableParams {
  ConvPackedParams stage[kSeparableStages];  // the reference reads `conv` of them only
  int64_t operands[kSeparableStages] = {};   // how many inputs are the stage's; 0: it is not there (the depthwise one is)
  int64_t rows = 0;                          // of output, computed together
};

// How a packed weight lies; see conv/layout.h.
enum class ConvLayout : int64_t {
  blocked = 0,
  first = 1,
  depthwise = 2,
  linear = 3,
  transposed = 4,
  winograd2 = 5,
  winograd4 = 6,
  winograd_line6 = 7,
  winograd_line8 = 8,
  transposed_blocked = 9,
  strassen = 10
};

// input: w f32; output: u8[conv_packed_bytes].
struct ConvPackParams {
  int64_t group = 1;
  ConvLayout layout = ConvLayout::blocked;
  int64_t vectors = 0;
};

}  // namespace tenon
