// rnn.packed.f32.<isa>: w and r packed (u8, see pack.h), everything else as the reference kernel takes it.
#pragma once

#include "rnn/pack.h"

namespace tenon {

// How threads divide a layer of fewer sequences than threads; others are divided by sequences. Every division sums in the same order.
enum class RnnDivision : int64_t {
  sequences,  // each has directions, and groups of sequences, which need nothing of each other
  steps,      // each has some of the units, in every step: for few sequences and large recurrent weights
  turns,      // as steps, one direction after the other: where a thread's part of one direction's weights stays in its cache
};

// The activations must be relu, tanh or sigmoid.
struct RnnPackedParams : RnnParams {
  RnnDivision division = RnnDivision::sequences;
};

constexpr bool has_packed_rnn(RnnActivation kind) { return kind <= RnnActivation::sigmoid; }

}  // namespace tenon
