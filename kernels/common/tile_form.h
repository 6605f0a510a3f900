// Recognises the programs that vectorised executors run in registers.
#pragma once

#include "base/program.h"
#include "common/tile_vector.h"

namespace tenon {

// Whether `program` (verified, not empty) computes one of VectorForm's functions in f32.
bool match_form(const Program& program, VectorForm& form);

}  // namespace tenon
