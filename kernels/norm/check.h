// What the normalisation kernels refuse, and the shapes they work on.
#pragma once

#include "common/epilogue.h"
#include "common/stage.h"
#include "norm/params.h"

namespace tenon {

struct LayerNormShape {
  int64_t rows = 0, length = 0;           // x as [rows, length], each row normalised
  BroadcastStrides scale, bias;           // over x's dims
  bool contiguous = false;                // scale and bias (where present) are one row of `length`
  Arg result;                             // before the epilogue
  TileNest epilogue;
};

Status check_layer_norm(const PrepareCall& call, LayerNormShape& out);

struct GroupNormShape {
  int64_t batches = 0, channels = 0, spatial = 0;  // x as [batches, channels, spatial]
  Arg result;
  TileNest epilogue;
};

Status check_group_norm(const PrepareCall& call, GroupNormShape& out);

}  // namespace tenon
