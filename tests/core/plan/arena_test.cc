#include "core/plan/arena.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

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

// The rule in its plain form, which looks at all values for each: every value at the lowest offset that is free.
std::vector<int64_t> PlacedByTheRule(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  const auto aligned = [&](size_t i) { return (lifetimes[i].bytes + 63) / 64 * 64; };
  std::vector<int64_t> offsets(lifetimes.size());
  for (size_t n = 0; n < by_size.size(); ++n) {
    const size_t i = by_size[n];
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t k = 0; k < n; ++k) {
        const size_t other = by_size[k];
        const bool together =
            lifetimes[i].first <= lifetimes[other].last && lifetimes[other].first <= lifetimes[i].last;
        const bool apart = offsets[i] + aligned(i) <= offsets[other] || offsets[other] + aligned(other) <= offsets[i];
        if (!together || apart) continue;
        offsets[i] = offsets[other] + aligned(other);
        moved = true;
      }
    }
  }
  return offsets;
}

TEST(ArenaTest, EveryValueIsAtTheLowestFreeOffset) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const int times = 1 + static_cast<int>(random() % 100);
    const int longest = 1 + static_cast<int>(random() % times);
    const int64_t largest = round % 2 == 0 ? 300 : 100'000;  // Few sizes, so that many are equal, and many.
    std::vector<Lifetime> lifetimes(random() % 150);
    for (Lifetime& lifetime : lifetimes) {
      lifetime.bytes = static_cast<int64_t>(random() % largest);  // Sometimes 0.
      lifetime.first = static_cast<int>(random() % times);
      lifetime.last = std::min(times - 1, lifetime.first + static_cast<int>(random() % longest));
    }
    ASSERT_EQ(PlacedByTheRule(lifetimes), PlaceInArena(lifetimes).offsets) << "round " << round;
  }
}

// As a chain of layers has them: every output is kept until its own way back.
TEST(ArenaTest, NestedLifetimesStandOnEachOther) {
  constexpr int kLayers = 20'000;
  std::vector<Lifetime> lifetimes;
  for (int i = 0; i < kLayers; ++i) lifetimes.push_back({64, i, 2 * kLayers - i});
  const ArenaLayout layout = PlaceInArena(lifetimes);
  EXPECT_EQ(layout.bytes, int64_t{64} * kLayers);
  EXPECT_EQ(layout.offsets.back(), layout.bytes - 64);
}

TEST(ArenaTest, NothingNeedsNothing) { EXPECT_EQ(PlaceInArena({}).bytes, 0); }

}  // namespace
}  // namespace traind::core
