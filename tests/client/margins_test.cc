#include "client/margins.h"

#include <gmock/gmock.h>

#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::PredictResponse Part(const char* text) { return FromText<v1::PredictResponse>(text); }

// Three examples of three classes, seen by two checkpoints, the first of which sends them in two parts.
MarginTally Two() {
  MarginTally tally(3);
  EXPECT_TRUE(tally.Add(Part("shape: [2, 3] outputs: [5, 1, 2, 0, 4, 1] labels: [0, 0]")).ok());
  EXPECT_FALSE(tally.between());
  EXPECT_TRUE(tally.Add(Part("shape: [1, 3] first: 2 outputs: [1, 1.5, 1] labels: [2]")).ok());
  EXPECT_TRUE(tally.between());
  EXPECT_EQ(tally.checkpoints(), 1);
  EXPECT_TRUE(tally.Add(Part("shape: [3, 3] outputs: [7, 1, 1, 6, 4, 3, 0, 0, 1] labels: [0, 0, 2]")).ok());
  return tally;
}

TEST(MarginTallyTest, RanksByTheMeanMargin) {
  // Margins by hand: (5 - 2, 0 - 4, 1 - 1.5), then (7 - 1, 6 - 4, 1 - 0): means 4.5, -1, 0.25.
  const MarginTally tally = Two();
  EXPECT_EQ(tally.checkpoints(), 2);
  EXPECT_EQ(tally.doubted(), 1);
  const std::vector<Suspect> all = tally.Lowest(10);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].example, 1);
  EXPECT_EQ(all[0].label, 0);
  EXPECT_EQ(all[0].taken, 1);
  EXPECT_DOUBLE_EQ(all[0].margin, -1);
  EXPECT_EQ(all[1].example, 2);
  EXPECT_EQ(all[1].taken, 1) << "where the margin was lowest";
  EXPECT_DOUBLE_EQ(all[1].margin, 0.25);
  EXPECT_EQ(all[2].example, 0);
  EXPECT_DOUBLE_EQ(all[2].margin, 4.5);
  ASSERT_THAT(tally.Lowest(1), SizeIs(1));
  EXPECT_EQ(tally.Lowest(1)[0].example, 1);
  EXPECT_THAT(tally.Lowest(0), IsEmpty());
}

// Log odds of class 1, as the outputs 0 and x.
TEST(MarginTallyTest, OneOutputTellsTwoClassesApart) {
  MarginTally tally(4);
  ASSERT_TRUE(tally.Add(Part("shape: [4, 1] outputs: [3, 3, -2, -2] labels: [1, 0, 1, 0]")).ok());
  const std::vector<Suspect> all = tally.Lowest(4);
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[0].example, 1);
  EXPECT_EQ(all[0].taken, 1);
  EXPECT_DOUBLE_EQ(all[0].margin, -3);
  EXPECT_EQ(all[1].example, 2);
  EXPECT_EQ(all[1].taken, 0);
  EXPECT_DOUBLE_EQ(all[1].margin, -2);
  EXPECT_DOUBLE_EQ(all[2].margin, 2);
  EXPECT_DOUBLE_EQ(all[3].margin, 3);
}

TEST(MarginTallyTest, EqualOnesStandInTheOrderOfTheSplit) {
  MarginTally tally(4);
  ASSERT_TRUE(tally.Add(Part("shape: [4, 2] outputs: [1, 0, 0, 1, 1, 0, 0, 1] labels: [1, 0, 0, 0]")).ok());
  const std::vector<Suspect> all = tally.Lowest(3);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].example, 0);
  EXPECT_EQ(all[1].example, 1);
  EXPECT_EQ(all[2].example, 3);
}

TEST(MarginTallyTest, SaysWhatCannotBeRanked) {
  const auto error = [](const char* text) { return std::string(MarginTally(4).Add(Part(text)).message()); };
  EXPECT_THAT(error("shape: [2, 1] outputs: [1, 2] labels: [0, 2]"),
              HasSubstr("label 2, and the network has 1 output"));
  EXPECT_THAT(error("shape: [1, 2] outputs: [1, 2]"), HasSubstr("no class labels"));
  EXPECT_THAT(error("shape: [1, 2] outputs: [1, 2] labels: [2]"), HasSubstr("label 2, and the network has 2 outputs"));
  EXPECT_THAT(error("shape: [1, 2] outputs: [1, 2] labels: [-1]"), HasSubstr("label -1"));
  EXPECT_THAT(error("shape: [1, 2] outputs: [1, nan] labels: [0]"), HasSubstr("example 0 are not finite"));
  EXPECT_THAT(error("shape: [1, 2] outputs: [1, 2, 3] labels: [0]"), HasSubstr("shape"));
  EXPECT_THAT(error("outputs: [1, 2] labels: [0]"), HasSubstr("shape"));
  EXPECT_THAT(error("shape: [1, 2] first: 1 outputs: [1, 2] labels: [0]"), HasSubstr("1 to 1 where 0 of 4"));
  EXPECT_THAT(error("shape: [5, 2] outputs: [1, 2, 1, 2, 1, 2, 1, 2, 1, 2] labels: [0, 0, 0, 0, 0]"),
              HasSubstr("0 to 4 where 0 of 4"));
}

}  // namespace
}  // namespace traind::client
