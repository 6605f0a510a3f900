// rnn.packed.f32.<isa>: w and r packed (u8, see pack.h), everything else as the reference kernel takes it.
#pragma once

#include "rnn/pack.h"

namespace tenon {

// The activations must be relu, tanh or sigmoid.
using RnnPackedParams = RnnParams;

constexpr bool has_packed_rnn(RnnActivation kind) { return kind <= RnnActivation::sigmoid; }

}  // namespace tenon
