// What every reduce kernel refuses, and the shapes it works on.
#pragma once

#include "common/stage.h"
#include "reduce/params.h"

namespace tenon {

struct ReduceShape {
  Prologue prologue;
  Arg result;              // the kernel's own result, before the epilogue
  TileNest epilogue;       // when there is a program
};

Status check_reduce(const PrepareCall& call, ReduceShape& out);

}  // namespace tenon
