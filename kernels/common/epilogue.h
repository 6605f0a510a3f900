// What kernels with a fused epilogue share: checking the program against the tensors, addressing its extra
// operands, and recognising the programs that fit into registers.
#pragma once

#include <span>

#include "base/program.h"
#include "common/kernel.h"
#include "common/tile.h"

namespace tenon {

// Steps, in elements, of an operand that broadcasts to dims of rank `rank`; 0 where it repeats.
struct BroadcastStrides {
  int64_t at[kMaxRank] = {};
};

// Right-aligned broadcasting, as in ONNX. Refuses operands that do not broadcast to `dims`. The operand must
// be linear.
Status broadcast_strides(const Arg& operand, std::span<const int64_t> dims, const char* what,
                         BroadcastStrides& out);

// Checks an epilogue: the program verifies, input 0 has type `result`, inputs 1 … have the extras' types, and
// it yields `out.dtype`. Without a program: no extras, and `out` has type `result`.
Status check_epilogue(const Program& program, DType result, std::span<const Arg> extras, const Arg& out);

// An f32 program of the form clamp(x0 + extra + extra…, low, high): additions in order, then bounds.
struct AddClamp {
  int adds = 0;       // at most 2
  int extra[2] = {};  // which extra operand (0: program input 1) each addition takes
  float low, high;    // -inf, +inf where there is no bound
};
// Whether `program` (which may be empty) is one; every extra is then added once.
bool match_add_clamp(const Program& program, AddClamp& out);
// Whether `program` is silu(x0 + extra + extra…), silu(x) = x * sigmoid(x): then `out` holds the sum, without bounds.
bool match_add_silu(const Program& program, AddClamp& out);

}  // namespace tenon
