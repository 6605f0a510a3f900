// What the kernels with packed weights share: the weight's dims and the epilogue.
#pragma once

#include "common/blocked_operand.h"
#include "common/epilogue.h"
#include "conv/geometry.h"
#include "conv/layout.h"
#include "gemm/micro.h"

namespace tenon {

// The weight's dims before packing, as an argument without data. The blob must have exactly its size. `pair`: input
// channels of an element.
Status unpacked_weight(const ConvPackedParams& params, ConvLayout layout, int64_t lanes, const Arg& blob,
                       Arg& w, int64_t pair = 1);

// The epilogue of a convolution with a blocked f32 output.
struct BlockedEpilogue {
  AddClamp add_clamp;
  bool in_registers = false;  // add_clamp with at most one vector of channels and one full operand, maybe silu of the sum
  bool silu = false;
  int bias = -1, add = -1;    // which extras those are; -1: none
  BlockedOperand extra[kMaxProgramInputs];
  bool bounded() const;
  // What a tile finishes its sums with, where that is in registers; its steps in c are set. `full`: the full operand at the
  // tile's first element, or nullptr.
  void finish(MicroTile& tile, const float* full) const;
  // For a kernel that runs the program behind it instead.
  void leave_registers() { in_registers = silu = false, bias = add = -1; }
};

// `has_bias`: the convolution has one of its own. Refuses extras of other shapes.
Status blocked_epilogue(const Program& program, std::span<const Arg> extras, const Arg& out, bool has_bias,
                        BlockedEpilogue& epilogue);

// Checks a call of a convolution with weights packed in `layout`, from an f32 x in `format` to an output in blocks of `lanes`:
// counts, types, formats, weight, bias, epilogue.
Status blocked_convolution(const PrepareCall& call, Format format, ConvLayout layout, int64_t lanes, int64_t pair, ConvGeometry& geometry,
                           BlockedEpilogue& epilogue);

// Runs the program in place on `rows` pixels of one channel block of a blocked output, from `pixel` on.
// `channel`: the block's first; `inputs`: the step's, extras from index 3 on.
void run_blocked_program(const BlockedEpilogue& epilogue, const Program& program, std::span<const Arg> inputs,
                         const Arg& out, int64_t item, int64_t channel, int64_t pixel, int64_t rows,
                         int64_t pixels, TileFunction tile, void* scratch);

// A channel block of a blocked tensor whose pixels may lie elsewhere than the tensor's.
struct BlockOfPixels {
  float* data;  // `rows` pixels, `lanes` apart
  int64_t rows, lanes;
  int64_t item, channel, channels;  // `channel`: the block's first, of so many
  int64_t at;                       // the first pixel's element in the tensor, for full extras
};
void run_blocked_program(const BlockedEpilogue& epilogue, const Program& program, std::span<const Arg> extras,
                         const BlockOfPixels& block, TileFunction tile, void* scratch);

}  // namespace tenon
