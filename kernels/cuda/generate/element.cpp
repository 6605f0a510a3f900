#include "cuda/generate/element.h"

namespace tenon::cuda {

bool is_computable(DType type) {
  return is_known(type) && type != DType::string && !is_only_stored(type);
}

std::string_view storage_name(DType type) { return type == DType::boolean ? "boolean" : name_of(type); }

std::string_view value_name(DType type) {
  switch (type) {
    case DType::f16:
    case DType::bf16:
    case DType::f32: return "float";
    case DType::f64: return "double";
    case DType::boolean: return "u8";
    default: return name_of(type);
  }
}

std::string_view bits_name(size_t bytes) {
  switch (bytes) {
    case 1: return "u8";
    case 2: return "u16";
    case 4: return "u32";
    case 8: return "u64";
    default: return "";
  }
}

bool may_store(DType type, DType storage) {
  return type == storage || (type == DType::f32 && (storage == DType::f16 || storage == DType::bf16));
}

}  // namespace tenon::cuda
