#include "client/suggest.h"

#include <gtest/gtest.h>

namespace traind::client {
namespace {

TEST(SuggestTest, OnlyNearWordsAreSuggested) {
  EXPECT_EQ(Nearest("momentun", {"nesterov", "momentum"}), "momentum");
  EXPECT_EQ(Nearest("banana", {"nesterov", "momentum"}), "");
  EXPECT_EQ(Nearest("x", {}), "");
  EXPECT_EQ(Nearest("", {"ab"}), "ab") << "two letters away";
  EXPECT_EQ(Nearest("", {"abc"}), "");
}

TEST(SuggestTest, ALongWordMayHaveMoreSlips) {
  EXPECT_EQ(Nearest("kernal", {"kernel"}), "kernel");
  EXPECT_EQ(Nearest("krnl", {"kernel"}), "kernel");
  EXPECT_EQ(Nearest("krl", {"kernel"}), "") << "three of three letters";
  EXPECT_EQ(Nearest("lerning_rte_x", {"learning_rate"}), "learning_rate") << "four of thirteen";
}

TEST(SuggestTest, TheNearestComesFirstAndOfEqualOnesTheFirst) {
  EXPECT_EQ(Nearest("adam", {"adagrad", "adamw", "adam"}), "adam");
  EXPECT_EQ(Nearest("relv", {"relx", "relu"}), "relx");
}

TEST(SuggestTest, TheKnownWordsAreListed) {
  EXPECT_EQ(Known("fields", "stepz", {"epochs", "steps"}), "did you mean steps? known fields: epochs, steps");
  EXPECT_EQ(Known("values", "banana", {"F32", "BF16"}), "known values: F32, BF16");
  EXPECT_EQ(Known("names", "a", {}), "known names: ");
}

}  // namespace
}  // namespace traind::client
