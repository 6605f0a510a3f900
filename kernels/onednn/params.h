// Parameters of the oneDNN module's kernels, and the layouts that packed weights have. Knows no oneDNN header.
#pragma once

#include <cstdint>
#include <optional>

#include "conv/params.h"
#include "matmul/params.h"
#include "pool/params.h"

namespace tenon {

// How a convolution's weight lies in memory, in oneDNN's letters, for two spatial dims.
enum class OnednnConvLayout : int64_t {
  blocked = 0,    // OIhw<b>i<b>o, with groups gOIhw<b>i<b>o; b 8 or 16
  panels = 1,     // Ohwi<b>o, no groups; b 8, 16, 32, 48 or 64
  depthwise = 2,  // Goihw<b>g: one channel a group in and out; b 16, or 8 with up to two spatial dims
};

// onednn.conv.f32: x, w u8[onednn_conv_bytes], bias or absent, extras. onednn.conv_sum.f32: the same with an epilogue
// that first adds extra 0, which has the output's dims and format, and whose memory the output may be.
struct OnednnConvParams {
  ConvParams conv;
  OnednnConvLayout layout = OnednnConvLayout::blocked;
  int64_t block = 16;
  int64_t w_rank = 0;
  int64_t w_dims[2 + kMaxSpatial] = {};  // O, C / group, kernel
};

// onednn.conv.pack: w f32 linear; output u8[onednn_conv_bytes].
struct OnednnConvPackParams {
  int64_t group = 1;
  OnednnConvLayout layout = OnednnConvLayout::blocked;
  int64_t block = 16;
};

// Bytes of a packed weight of dims O, C / group, kernel…; nothing when the layout does not fit the dims (a block that
// the layout does not have) or the size overflows.
std::optional<int64_t> onednn_conv_bytes(OnednnConvLayout layout, int64_t block, int64_t group, int64_t rank,
                                         const int64_t* dims);

// onednn.matmul.f32: a, b, extras. `panel` 0: b is f32 in any dense order that perm_b tells. Else b is
// u8[onednn_matmul_bytes], a [K, N] matrix in oneDNN's layout BA16a<panel>b, panel 16, 32, 48 or 64; then a's batch
// dims and M must lie as one dim would, in a and in the output.
struct OnednnMatmulParams {
  MatmulParams matmul;
  int64_t panel = 0;
  int64_t k = 0, n = 0;   // of the packed b
  int64_t b_rank = 0;     // of b before it was packed; its batch dims were 1
};

// onednn.matmul.pack: b f32 linear, whose batch dims are all 1; output u8[onednn_matmul_bytes].
struct OnednnMatmulPackParams {
  int8_t perm_b[kMaxRank] = {0, 1, 2, 3, 4, 5, 6, 7};
  int64_t panel = 64;
};

std::optional<int64_t> onednn_matmul_bytes(int64_t panel, int64_t k, int64_t n);

// onednn.global_pool.f32: x [N,C,spatial…] in any format; output [N,C] or [N,C,1…], linear or in x's format: the mean or
// maximum of each channel. Where C is no multiple of x's block, the output has x's format.
struct OnednnGlobalPoolParams {
  PoolKind kind = PoolKind::average;
};

// onednn.softmax.f32: x; output of the same dims. Linear.
struct OnednnSoftmaxParams {
  int64_t axis = 0;
  int64_t log = 0;
};

// onednn.layer_norm.f32: x, scale, bias, both of x's dims from `axis` on, over which it normalises. Linear.
struct OnednnLayerNormParams {
  int64_t axis = 0;
  double epsilon = 0;
};

}  // namespace tenon
