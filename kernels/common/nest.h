// Elementwise work over broadcasting operands as a nest of loops whose innermost two are tiles of a program.
#pragma once

#include <span>

#include "common/kernel.h"
#include "common/tile.h"

namespace tenon {

// A blocked format has one dim more in memory than the tensor has.
inline constexpr int kNestRank = kMaxRank + 1;

// Element (i0, i1, …) of the result lies at dst + sum of i * dst_step, that of operand k at data + sum of i * step[k]
// (elements, not bytes). In the last dim dst's step is 1 and an operand's 0 or 1.
struct TileNest {
  int rank = 0;
  int operands = 0;
  int64_t dims[kNestRank] = {};
  int64_t dst_step[kNestRank] = {};
  int64_t step[kMaxProgramInputs][kNestRank] = {};

  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
};

// The nest of linear operands (at most kMaxProgramInputs) that broadcast to a linear output, in the fewest loops.
// Refuses operands that do not broadcast to it.
Status make_nest(std::span<const Arg> operands, const Arg& output, TileNest& out);

// Drops dims of 1 and merges neighbours that every operand walks as one.
void simplify(TileNest& nest);

// Computes elements [begin, end) of the nest's order.
void run_nest(const TileNest& nest, TileFunction tile, const Program& program, const void* const* operands, void* dst,
              int64_t begin, int64_t end, void* scratch);

}  // namespace tenon
