// Parameters of the resize kernels.
#pragma once

#include <cstdint>

#include "base/limits.h"

namespace tenon {

enum class ResizeMode : int64_t { nearest, linear, cubic };
enum class ResizeCoordinates : int64_t {
  half_pixel, pytorch_half_pixel, align_corners, asymmetric, tf_crop_and_resize, half_pixel_symmetric,
  tf_half_pixel_for_nn
};
enum class ResizeNearest : int64_t { round_prefer_floor, round_prefer_ceil, floor, ceil };

// As ONNX's Resize names them.
struct ResizeParams {
  int64_t rank = 0;
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  ResizeNearest nearest = ResizeNearest::round_prefer_floor;
  int64_t antialias = 0;
  int64_t exclude_outside = 0;
  double cubic_coeff_a = -0.75;
  double extrapolation_value = 0;
  double scales[kMaxRank] = {};     // output / input; 0: the dims of input and output decide
  double roi[2 * kMaxRank] = {};    // tf_crop_and_resize: starts, then ends, as fractions of a dim (0 … 1)
};

}  // namespace tenon
