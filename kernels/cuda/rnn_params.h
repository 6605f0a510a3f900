// Parameters of the CUDA kernel of recurrent layers. Knows no CUDA header.
#pragma once

#include "cuda/gemm_params.h"
#include "rnn/params.h"

namespace tenon {

// cuda.rnn: RnnParams' operands, f32, f16 or bf16, the floats all of one type. Sums, gates and an LSTM's cell state are
// f32 between the steps.
struct CudaRnnParams {
  RnnParams rnn;
  CudaMath math = CudaMath::exact;  // of f32
  int64_t rows = 8;                 // sequences of a block: 8, 16, 32 or 64
  // Blocks of a cluster that keep r in shared memory and do all steps in one launch, 1, 2, 4 or 8; 0: a launch a step.
  int64_t blocks = 0;
};

// Hidden units of a block.
constexpr int64_t rnn_units(int64_t hidden, int64_t blocks) {
  return blocks == 0 ? 16 : ((hidden + blocks - 1) / blocks + 15) / 16 * 16;
}
// A GRU's last gate depends on the others: a step has two phases.
constexpr int rnn_phases(const RnnParams& params) {
  return params.kind == RnnKind::gru && params.linear_before_reset == 0 ? 2 : 1;
}

// How a block's threads and shared memory are laid out.
struct CudaRnnTile {
  int64_t units = 16;
  int64_t warps = 1;
  int64_t held = 0;          // chunks of 64 bytes of each row of r in registers
  int64_t shared_bytes = 0;  // of rnn_steps
};
// `size`: bytes of an element; `shared_memory`: what a block may have. shared_bytes is more than that where the block
// cannot hold its part of r.
CudaRnnTile rnn_tile(const RnnParams& params, int64_t size, int64_t rows, int64_t blocks, int64_t shared_memory);

}  // namespace tenon
