// 8-bit floating point: conversions to and from float32, rounding to nearest, ties to even; what is too large becomes
// the largest finite number (ONNX's Cast with saturate=1). Formats as in ONNX's "Float stored in 8 bits".
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/dtype.h"

namespace tenon {

struct Float8Format {
  int mantissa_bits, bias;
  uint8_t largest;   // the largest finite number
  uint8_t nan;
  bool has_infinity;
  bool one_zero;     // 0x80 is the only NaN and there is no -0
};

constexpr Float8Format float8_format(DType type) {
  switch (type) {
    case DType::f8e4m3fn: return {3, 7, 0x7e, 0x7f, false, false};
    case DType::f8e4m3fnuz: return {3, 8, 0x7f, 0x80, false, true};
    case DType::f8e5m2: return {2, 15, 0x7b, 0x7f, true, false};
    default: return {2, 16, 0x7f, 0x80, false, true};
  }
}

inline float float8_to_float(DType type, uint8_t bits) {
  const Float8Format format = float8_format(type);
  int magnitude = bits & 0x7f;
  if (format.one_zero ? bits == 0x80 : magnitude > format.largest + format.has_infinity)
    return std::numeric_limits<float>::quiet_NaN();
  float sign = bits & 0x80 ? -1.0f : 1.0f;
  if (magnitude > format.largest) return sign * std::numeric_limits<float>::infinity();
  int exponent = magnitude >> format.mantissa_bits, mantissa = magnitude & ((1 << format.mantissa_bits) - 1);
  if (exponent > 0) mantissa |= 1 << format.mantissa_bits;
  return sign * std::ldexp(static_cast<float>(mantissa), (exponent > 0 ? exponent : 1) - format.bias - format.mantissa_bits);
}

inline uint8_t float_to_float8(DType type, float value) {
  const Float8Format format = float8_format(type);
  uint8_t sign = std::bit_cast<uint32_t>(value) >> 31 ? 0x80 : 0;
  if (std::isnan(value)) return format.one_zero ? format.nan : static_cast<uint8_t>(sign | format.nan);
  float magnitude = std::fabs(value);
  uint8_t bits = format.largest;
  if (magnitude < float8_to_float(type, format.largest)) {
    int lowest = 1 - format.bias;
    int exponent = magnitude > 0 ? std::ilogb(magnitude) : lowest;
    if (exponent < lowest) exponent = lowest;
    // Steps of the last mantissa bit; a carry runs into the exponent as it should.
    int steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, format.mantissa_bits - exponent)));
    bits = static_cast<uint8_t>(((exponent - lowest) << format.mantissa_bits) + steps);
  }
  return bits == 0 && format.one_zero ? 0 : static_cast<uint8_t>(sign | bits);
}

// Of a number that the type holds, so that nothing is rounded: infinities, which a conversion saturates, are kept.
inline uint8_t exact_float8(DType type, float value) {
  const Float8Format format = float8_format(type);
  if (!format.has_infinity || !std::isinf(value)) return float_to_float8(type, value);
  return static_cast<uint8_t>((value < 0 ? 0x80 : 0) | (format.largest + 1));
}

}  // namespace tenon
