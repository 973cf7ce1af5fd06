#include "core/base/sample.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

using testing::Each;
using testing::ElementsAre;

// `counts[c]` examples of class c, class by class.
std::vector<int32_t> Sorted(const std::vector<int>& counts) {
  std::vector<int32_t> labels;
  for (size_t c = 0; c < counts.size(); ++c) labels.insert(labels.end(), counts[c], static_cast<int32_t>(c));
  return labels;
}

// How many of each class a sample of `count` has, which is ascending and within the split.
std::vector<int> Shares(const std::vector<int32_t>& labels, int64_t count) {
  const std::vector<uint32_t> sample = SampleOf(static_cast<int64_t>(labels.size()), count, labels);
  EXPECT_EQ(static_cast<int64_t>(sample.size()), count);
  EXPECT_TRUE(std::adjacent_find(sample.begin(), sample.end(), std::greater_equal<>()) == sample.end());
  std::vector<int> shares(static_cast<size_t>(labels.back()) + 1);
  for (const uint32_t i : sample) ++shares.at(labels.at(i));
  return shares;
}

TEST(Sample, GivesEachClassItsShareOfDataSortedByClass) {
  EXPECT_THAT(Shares(Sorted({100, 100, 100, 100}), 40), Each(10));
  EXPECT_THAT(Shares(Sorted({900, 90, 10}), 100), ElementsAre(90, 9, 1));
  // 45, 4.5 and 0.5: the one that is left goes to the first of equal remainders.
  EXPECT_THAT(Shares(Sorted({900, 90, 10}), 50), ElementsAre(45, 5, 0));
  // 4.2, 2.1, 0.7: the largest remainder is the last one's.
  EXPECT_THAT(Shares(Sorted({60, 30, 10}), 7), ElementsAre(4, 2, 1));
}

TEST(Sample, IsTheSameEachTimeAndAllWhereThereAreNoMore) {
  const std::vector<int32_t> labels = Sorted({50, 50});
  EXPECT_EQ(SampleOf(100, 10, labels), SampleOf(100, 10, labels));
  EXPECT_THAT(SampleOf(3, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(SampleOf(3, 7, Sorted({2, 1})), ElementsAre(0, 1, 2));
  EXPECT_THAT(SampleOf(3, 0), ElementsAre());
}

// Without labels every tenth of the split has a tenth of the sample, to within five standard deviations of the
// hypergeometric distribution: sqrt(1000 * 0.1 * 0.9 * 0.9) = 9.
TEST(Sample, IsSpreadOverTheSplit) {
  std::vector<int> tenths(10);
  for (const uint32_t i : SampleOf(10'000, 1000)) ++tenths[i / 1000];
  EXPECT_EQ(std::accumulate(tenths.begin(), tenths.end(), 0), 1000);
  for (const int count : tenths) EXPECT_NEAR(count, 100, 45);
}

// Within a class, too; and a choice says nothing of the one before, as every second example would.
TEST(Sample, TakesEveryExampleOfAClassAlike) {
  const std::vector<int32_t> labels = Sorted({4000, 4000});
  int first_half = 0, even = 0;
  for (const uint32_t i : SampleOf(8000, 2000, labels)) {
    first_half += i % 4000 < 2000 ? 1 : 0;
    even += i % 2 == 0 ? 1 : 0;
  }
  EXPECT_NEAR(first_half, 1000, 100);
  EXPECT_NEAR(even, 1000, 100);
}

}  // namespace
}  // namespace traind::core
