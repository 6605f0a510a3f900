// What kernels that follow index tensors share.
#pragma once

#include "common/kernel.h"

namespace tenon {

// Their checks are those of the kernels for CUDA.
extern const Kernel kGatherReference, kGatherElementsReference, kGatherNdReference, kScatterElementsReference,
    kScatterNdReference, kCumsumReference, kTopKReference, kReverseSequenceReference;

}  // namespace tenon

namespace tenon::cuda {

// The unsigned type that elements are moved as; none for those without a size.
DType move_type(DType type);

}  // namespace tenon::cuda
