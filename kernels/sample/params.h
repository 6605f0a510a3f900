// Parameters of the kernels that take elements from between the places of a grid.
#pragma once

#include <cstdint>

namespace tenon {

enum class SampleMode : int64_t { nearest, linear, cubic };
// What is beyond the border: zeros, the nearest element, or the elements mirrored at it.
enum class SamplePadding : int64_t { zeros, border, reflection };

struct GridSampleParams {
  SampleMode mode = SampleMode::linear;
  SamplePadding padding = SamplePadding::zeros;
  int64_t align_corners = 0;   // reflection is at the centres of the outermost elements, not at their edges
};

enum class RoiPooling : int64_t { average, max };

struct RoiAlignParams {
  RoiPooling pooling = RoiPooling::average;
  int64_t sampling_ratio = 0;  // points along a dim of a bin; 0: as many as the bin has elements, rounded up
  double spatial_scale = 1;
  int64_t half_pixel = 1;      // regions are shifted by half an element, and may be smaller than one
};

}  // namespace tenon
