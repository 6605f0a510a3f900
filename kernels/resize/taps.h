// Which elements of an axis each resized element is made of, and with what weights. Resizing is separable: a resized
// tensor's element is the sum over the taps of all axes.
#pragma once

#include <vector>

#include "common/kernel.h"
#include "resize/params.h"

namespace tenon::resize {

struct Axis {
  int64_t in = 1, out = 1;
  bool identity = true;            // every element is itself; index, weight are empty
  int64_t taps = 1;
  std::vector<int32_t> index;      // [out * taps], in [0, in)
  std::vector<double> weight;      // [out * taps]
  std::vector<uint8_t> outside;    // [out], not empty only if some element is extrapolated
};

// Checks parameters and tensors of any format, and finds the axes' taps, in logical order.
Status prepare(const PrepareCall& call, std::vector<Axis>& axes);

}  // namespace tenon::resize
