// How an operand of an elementwise program meets a channel-blocked result.
#pragma once

#include "common/kernel.h"
#include "common/tile.h"

namespace tenon {

// Either lies as the result does (same dims and format), or has one value per channel or one at all, per
// batch item or for all items: then it is linear, or blocked with spatial dims of 1.
struct BlockedOperand {
  bool full = false;
  int64_t item_step = 0, channel_step = 0;  // of those that are not full, in elements; 0 where it repeats
};

// Refuses operands of other shapes. `result` has a blocked format and at least two dims.
Status place_operand(const Arg& operand, const Arg& result, const char* what, BlockedOperand& placed);

// The operand over pixels of one channel block, `lanes` apart; `at`: the first pixel's element in the result.
TileOperand tile_operand(const BlockedOperand& placed, const Arg& operand, int64_t item, int64_t channel,
                         int64_t at, int64_t lanes);

}  // namespace tenon
