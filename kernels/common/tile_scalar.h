// The portable executor behind tile.h: every op on every element type, the oracle of the vectorised ones.
#pragma once

#include "common/tile.h"

namespace tenon {

// As TileFunction.
void run_tile_scalar(const Program& program, const TileOperand* inputs, int64_t rows, int64_t cols, void* dst,
                     int64_t dst_row_stride, void* scratch);

}  // namespace tenon
