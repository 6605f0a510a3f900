// Packed weights of the f32 convolution kernels. `lanes`: f32 of a vector; a panel is `vectors` * lanes
// output channels of one group, the last one of a group as narrow as its vectors allow; absent channels are
// zero.
//   blocked     [group][panel][input channels / lanes][tap][input channel of the block][panel's channels]
//   first       [panel][input channel][tap][panel's channels]                            (group 1)
//   depthwise   [channels / lanes][tap][lanes]                                            (group = channels)
//   linear      [group][(input channel, tap) / lanes][output channel of the group][lanes]
//   transposed  [group][input channels / lanes][(output channel of the group, tap)][lanes]
//   winograd2, winograd4  [value of the transformed filter][panel][input channel][panel's channels]   (group 1, 3 x 3)
#pragma once

#include <cstdint>
#include <optional>

#include "base/checked.h"
#include "conv/params.h"

namespace tenon {

// Channels and taps of a weight: og and cg are of one group.
struct ConvWeight {
  int64_t group = 1, og = 0, cg = 0, taps = 1;
};

inline std::optional<int64_t> conv_packed_bytes(ConvLayout layout, const ConvWeight& w, int64_t lanes) {
  auto mul = [](std::optional<int64_t> a, std::optional<int64_t> b) {
    return a && b ? checked_mul(*a, *b) : std::nullopt;
  };
  auto up = [&](std::optional<int64_t> n) -> std::optional<int64_t> {
    if (!n || *n < 0 || *n > INT64_MAX - lanes) return std::nullopt;
    return round_up(*n, lanes);
  };
  if (w.group < 1 || w.og < 0 || w.cg < 0 || w.taps < 1) return std::nullopt;
  std::optional<int64_t> count;
  switch (layout) {
    case ConvLayout::blocked:
    case ConvLayout::first: count = mul(mul(w.group, up(w.og)), mul(w.taps, w.cg)); break;
    case ConvLayout::depthwise: count = mul(up(w.group), w.taps); break;
    case ConvLayout::linear: count = mul(mul(w.group, w.og), up(mul(w.cg, w.taps))); break;
    case ConvLayout::transposed: count = mul(mul(w.group, up(w.cg)), mul(w.og, w.taps)); break;
    case ConvLayout::winograd2: count = mul(mul(16, up(w.og)), w.cg); break;
    case ConvLayout::winograd4: count = mul(mul(36, up(w.og)), w.cg); break;
  }
  return mul(count, int64_t{4});
}

}  // namespace tenon
