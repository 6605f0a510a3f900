#include "common/tile.h"

#include "common/tile_scalar.h"

namespace tenon {

TileFunction tile_function(uint32_t) { return run_tile_scalar; }

}  // namespace tenon
