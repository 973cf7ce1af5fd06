#include "core/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

namespace traind::core {
namespace {

std::vector<uint32_t> Order(const Sampler::Options& options, uint64_t epoch) {
  std::vector<uint32_t> order;
  Sampler(options).Order(epoch, &order);
  return order;
}

TEST(SamplerTest, SequentialIsAsStored) {
  EXPECT_THAT(Order({.examples = 5, .batch = 2, .shuffled = false}, 7), ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(SamplerTest, EachEpochIsAnotherPermutationAndTheSameEveryTime) {
  for (int64_t n : {1, 2, 3, 4, 5, 1000}) {
    const Sampler::Options options = {.examples = n, .batch = 1, .seed = 42};
    std::vector<uint32_t> order = Order(options, 3);
    EXPECT_EQ(order, Order(options, 3));
    std::sort(order.begin(), order.end());
    std::vector<uint32_t> all(static_cast<size_t>(n));
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(order, all);
  }
  const Sampler::Options options = {.examples = 1000, .batch = 1, .seed = 42};
  EXPECT_NE(Order(options, 0), Order(options, 1));
  EXPECT_NE(Order(options, 0), Order({.examples = 1000, .batch = 1, .seed = 43}, 0));
}

TEST(SamplerTest, AllOrdersAreEquallyLikely) {
  // 24 orders of 4 examples over 24,000 epochs: each count is binomial with mean 1000 and deviation 31; the seed is
  // fixed, so this either always holds or never does.
  std::map<std::vector<uint32_t>, int> counts;
  for (uint64_t epoch = 0; epoch < 24000; ++epoch) ++counts[Order({.examples = 4, .batch = 1, .seed = 1}, epoch)];
  ASSERT_EQ(counts.size(), 24u);
  double chi_square = 0;
  for (const auto& [order, count] : counts) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 44.2);  // 23 degrees of freedom: exceeded by chance in 0.5 % of all seeds.
}

TEST(SamplerTest, TheSmallerBatchIsDroppedOrKept) {
  EXPECT_EQ(Sampler({.examples = 10, .batch = 3}).steps_per_epoch(), 3);
  EXPECT_EQ(Sampler({.examples = 10, .batch = 3, .keep_last = true}).steps_per_epoch(), 4);
  EXPECT_EQ(Sampler({.examples = 9, .batch = 3, .keep_last = true}).steps_per_epoch(), 3);
  EXPECT_EQ(Sampler({.examples = 1, .batch = 1, .keep_last = true}).steps_per_epoch(), 1);
}

}  // namespace
}  // namespace traind::core
