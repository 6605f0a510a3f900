// What every softmax kernel refuses, and the shapes it works on.
#pragma once

#include "common/stage.h"
#include "softmax/params.h"

namespace tenon {

struct SoftmaxShape {
  Prologue prologue;
  Arg result;                               // the kernel's own result, before the epilogue
  TileNest epilogue;                        // when there is a program
  int64_t outer = 1, length = 1, inner = 1; // x as [outer, length, inner], normalised along length
};

Status check_softmax(const PrepareCall& call, SoftmaxShape& out);

}  // namespace tenon
