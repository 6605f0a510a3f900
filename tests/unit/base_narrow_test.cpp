// Types of less than 8 bits, and float8e8m0: every element, there and back.
#include "base/narrow.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tenon {
namespace {

TEST(Narrow, IntegersComeBack) {
  struct Row { DType type; int low, high; };
  for (const Row& row : {Row{DType::u4, 0, 15}, Row{DType::i4, -8, 7}, Row{DType::u2, 0, 3}, Row{DType::i2, -2, 1}})
    for (int value = row.low; value <= row.high; ++value) {
      EXPECT_EQ(narrow_to_int(row.type, int_to_narrow(row.type, value)), value) << name_of(row.type);
      EXPECT_LT(int_to_narrow(row.type, value), 1 << narrow_bits(row.type));
      EXPECT_EQ(int_to_narrow(row.type, value + 16), int_to_narrow(row.type, value));
    }
}

// The nearest of all numbers; of two equally near ones, that whose last bit is 0.
TEST(Narrow, Float4RoundsToTheNearest) {
  for (float value = -8; value <= 8; value += 0.03125f) {
    const uint8_t got = float_to_float4(value);
    for (uint8_t other = 0; other < 16; ++other) {
      const float mine = std::fabs(float4_to_float(got) - value), theirs = std::fabs(float4_to_float(other) - value);
      EXPECT_TRUE(mine < theirs || (mine == theirs && (got % 2 == 0 || float4_to_float(got) == float4_to_float(other)))) << value;
    }
  }
  EXPECT_EQ(float4_to_float(float_to_float4(INFINITY)), 6);
  EXPECT_EQ(float4_to_float(float_to_float4(-INFINITY)), -6);
  EXPECT_EQ(float4_to_float(float_to_float4(NAN)), 0);
}

TEST(Narrow, PowersOfTwoRoundUp) {
  for (int element = 0; element < 0xff; ++element) {
    const float value = e8m0_to_float(static_cast<uint8_t>(element));
    EXPECT_EQ(float_to_e8m0(value), element);
    EXPECT_EQ(float_to_e8m0(value * 1.25f), std::min(element + 1, 0xfe));
  }
  EXPECT_EQ(float_to_e8m0(0), 0);
  EXPECT_EQ(float_to_e8m0(INFINITY), 0xfe);
  EXPECT_EQ(float_to_e8m0(NAN), 0xff);
  EXPECT_TRUE(std::isnan(e8m0_to_float(0xff)));
}

}  // namespace
}  // namespace tenon
