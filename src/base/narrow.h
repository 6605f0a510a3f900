// Element types of less than 8 bits, and float8e8m0. In memory each takes a byte, whose low bits it is; the others are 0.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/dtype.h"

namespace tenon {

// The bits of an element; 8 of types that are not narrower.
constexpr int narrow_bits(DType type) {
  switch (type) {
    case DType::u4:
    case DType::i4:
    case DType::f4e2m1: return 4;
    case DType::u2:
    case DType::i2: return 2;
    default: return 8;
  }
}

// The number that an element of u4, i4, u2 or i2 is.
constexpr int narrow_to_int(DType type, uint8_t element) {
  const int bits = narrow_bits(type), low = element & ((1 << bits) - 1);
  const bool is_signed = type == DType::i4 || type == DType::i2;
  return is_signed && low >> (bits - 1) ? low - (1 << bits) : low;
}

// What does not fit is cut to the low bits.
constexpr uint8_t int_to_narrow(DType type, int64_t value) {
  return static_cast<uint8_t>(static_cast<uint64_t>(value) & ((1u << narrow_bits(type)) - 1));
}

constexpr float kFloat4[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

inline float float4_to_float(uint8_t element) {
  const float magnitude = kFloat4[element & 7];
  return element & 8 ? -magnitude : magnitude;
}

// Rounds to nearest, ties to even; what is too large becomes ±6, NaN -0 (the type has neither infinities nor NaN).
inline uint8_t float_to_float4(float value) {
  if (std::isnan(value)) return 8;
  const float magnitude = std::fabs(value);
  uint8_t at = 0;
  // The next one is nearer from the middle on, or from beyond it where it is odd.
  while (at < 7) {
    const float middle = (kFloat4[at] + kFloat4[at + 1]) / 2;
    if (at % 2 == 0 ? magnitude <= middle : magnitude < middle) break;
    ++at;
  }
  return static_cast<uint8_t>((std::signbit(value) ? 8 : 0) | at);
}

// Powers of two from 2^-127 to 2^127, and NaN.
inline float e8m0_to_float(uint8_t element) {
  return element == 0xff ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, element - 127);
}

// Rounds up; what is outside the powers becomes the nearest of them.
inline uint8_t float_to_e8m0(float value) {
  if (std::isnan(value)) return 0xff;
  if (!(value > 0)) return 0;
  if (std::isinf(value)) return 0xfe;
  int exponent = 0;
  const float mantissa = std::frexp(value, &exponent);  // in [0.5, 1)
  if (mantissa == 0.5f) --exponent;
  if (exponent < -127) return 0;
  return exponent > 127 ? 0xfe : static_cast<uint8_t>(exponent + 127);
}

}  // namespace tenon
