#include "core/insight/sentence.h"

#include <gtest/gtest.h>

namespace traind::core {
namespace {

TEST(SentenceTest, FractionsHaveFourDigits) {
  EXPECT_EQ(Rounded("their deviation is 0.254618 in \"hidden1\" and 2.67123e-06 in \"a.123456\""),
            "their deviation is 0.2546 in \"hidden1\" and 2.671e-06 in \"a.123456\"");
  EXPECT_EQ(Rounded("at best 2.30162, and an answer that has learned nothing has 2.30259."),
            "at best 2.302, and an answer that has learned nothing has 2.303.");
  EXPECT_EQ(Rounded("1234.56"), "1235");
  EXPECT_EQ(Rounded("1e+06 is 1.23456789e+06"), "1e+06 is 1.235e+06");
}

TEST(SentenceTest, OtherWordsStayAsTheyAre) {
  for (const char* text :
       {"60000 of 60000 training examples", "b into d or 6 into 9", "conv1.weight of v1.23456", "", "warmup_steps: 30",
        "half 0.5, and 12.", "use 3x3.", "\"0.123456 is in quotes", "1.2.3", "e5"}) {
    EXPECT_EQ(Rounded(text), text);
  }
}

}  // namespace
}  // namespace traind::core
