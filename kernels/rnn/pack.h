// Packed weights of recurrent layers. Per direction, per *segment* of gates, per block of `lanes` units one
// panel [k][gates of the segment][lanes]; units beyond the last are zero. w, and r of all kinds but one, have
// one segment of all gates; r of a GRU without linear_before_reset has two: z and r, then h, whose operand
// depends on them.
#pragma once

#include <cstdint>
#include <optional>

#include "rnn/params.h"

namespace tenon {

// Input: w or r, f32; output: u8[bytes].
struct RnnPackParams {
  RnnKind kind = RnnKind::rnn;
  int64_t two_segments = 0;  // 0 or 1
  int64_t lanes = 8;         // 8 or 16
};

constexpr bool rnn_two_segments(const RnnParams& params) {
  return params.kind == RnnKind::gru && params.linear_before_reset == 0;
}

// Bytes of packed w (k = I) or r (k = H); nothing when they cannot be counted.
std::optional<int64_t> packed_rnn_bytes(int64_t directions, int64_t gates, int64_t hidden, int64_t k,
                                        int64_t lanes);

}  // namespace tenon
