// Recognises the programs that vectorised executors run in registers.
#pragma once

#include "base/program.h"
#include "common/tile.h"
#include "common/tile_vector.h"

namespace tenon {

// Whether `program` (verified, not empty) computes one of VectorForm's functions in f32. An input that is one f32 value for the
// whole tile (its strides are 0) may stand for a constant.
bool match_form(const Program& program, const TileOperand* inputs, VectorForm& form);

}  // namespace tenon
