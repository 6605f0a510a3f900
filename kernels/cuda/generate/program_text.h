// Expression programs as device code.
#pragma once

#include <string>

#include "base/program.h"

namespace tenon::cuda {

// A device function `name` that takes the program's inputs in register form and returns its result: for an empty
// program the identity of input 0, which has type `identity`. The program has been verified. `narrow`: the f32 result
// is stored in 16 bits: a program that is or ends in a GELU may compute it by op_gelu_near.
std::string program_text(const Program& program, const std::string& name, DType identity, bool narrow = false);

// Refuses programs with types that generated code does not compute.
Status check_computable(const Program& program);

}  // namespace tenon::cuda
