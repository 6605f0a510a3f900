// The loops of a convolution, derived from checked arguments, with the spatial dims filled up to three from
// the left.
#pragma once

#include <span>

#include "common/epilogue.h"
#include "common/kernel.h"
#include "conv/params.h"

namespace tenon {

struct ConvGeometry {
  int64_t n = 0, c = 0, o = 0;        // batch, input channels, output channels
  int64_t group = 1, cg = 0, og = 0;  // channels of one group
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {};  // pad: before the first element
  int64_t in_count = 1, out_count = 1, taps = 1;
};

// Checks ranks, dims, attributes, bias and the output's dims. `w` gives the weight's dims; `transposed`:
// conv_transpose.
Status conv_geometry(const ConvParams& params, const Arg& x, const Arg& w, const Arg& bias, const Arg& out,
                     bool transposed, ConvGeometry& geometry);

// Where the last spatial dim is 1, the one before it makes the rows.
void drop_unit_columns(ConvGeometry& geometry);

// Whether each output pixel is made of the input pixel at its place: the convolution is a product of matrices.
bool is_pointwise(const ConvGeometry& g);

}  // namespace tenon
