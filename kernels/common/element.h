// Element types as reference kernels see them: how an element is stored, and the type it is computed in.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/dtype.h"
#include "base/half.h"

namespace tenon {

// Floats are computed in double, integers modulo 2^64 (the low bits are those of exact arithmetic).
template <class T>
struct Element {
  using Storage = T;
  using Value = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
  static Value load(T x) {
    if constexpr (std::is_floating_point_v<T>)
      return x;
    else
      return static_cast<uint64_t>(static_cast<int64_t>(x));
  }
  static T store(Value x) { return static_cast<T>(x); }
  // The order of the type's numbers.
  static bool less(Value a, Value b) {
    if constexpr (std::is_floating_point_v<T> || std::is_unsigned_v<T>)
      return a < b;
    else
      return static_cast<int64_t>(a) < static_cast<int64_t>(b);
  }
};

struct HalfElement {
  using Storage = uint16_t;
  using Value = double;
  static double load(uint16_t x) { return half_to_float(x); }
  static uint16_t store(double x) { return float_to_half(static_cast<float>(x)); }
  static bool less(double a, double b) { return a < b; }
};

struct BfloatElement {
  using Storage = uint16_t;
  using Value = double;
  static double load(uint16_t x) { return bfloat_to_float(x); }
  static uint16_t store(double x) { return float_to_bfloat(static_cast<float>(x)); }
  static bool less(double a, double b) { return a < b; }
};

// Calls fn(Element{}) for a float type; false for others.
template <class F>
bool with_float(DType type, F&& fn) {
  switch (type) {
    case DType::f32: fn(Element<float>{}); return true;
    case DType::f64: fn(Element<double>{}); return true;
    case DType::f16: fn(HalfElement{}); return true;
    case DType::bf16: fn(BfloatElement{}); return true;
    default: return false;
  }
}

// Calls fn(Element{}) for a float or integer type; false for others.
template <class F>
bool with_number(DType type, F&& fn) {
  switch (type) {
    case DType::i8: fn(Element<int8_t>{}); return true;
    case DType::u8: fn(Element<uint8_t>{}); return true;
    case DType::i16: fn(Element<int16_t>{}); return true;
    case DType::u16: fn(Element<uint16_t>{}); return true;
    case DType::i32: fn(Element<int32_t>{}); return true;
    case DType::u32: fn(Element<uint32_t>{}); return true;
    case DType::i64: fn(Element<int64_t>{}); return true;
    case DType::u64: fn(Element<uint64_t>{}); return true;
    default: return with_float(type, fn);
  }
}

}  // namespace tenon
