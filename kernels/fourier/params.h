// Parameters of discrete Fourier transforms.
#pragma once

#include <cstdint>

namespace tenon {

struct DftParams {
  int64_t length = 0;    // of the signal; the input is cut to it, or gets zeros
  int64_t inverse = 0;
  // Of a real signal only length / 2 + 1 frequencies are there: in the output, or if inverse in the input, whose output is
  // real.
  int64_t onesided = 0;
};

}  // namespace tenon
