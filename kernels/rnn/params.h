// Parameters of the recurrent kernels.
#pragma once

#include <cstdint>

namespace tenon {

enum class RnnKind : int64_t { rnn = 0, lstm = 1, gru = 2 };
enum class RnnDirection : int64_t { forward = 0, reverse = 1, bidirectional = 2 };

// ONNX's activation functions, with alpha (a) and beta (b):
enum class RnnActivation : int64_t {
  relu = 0,
  tanh = 1,
  sigmoid = 2,
  affine = 3,            // a * x + b
  leaky_relu = 4,        // x < 0 ? a * x : x
  thresholded_relu = 5,  // x >= a ? x : 0
  scaled_tanh = 6,       // a * tanh(b * x)
  hard_sigmoid = 7,      // min(max(a * x + b, 0), 1)
  elu = 8,               // x < 0 ? a * (exp(x) - 1) : x
  softsign = 9,          // x / (1 + |x|)
  softplus = 10,         // log(1 + exp(x))
};

struct RnnFunction {
  RnnActivation kind = RnnActivation::tanh;
  double alpha = 0, beta = 0;
};

inline constexpr int64_t kMaxRnnHidden = int64_t{1} << 28;
inline constexpr int kMaxRnnFunctions = 6;  // f, g, h of two directions

// Inputs, in ONNX's order; the last five may be absent. D directions, G gates (rnn 1, lstm 4: iofc, gru 3:
// zrh):
//   x [T,N,I], w [D,G*H,I], r [D,G*H,H], b [D,2*G*H], i32 sequence_lens [N], initial_h [D,N,H], initial_c
//   [D,N,H] (lstm), p [D,3*H] (lstm: peepholes iof).
// Outputs: y [T,D,N,H] [, y_h [D,N,H] [, y_c [D,N,H] (lstm)]].
// Layout 1: x [N,T,I], y [N,T,D,H], states [N,D,H].
struct RnnParams {
  RnnKind kind = RnnKind::rnn;
  RnnDirection direction = RnnDirection::forward;
  int64_t hidden = 1;  // H
  int64_t layout = 0;
  int64_t linear_before_reset = 0;               // gru
  int64_t input_forget = 0;                      // lstm: the forget gate is 1 - the input gate
  double clip = 0;                               // bounds the gates before their activation, if above 0
  RnnFunction functions[kMaxRnnFunctions] = {};  // direction 0's f [g [h]], then direction 1's
};

constexpr int rnn_gates(RnnKind kind) { return kind == RnnKind::rnn ? 1 : kind == RnnKind::lstm ? 4 : 3; }
constexpr int rnn_functions(RnnKind kind) { return kind == RnnKind::rnn ? 1 : kind == RnnKind::lstm ? 3 : 2; }

}  // namespace tenon
