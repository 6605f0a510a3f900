// Packed weights of the convolution kernels, which conv.pack.<f32 or bf16>.<isa> makes. `lanes`: f32 of a vector; a panel is `vectors` * lanes
// output channels of one group, the last one of a group as narrow as its vectors allow; absent channels are
// zero.
//   blocked     [group][panel][input channels / lanes][tap][input channel of the block][panel's channels]
//   first       [panel][input channel][tap][panel's channels]                            (group 1)
//   depthwise   [channels / lanes][tap][lanes]                                            (group = channels)
//   linear      [group][(input channel, tap) / lanes][output channel of the group][lanes]
//   transposed  [group][input channels / lanes][(output channel of the group, tap)][lanes]
//   transposed_blocked  as blocked, of a w with the input channels first
//   strassen    what matmul.pack_strassen makes of w as a matrix [input channels, output channels]  (group 1, one tap)
//   winograd2, winograd4  [value of the transformed filter][panel][input channel][panel's channels]   (group 1, 3 x 3)
//   winograd_line6, winograd_line8  the same of a filter that extends along one dim, 6 or 8 values
// blocked and winograd2 also exist as pairs of bf16 in 32 bits ("group" 2 of the register tile): element i of a block of
// 2 * lanes input channels holds channels i and lanes + i of it (zero if there is none), so that two blocks of a
// channel-blocked tensor make one of pairs; elements that would hold no channel are left out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/checked.h"
#include "conv/params.h"
#include "matmul/packed.h"

namespace tenon {

// Channels and taps of a weight: og and cg are of one group.
struct ConvWeight {
  int64_t group = 1, og = 0, cg = 0, taps = 1;
};

// Elements that hold `channels` input channels, as pairs or one by one.
inline int64_t conv_depth(int64_t channels, int64_t lanes, int64_t pair) {
  return pair == 1 ? channels : channels / (2 * lanes) * lanes + std::min(channels % (2 * lanes), lanes);
}

// `pair`: input channels of an element, 1 or 2.
inline std::optional<int64_t> conv_packed_bytes(ConvLayout layout, const ConvWeight& w, int64_t lanes, int64_t pair = 1) {
  auto mul = [](std::optional<int64_t> a, std::optional<int64_t> b) {
    return a && b ? checked_mul(*a, *b) : std::nullopt;
  };
  auto up = [&](std::optional<int64_t> n) -> std::optional<int64_t> {
    if (!n || *n < 0 || *n > INT64_MAX - lanes) return std::nullopt;
    return round_up(*n, lanes);
  };
  if (w.group < 1 || w.og < 0 || w.cg < 0 || w.taps < 1) return std::nullopt;
  if (pair != 1 && layout != ConvLayout::blocked && layout != ConvLayout::winograd2) return std::nullopt;
  const int64_t depth = conv_depth(w.cg, lanes, pair);
  std::optional<int64_t> count;
  switch (layout) {
    case ConvLayout::blocked:
    case ConvLayout::transposed_blocked:
    case ConvLayout::first: count = mul(mul(w.group, up(w.og)), mul(w.taps, depth)); break;
    case ConvLayout::depthwise: count = mul(up(w.group), w.taps); break;
    case ConvLayout::linear: count = mul(mul(w.group, w.og), up(mul(w.cg, w.taps))); break;
    case ConvLayout::transposed: count = mul(mul(w.group, up(w.cg)), mul(w.og, w.taps)); break;
    case ConvLayout::strassen: return w.group == 1 && w.taps == 1 ? strassen_b_bytes(w.cg, w.og, lanes) : std::nullopt;
    case ConvLayout::winograd2: count = mul(mul(16, up(w.og)), depth); break;
    case ConvLayout::winograd4: count = mul(mul(36, up(w.og)), w.cg); break;
    case ConvLayout::winograd_line6: count = mul(mul(6, up(w.og)), w.cg); break;
    case ConvLayout::winograd_line8: count = mul(mul(8, up(w.og)), w.cg); break;
  }
  return mul(count, int64_t{4});
}

}  // namespace tenon
