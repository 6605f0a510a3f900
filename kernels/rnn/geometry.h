// The loops of a recurrent layer: sizes and element steps, derived from checked arguments.
#pragma once

#include "common/kernel.h"
#include "rnn/params.h"

namespace tenon {

struct RnnGeometry {
  int64_t directions = 1, steps = 0, batch = 0, input = 0, hidden = 0, gates = 1;
  int64_t x_step = 0, x_item = 0;  // steps in elements
  int64_t y_step = 0, y_direction = 0, y_item = 0;
  int64_t state_direction = 0, state_item = 0;  // of initial_h, initial_c, y_h, y_c
};

// The kernel's arguments by name; absent ones have no type.
struct RnnArgs {
  Arg x, w, r, b, lens, initial_h, initial_c, p;
  Arg y, y_h, y_c;
};
RnnArgs rnn_args(std::span<const Arg> inputs, std::span<const Arg> outputs);

// Checks everything but w and r, which a kernel may take packed.
Status rnn_geometry(const RnnParams& params, std::span<const Arg> inputs, std::span<const Arg> outputs,
                    RnnGeometry& geometry);
// w and r as ONNX has them.
Status expect_rnn_weights(const RnnGeometry& geometry, const RnnArgs& args);

// Refuses lengths outside 0 … steps.
Status check_sequence_lens(const RnnGeometry& geometry, const Arg& lens);
inline int64_t sequence_length(const RnnGeometry& geometry, const Arg& lens, int64_t item) {
  return lens.present() ? lens.as<const int32_t>()[item] : geometry.steps;
}

}  // namespace tenon
