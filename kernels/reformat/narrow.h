// Rounds f32 to 16-bit floats, to nearest, ties to even.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace tenon {

// Elements at any address.
using NarrowRow = void (*)(const void* from, void* to, int64_t count);

// The best one for these CpuFeature bits; `to` is f16 or bf16. The result has the same bits whichever it is.
NarrowRow narrow_row(DType to, uint32_t cpu_features);

namespace avx2 {
void narrow_to_f16(const void* from, void* to, int64_t count);
void narrow_to_bf16(const void* from, void* to, int64_t count);
}
namespace avx512 {
void narrow_to_f16(const void* from, void* to, int64_t count);
void narrow_to_bf16(const void* from, void* to, int64_t count);
}

}  // namespace tenon
