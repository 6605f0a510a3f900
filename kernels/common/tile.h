// Runs an expression program over a two-dimensional tile: how every fused kernel computes its prologue or epilogue.
#pragma once

#include <cstdint>

#include "base/program.h"

namespace tenon {

// Element (r, c) of operand i is data[r * row_stride + c * col_stride], strides in elements of the operand's type.
// col_stride is 0 (one value for the row) or 1.
struct TileOperand {
  const void* data = nullptr;
  int64_t row_stride = 0;
  int64_t col_stride = 1;
};

// dst(r, c) = program(inputs(r, c)…). `dst` may be an input's memory when that input has dst's strides. Any rows,
// cols >= 0. The program has been verified. `scratch`: kTileScratchBytes, 64-byte aligned, one per thread.
using TileFunction = void (*)(const Program& program, const TileOperand* inputs, int64_t rows, int64_t cols, void* dst,
                              int64_t dst_row_stride, void* scratch);
inline constexpr int64_t kTileScratchBytes = 64 << 10;

// The best one that these features allow (CpuFeature bits); works for every program and type. f32 programs take a
// vectorised path (transcendental functions within 2.5 units in the last place of float32 of the exact value, or as
// said there), others a scalar one.
TileFunction tile_function(uint32_t cpu_features);

}  // namespace tenon
