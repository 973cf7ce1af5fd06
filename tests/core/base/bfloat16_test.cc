#include "core/base/bfloat16.h"

#include <bit>
#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace traind::core {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint16_t Bits(float value) { return FromFloat<Bfloat16>(value).bits; }
float Value(uint32_t bits) { return ToFloat(Bfloat16{static_cast<uint16_t>(bits)}); }

TEST(Bfloat16Test, RoundsToNearestEven) {
  EXPECT_EQ(Value(Bits(1.0f)), 1.0f);
  EXPECT_EQ(Bits(1.0f + 0x1p-8f), 0x3f80);             // A tie: down to even.
  EXPECT_EQ(Bits(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82);   // A tie: up to even.
  EXPECT_EQ(Bits(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);  // Just above the tie.
  EXPECT_EQ(Bits(-1.0f - 0x1p-8f - 0x1p-20f), 0xbf81);
  EXPECT_EQ(Bits(std::numeric_limits<float>::max()), 0x7f80);  // Rounds up to infinity.
  EXPECT_EQ(Bits(-kInfinity), 0xff80);
  EXPECT_TRUE(std::isnan(Value(Bits(std::nanf("")))));
  EXPECT_TRUE(std::isnan(Value(Bits(std::bit_cast<float>(0x7f800001u)))));  // Its payload is in the lower half.
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = Value(bits);
    if (!std::isnan(value)) {
      ASSERT_EQ(Bits(value), bits);
    }
  }
}

}  // namespace
}  // namespace traind::core
