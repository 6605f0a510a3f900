// The stages of a kernel with a prologue and an epilogue program, as reference kernels compute them: each whole, by the
// portable executor, through scratch memory.
#pragma once

#include <optional>

#include "common/nest.h"

namespace tenon {

// Operands that a program makes one tensor of; without a program the only operand is the tensor.
struct Prologue {
  Arg x;               // the tensor; data in prepare is null
  TileNest nest;       // when there is a program
};

// Checks a prologue: program and operand types agree, operands broadcast together. `x` gets dtype and dims.
Status check_prologue(const Program& program, std::span<const Arg> operands, Prologue& out);

// Checks an epilogue whose input 0 is `result` (dtype and dims of the kernel's own result) and makes its nest.
Status check_epilogue_nest(const Program& program, const Arg& result, std::span<const Arg> extras, const Arg& output,
                           TileNest& nest);

// How many of a kernel's inputs are its own.
inline size_t prologue_inputs(const Program& program) { return program.empty() ? 1 : program.inputs; }

// Bytes rounded to scratch alignment; nullopt when they do not fit 63 bits.
std::optional<int64_t> scratch_for(const Arg& tensor);

}  // namespace tenon
