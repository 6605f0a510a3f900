// Element types as generated code names them.
#pragma once

#include <string_view>

#include "base/dtype.h"

namespace tenon::cuda {

// Whether generated code loads, computes and stores elements of the type. f8 is moved only.
bool is_computable(DType type);
// The type in memory: "f16", "i32", "boolean".
std::string_view storage_name(DType type);
// The type in registers: "float" for f16, bf16 and f32; "u8" for bool.
std::string_view value_name(DType type);
// An unsigned type of as many bytes, for code that moves elements without looking at them; "" if there is none.
std::string_view bits_name(size_t bytes);
// Whether tensors of the type may be stored as `storage`: f32 as f16 or bf16, else itself.
bool may_store(DType type, DType storage);

}  // namespace tenon::cuda
