// The loops of a pooling, derived from checked arguments, with the spatial dims filled up to three from the
// left.
#pragma once

#include "common/kernel.h"
#include "pool/params.h"

namespace tenon {

struct PoolGeometry {
  int64_t planes = 0;  // N * C
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {}, pad_end[3] = {};
  int64_t in_count = 1, out_count = 1;
};

Status pool_geometry(const PoolParams& params, const Arg& x, const Arg& y, PoolGeometry& geometry);

}  // namespace tenon
