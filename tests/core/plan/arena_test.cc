#include "core/plan/arena.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace traind::core {
namespace {

TEST(ArenaTest, ValuesThatNeverMeetShareMemory) {
  const Lifetime lifetimes[] = {{1000, 0, 1}, {1000, 2, 3}, {1000, 4, 5}};
  const ArenaLayout layout = PlaceInArena(lifetimes);
  EXPECT_EQ(layout.offsets, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(layout.bytes, 1024);
}

TEST(ArenaTest, ASmallValueFillsTheGapBetweenLargeOnes) {
  const Lifetime lifetimes[] = {{4096, 0, 9}, {2048, 0, 4}, {2048, 3, 9}, {1024, 5, 9}};
  const ArenaLayout layout = PlaceInArena(lifetimes);
  EXPECT_EQ(layout.offsets, (std::vector<int64_t>{0, 4096, 6144, 4096}));
  EXPECT_EQ(layout.bytes, 8192);
}

TEST(ArenaTest, ReadAndWrittenByOneOperationIsAtTheSameTime) {
  const Lifetime lifetimes[] = {{64, 0, 1}, {64, 1, 2}};
  EXPECT_EQ(PlaceInArena(lifetimes).bytes, 128);
}

TEST(ArenaTest, NothingAliveAtOneTimeOverlaps) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lifetimes(40);
    for (Lifetime& lifetime : lifetimes) {
      lifetime.bytes = 1 + static_cast<int64_t>(random() % 5000);
      lifetime.first = static_cast<int>(random() % 60);
      lifetime.last = lifetime.first + static_cast<int>(random() % 20);
    }
    const ArenaLayout layout = PlaceInArena(lifetimes);
    for (size_t a = 0; a < lifetimes.size(); ++a) {
      ASSERT_EQ(layout.offsets[a] % 64, 0);
      ASSERT_LE(layout.offsets[a] + lifetimes[a].bytes, layout.bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together = lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
        const bool apart = layout.offsets[a] + lifetimes[a].bytes <= layout.offsets[b] ||
                           layout.offsets[b] + lifetimes[b].bytes <= layout.offsets[a];
        ASSERT_TRUE(!together || apart) << a << " and " << b << " in round " << round;
      }
    }
  }
}

TEST(ArenaTest, NothingNeedsNothing) { EXPECT_EQ(PlaceInArena({}).bytes, 0); }

}  // namespace
}  // namespace traind::core
