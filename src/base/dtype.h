// Element types. The numbers are ONNX's TensorProto.DataType and the public tn_data_type values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

enum class DType : uint8_t {
  none = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  string = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  bf16 = 16,
  f8e4m3fn = 17,
  f8e4m3fnuz = 18,
  f8e5m2 = 19,
  f8e5m2fnuz = 20,
  // A byte an element each, whose low bits it is (base/narrow.h). These are stored, moved and cast; nothing is computed in
  // them.
  u4 = 21,
  i4 = 22,
  f4e2m1 = 23,
  f8e8m0 = 24,
  u2 = 25,
  i2 = 26,
};

// Bytes of one element; of a string those of a view (base/text.h). 0 for `none` and numbers that name no type.
size_t size_of(DType type);
// "f32", "i64", "bool" …; "?" for numbers that name no type.
std::string_view name_of(DType type);
std::optional<DType> dtype_from_name(std::string_view name);
bool is_known(DType type);
bool is_float(DType type);   // f4e2m1 and f8e8m0 are none
// Signed or unsigned integers of 8 bits or more; not bool.
bool is_integer(DType type);
bool is_signed(DType type);
// A type that nothing is computed in but casts: 8-bit floats and what is narrower.
bool is_only_stored(DType type);

}  // namespace tenon
