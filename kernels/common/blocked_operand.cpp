#include "common/blocked_operand.h"

#include <algorithm>

#include "base/checked.h"
#include "common/epilogue.h"

namespace tenon {

Status place_operand(const Arg& operand, const Arg& result, const char* what, BlockedOperand& placed) {
  placed = {};
  if (operand.format == result.format && operand.rank == result.rank) {
    if (std::equal(result.dims, result.dims + result.rank, operand.dims)) {
      placed.full = true;
      return {};
    }
    const bool per_channel =
        operand.dims[1] == result.dims[1] && (operand.dims[0] == 1 || operand.dims[0] == result.dims[0]) &&
        std::all_of(operand.dims + 2, operand.dims + operand.rank, [](int64_t d) { return d == 1; });
    if (per_channel) {
      placed.item_step = operand.dims[0] == 1 ? 0 : round_up(result.dims[1], result.format.block);
      placed.channel_step = 1;
      return {};
    }
  }
  BroadcastStrides strides;
  TN_TRY(broadcast_strides(operand, result.shape(), what, strides));
  for (int i = 2; i < result.rank; ++i)
    if (strides.at[i] != 0)
      return fail(Code::invalid_plan, "{} {} must lie as the result {} does or have one value per channel",
                  what, describe(operand), describe(result));
  placed.item_step = strides.at[0];
  placed.channel_step = strides.at[1];
  return {};
}

TileOperand tile_operand(const BlockedOperand& placed, const Arg& operand, int64_t item, int64_t channel,
                         int64_t at, int64_t lanes) {
  const int64_t offset = placed.full ? at : item * placed.item_step + channel * placed.channel_step;
  return {operand.as<const std::byte>() + offset * static_cast<int64_t>(size_of(operand.dtype)),
          placed.full ? lanes : 0, placed.full ? 1 : placed.channel_step};
}

}  // namespace tenon
