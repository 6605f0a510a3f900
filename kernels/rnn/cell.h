// Register tiles of recurrent layers: the gates of one block of units (`lanes` of them) for a few sequences
// at a time. Weights lie in panels [k][gates][lanes]; see pack.h.
#pragma once

#include <cstdint>

#include "rnn/params.h"

namespace tenon {

inline constexpr int kMaxRnnRows = 6;

// out[r] = bias + panel * a[r]: [gates][lanes] floats each.
struct RnnProjection {
  int64_t rows = 0, k = 0;
  const float* a[kMaxRnnRows];  // k floats each
  const float* panel = nullptr;
  const float* bias = nullptr;  // [gates][lanes]
  float* out[kMaxRnnRows];
};

// One step of one block of units, from projected inputs and the states before to the states after.
struct RnnCell {
  int64_t rows = 0, k = 0;
  int64_t unit = 0, units = 0;  // the block's first unit, and how many of its lanes are units
  const float* panel = nullptr;
  const float* x[kMaxRnnRows];  // projected: [gates][lanes]
  const float* h[kMaxRnnRows];  // state before, k floats; may not be written before all blocks are done
  float* y[kMaxRnnRows];        // state after, k floats
  float* c[kMaxRnnRows];        // lstm: cell state, updated; a multiple of `lanes` floats, as are z and reset
  float* z[kMaxRnnRows];        // gru_reset writes it, gru_update reads it: update gate
  float* reset[kMaxRnnRows];    // gru_reset writes it, gru_update reads it: reset gate times state
  const float* peephole[3] = {};  // lstm: of i, o, f, [lanes] each; or nullptr
  const float* bias = nullptr;    // gru_linear: the hidden gate's recurrent bias [lanes]
  RnnActivation f = RnnActivation::sigmoid, g = RnnActivation::tanh,
                out = RnnActivation::tanh;  // relu, tanh, sigmoid
  float clip = 0;                           // infinity: none
  bool input_forget = false;
};

struct RnnTable {
  int lanes, max_rows;
  void (*project[5])(const RnnProjection& tile);  // by gates: 1, 3, 4
  void (*rnn)(const RnnCell& cell);               // panel: 1 gate
  void (*lstm)(const RnnCell& cell);              // 4
  void (*gru_linear)(const RnnCell& cell);        // 3
  void (*gru_reset)(const RnnCell& cell);         // 2 (z, r)
  void (*gru_update)(const RnnCell& cell);        // 1 (h)
};

namespace avx2 {
extern const RnnTable kRnn;
}
namespace avx512 {
extern const RnnTable kRnn;
}

}  // namespace tenon
