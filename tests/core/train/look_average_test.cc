// The mean of several looks, where one minus a probability has no digits left.
#include "core/train/look_average.h"

#include <cmath>

#include "gtest/gtest.h"

namespace traind::core {
namespace {

float MeanOf(float first, float second) {
  LookAverage average(OutputMeaning::kLogOdds, 2, 1, 1);
  EXPECT_FALSE(average.Add(&first, 1));
  EXPECT_TRUE(average.Add(&second, 1));
  return *average.output();
}

TEST(LookAverage, LogOddsOfSureAnswersStayWhatTheyAre) {
  EXPECT_FLOAT_EQ(MeanOf(45, 45), 45);
  EXPECT_FLOAT_EQ(MeanOf(-45, -45), -45);
  EXPECT_FLOAT_EQ(MeanOf(40, 60), static_cast<float>(40 + std::log(2))) << "1 - p is half of exp(-40)";
  EXPECT_FLOAT_EQ(MeanOf(60, 40), -MeanOf(-60, -40));
  EXPECT_NEAR(MeanOf(2, -2), 0, 1e-7);
}

}  // namespace
}  // namespace traind::core
