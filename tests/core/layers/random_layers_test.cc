// fractional_max_pool and drop_connect against their definitions: what is drawn, how often, and that it is a function
// of seed, layer, step and example alone.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/layers/connection_mask.h"
#include "core/layers/pooling_regions.h"
#include "gtest/gtest.h"
#include "tests/support/layer_run.h"

namespace traind::core {
namespace {

// Of the checkpoint contract.
constexpr Purpose kDropout = Purpose::Numbered(3);
constexpr Purpose kDropConnect = Purpose::Numbered(10);
constexpr Purpose kFractionalMaxPool = Purpose::Numbered(11);

using Pool = v1::FractionalMaxPool;

constexpr int64_t kBatch = 4;
constexpr uint64_t kSeed = 3;  // Of LayerRun.

std::vector<RegionRule> Rules() {
  std::vector<RegionRule> rules;
  for (const auto sequence : {Pool::SEQUENCE_RANDOM, Pool::SEQUENCE_PSEUDO_RANDOM}) {
    for (const bool disjoint : {false, true}) {
      for (const double ratio : {1.0 + 1e-15, 1.2, 1.4142135623730951, 1.7, 2.0}) {
        rules.push_back({.sequence = sequence, .disjoint = disjoint, .ratio = ratio});
      }
    }
  }
  return rules;
}

std::vector<int32_t> Draw(const RegionRule& rule, uint64_t step, uint32_t example, uint32_t axis, int64_t input) {
  std::vector<int32_t> starts(rule.Outputs(input) + 1);
  rule.Draw(RandomStream(1, kFractionalMaxPool, 2), step, example, axis, input, starts.data());
  return starts;
}

TEST(RegionRule, HasTheFloorOfTheRatioButHalfOfTheInputAtLeast) {
  const RegionRule rule{.ratio = 1.5};
  EXPECT_EQ(rule.Outputs(30), 20);
  EXPECT_EQ(rule.Outputs(32), 21);
  EXPECT_EQ(rule.Outputs(1), 1);
  EXPECT_EQ((RegionRule{.ratio = 2}).Outputs(7), 4);  // Three regions of one or two pixels cannot cover seven.
  EXPECT_EQ((RegionRule{.ratio = 1.0 + 1e-15}).Outputs(10), 9);
}

TEST(RegionRule, StepsAreOneOrTwoAndCoverTheAxis) {
  for (const RegionRule& rule : Rules()) {
    for (const int64_t input : {1, 2, 3, 4, 5, 7, 8, 31, 32, 100, 227}) {
      for (uint64_t step = 0; step < 20; ++step) {
        const std::vector<int32_t> starts = Draw(rule, step, 5, 0, input);
        const int64_t overlap = rule.disjoint ? 0 : 1;
        EXPECT_EQ(starts.front(), 0);
        EXPECT_EQ(starts.back() + overlap, input);
        for (size_t i = 1; i < starts.size() && input > 1; ++i) {
          ASSERT_GE(starts[i] - starts[i - 1], 1) << "input " << input << " ratio " << rule.ratio;
          ASSERT_LE(starts[i] - starts[i - 1], 2) << "input " << input << " ratio " << rule.ratio;
        }
      }
    }
  }
}

// In a random sequence every place has a two as often as every other, neighbours included.
TEST(RegionRule, RandomOrdersAreEquallyLikely) {
  const RegionRule rule{.sequence = Pool::SEQUENCE_RANDOM, .disjoint = true, .ratio = 1.5};
  constexpr int kDraws = 20000;
  std::map<std::vector<int32_t>, int> orders;
  for (int step = 0; step < kDraws; ++step) ++orders[Draw(rule, step, 0, 0, 9)];  // 6 regions, 3 of them long.
  ASSERT_EQ(orders.size(), 20u);                                                  // 6 over 3.
  double chi_square = 0;
  const double expected = kDraws / 20.0;
  for (const auto& [order, count] : orders) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 43.8);  // 19 degrees of freedom: 0.1 %.
}

// A pseudo-random sequence has few orders, shifts of one pattern: for steps of 1.5 on average there are two. Of 1.5 u
// with u in [0, 1) two thirds are just above a whole number, from which the first step is 1.
TEST(RegionRule, PseudoRandomOrdersAreShifts) {
  const RegionRule rule{.sequence = Pool::SEQUENCE_PSEUDO_RANDOM, .disjoint = true, .ratio = 1.5};
  constexpr int kDraws = 6000;
  std::set<std::vector<int32_t>> orders;
  std::array<int, 6> twos = {};
  for (int step = 0; step < kDraws; ++step) {
    const std::vector<int32_t> starts = Draw(rule, step, 0, 0, 9);
    orders.insert(starts);
    for (int i = 0; i < 6; ++i) twos[i] += starts[i + 1] - starts[i] == 2 ? 1 : 0;
  }
  EXPECT_EQ(orders.size(), 2u);  // 1 2 1 2 1 2 and 2 1 2 1 2 1.
  for (int i = 0; i < 6; ++i) {
    const double expected = kDraws * (i % 2 == 0 ? 1 : 2) / 3.0;
    EXPECT_NEAR(twos[i], expected, 5 * std::sqrt(kDraws * 2 / 9.0));
  }
}

TEST(RegionRule, DrawsByStepExampleAndAxis) {
  const RegionRule rule{.ratio = 1.4};
  const auto one = Draw(rule, 7, 2, 0, 64);
  EXPECT_EQ(Draw(rule, 7, 2, 0, 64), one);
  EXPECT_NE(Draw(rule, 8, 2, 0, 64), one);
  EXPECT_NE(Draw(rule, 7, 3, 0, 64), one);
  EXPECT_NE(Draw(rule, 7, 2, 1, 64), one);
}

// The pooled image of each example by its definition.
std::vector<float> Pooled(const std::vector<float>& x, const RegionRule& rule, const RandomStream& random,
                          bool training, uint64_t step, int64_t channels, int64_t height, int64_t width) {
  const int64_t out_height = rule.Outputs(height), out_width = rule.Outputs(width);
  const int overlap = rule.disjoint ? 0 : 1;
  std::vector<float> pooled;
  std::vector<int32_t> rows(out_height + 1), columns(out_width + 1);
  for (int64_t n = 0; n < kBatch; ++n) {
    rule.Draw(random, step, training ? static_cast<uint32_t>(n) : 0, 0, height, rows.data());
    rule.Draw(random, step, training ? static_cast<uint32_t>(n) : 0, 1, width, columns.data());
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < out_height; ++i) {
        for (int64_t k = 0; k < out_width; ++k) {
          float largest = -std::numeric_limits<float>::infinity();
          for (int h = rows[i]; h < rows[i + 1] + overlap; ++h) {
            for (int w = columns[k]; w < columns[k + 1] + overlap; ++w) {
              largest = std::max(largest, x[((n * channels + c) * height + h) * width + w]);
            }
          }
          pooled.push_back(largest);
        }
      }
    }
  }
  return pooled;
}

TEST(FractionalMaxPool, IsItsDefinitionInEveryLayout) {
  for (const int channels : {1, 3, 16, 17, 48}) {
    const std::string conv =
        absl::StrCat("input_shape: [3, 9, 12] layers { name: 'c' conv2d { out_channels: ", channels, " kernel: 1 } } ");
    for (const std::string options : {"", "disjoint: true ratio: 1.7", "sequence: SEQUENCE_PSEUDO_RANDOM",
                                      "sequence: SEQUENCE_PSEUDO_RANDOM disjoint: true ratio: 2"}) {
      Pool config;
      ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(options, &config));
      const RegionRule rule{.sequence = config.sequence() == Pool::SEQUENCE_PSEUDO_RANDOM ? Pool::SEQUENCE_PSEUDO_RANDOM
                                                                                          : Pool::SEQUENCE_RANDOM,
                            .disjoint = config.disjoint(),
                            .ratio = config.has_ratio() ? config.ratio() : std::sqrt(2.0)};
      for (const v1::Precision precision : Precisions()) {
        for (const bool training : {true, false}) {
          SCOPED_TRACE(absl::StrCat(channels, " channels, ", options, " ", precision, training));
          const std::vector<float> x = LayerRun(conv, kBatch, precision, training).Output();
          LayerRun run(conv + "layers { name: 'p' fractional_max_pool { " + options + " } }", kBatch, precision,
                       training);
          const RandomStream random(training ? kSeed : 0, kFractionalMaxPool, StreamOf("p"));
          for (const uint64_t step : {0, 9}) {
            EXPECT_EQ(run.Output(step), Pooled(x, rule, random, training, step, channels, 9, 12));
          }
        }
      }
    }
  }
}

TEST(FractionalMaxPool, WideLinesAndWhatIsNotANumber) {
  for (const int channels : {1, 2, 16}) {  // Row-major and, where it has 16, in a block.
    const std::string shape = absl::StrCat("input_shape: [", channels, ", 2, 700] ");
    LayerRun run(shape + "layers { name: 'p' fractional_max_pool {} }", kBatch, v1::PRECISION_F32);
    const RandomStream random(kSeed, kFractionalMaxPool, StreamOf("p"));
    const RegionRule rule{.sequence = Pool::SEQUENCE_RANDOM, .ratio = std::sqrt(2.0)};
    EXPECT_EQ(run.Output(), Pooled(run.examples(), rule, random, true, 0, channels, 2, 700));
    run.examples()[0] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(run.Output()[0]));
    run.examples()[0] = -std::numeric_limits<float>::infinity();
    EXPECT_FALSE(std::isnan(run.Output()[0]));
  }
}

TEST(FractionalMaxPool, TheSameRegionsForEverybodyAtTestTime) {
  const std::string network = "input_shape: [2, 20, 20] layers { name: 'p' fractional_max_pool {} }";
  LayerRun one(network, kBatch, v1::PRECISION_F32, /*training=*/false, /*seed=*/1);
  LayerRun two(network, kBatch, v1::PRECISION_F32, /*training=*/false, /*seed=*/2);
  const size_t each = one.examples().size() / kBatch;
  for (size_t i = each; i < one.examples().size(); ++i) one.examples()[i] = one.examples()[i - each];
  two.examples() = one.examples();
  const std::vector<float> y = one.Output();
  EXPECT_EQ(two.Output(), y);
  const size_t outputs = y.size() / kBatch;
  for (size_t i = outputs; i < y.size(); ++i) ASSERT_EQ(y[i], y[i - outputs]);
  EXPECT_NE(one.Output(/*step=*/1), y) << "another look has other regions";
}

// --- Dropout: which elements stay, exactly, in every layout, and for sizes that fill no block of random numbers.
TEST(Dropout, HasTheMaskOfSeedLayerStepAndExample) {
  const RandomStream random(kSeed, kDropout, StreamOf("d"));
  for (const std::string net : {"input_shape: 1030 ", "input_shape: 5 ", "input_shape: [1, 37, 31] ",
                                "input_shape: [3, 9, 9] layers { name: 'c' conv2d { out_channels: 20 kernel: 1 } } "}) {
    LayerRun run(net + "layers { name: 'd' dropout { rate: 0.3 } }", kBatch, v1::PRECISION_F32);
    for (const uint64_t step : {0, 6}) {
      const std::vector<float> y = run.Output(step);
      const int64_t each = static_cast<int64_t>(y.size()) / kBatch;
      int64_t kept = 0;
      for (int64_t n = 0; n < kBatch; ++n) {
        for (int64_t i = 0; i < each; ++i) {
          const uint32_t word = random.Block(step, static_cast<uint32_t>(n), static_cast<uint32_t>(i / 4))[i % 4];
          const bool stays = (word >> 8) * 0x1p-24 >= 0.3;
          kept += stays ? 1 : 0;
          if (!stays) {
            ASSERT_EQ(y[n * each + i], 0) << net << " " << i;
          }
        }
      }
      const double total = static_cast<double>(y.size());
      EXPECT_NEAR(static_cast<double>(kept), 0.7 * total, 5 * std::sqrt(0.21 * total));
      EXPECT_GE(std::count_if(y.begin(), y.end(), [](float v) { return v != 0; }), kept * 9 / 10);
    }
  }
}

// --- DropConnect.
TEST(ConnectionMask, DrawsTheNumbersOfTheStream) {
  const RandomStream random(11, kDropConnect, 12);
  uint32_t words[4][16];
  random.Blocks<16>(uint64_t{1} << 33 | 5, 6, 4294967290u, words);
  for (uint32_t i = 0; i < 16; ++i) {
    const auto block = random.Block(uint64_t{1} << 33 | 5, 6, 4294967290u + i);
    for (int w = 0; w < 4; ++w) ASSERT_EQ(words[w][i], block[w]);
  }
}

std::vector<float> Kept(const ConnectionMask& mask, uint64_t step, uint32_t example, int64_t output, int64_t inputs) {
  const std::vector<float> ones(inputs, 1);
  std::vector<float> kept(inputs);
  TakeKept(mask, step, example, ConnectionMask::FirstBlock(output, inputs), ones.data(), inputs, kept.data());
  return kept;
}

TEST(ConnectionMask, KeepsTheShareThatItSaysAndScalesByItsInverse) {
  for (const double rate : {0.1, 0.5, 0.9, 1.0 - 1e-9, 0.0}) {
    const ConnectionMask mask(RandomStream(1, kDropConnect, 1), rate);
    constexpr int64_t kInputs = 300, kOutputs = 400;
    const double keep = 1 / static_cast<double>(mask.scale);
    EXPECT_NEAR(keep, 1 - rate, 0x1p-16);
    int64_t count = 0;
    std::vector<int> by_input(kInputs);
    for (int64_t o = 0; o < kOutputs; ++o) {
      const std::vector<float> kept = Kept(mask, 2, 3, o, kInputs);
      for (int64_t i = 0; i < kInputs; ++i) {
        if (kept[i] == 0) continue;
        ASSERT_EQ(kept[i], mask.scale);
        ++count;
        ++by_input[i];
      }
    }
    const double total = kInputs * kOutputs;
    EXPECT_NEAR(static_cast<double>(count), keep * total, 5 * std::sqrt(keep * (1 - keep) * total) + 1e-6);
    for (const int n : by_input) {
      EXPECT_NEAR(n, keep * kOutputs, 6 * std::sqrt(keep * (1 - keep) * kOutputs) + (rate > 0.99 ? 3 : 1e-6));
    }
  }
}

// All loops see the same mask, whole tiles and the rest alike.
TEST(ConnectionMask, IsOneForEveryLoop) {
  const ConnectionMask mask(RandomStream(4, kDropConnect, 1), 0.4);
  for (const int64_t n : {1, 15, 16, 127, 128, 129, 300}) {
    const std::vector<float> kept = Kept(mask, 1, 2, 7, n);
    const uint32_t first = ConnectionMask::FirstBlock(7, n);
    std::vector<float> x(n), sums(n, 1);
    double expected = 0;
    for (int64_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(i % 13) - 5;
      expected += kept[i] == 0 ? 0 : 3.0 * x[i];
    }
    const std::vector<float> threes(n, 3);
    EXPECT_EQ(KeptProduct(mask, 1, 2, first, threes.data(), x.data(), n), expected);
    AddKept(mask, 1, 2, first, 2.0f, x.data(), n, sums.data());
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(sums[i], kept[i] == 0 ? 1 : 1 + 2 * x[i]);
  }
}

std::string DropConnectNet(bool per_example, const std::string& more = "rate: 0.3") {
  return absl::StrCat("input_shape: 150 layers { name: 'd' drop_connect { units: 9 ", more,
                      per_example ? " per_example: true" : "", " bias_init { constant { value: 0.25 } } } }");
}

TEST(DropConnect, IsItsDefinitionWithTheMaskOfSeedLayerStepAndExample) {
  for (const bool per_example : {false, true}) {
    for (const v1::Precision precision : Precisions()) {
      LayerRun run(DropConnectNet(per_example), kBatch, precision);
      const std::vector<float> weight = run.Get("d.weight");
      const ConnectionMask mask(RandomStream(kSeed, kDropConnect, StreamOf("d")), 0.3);
      for (const uint64_t step : {0, 4}) {
        const std::vector<float> y = run.Output(step);
        for (int64_t n = 0; n < kBatch; ++n) {
          for (int64_t o = 0; o < 9; ++o) {
            const std::vector<float> kept = Kept(mask, step, per_example ? static_cast<uint32_t>(n) : 0, o, 150);
            double sum = 0.25;
            for (int64_t i = 0; i < 150; ++i)
              sum += double{weight[o * 150 + i]} * kept[i] * run.examples()[n * 150 + i];
            ASSERT_NEAR(y[n * 9 + o], sum, (precision == v1::PRECISION_F32 ? 1e-5 : 0.03) * (1 + std::abs(sum)));
          }
        }
      }
    }
  }
}

TEST(DropConnect, IsDenseAtTestTimeAndOnAverage) {
  LayerRun dense("input_shape: 150 layers { name: 'd' dense { units: 9 bias_init { constant { value: 0.25 } } } }",
                 kBatch, v1::PRECISION_F32, /*training=*/false);
  for (const bool per_example : {false, true}) {
    LayerRun test(DropConnectNet(per_example), kBatch, v1::PRECISION_F32, /*training=*/false);
    test.Set("d.weight", dense.Get("d.weight"));
    const std::vector<float> expected = dense.Output();
    const std::vector<float> y = test.Output();
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-5);

    LayerRun training(DropConnectNet(per_example), kBatch, v1::PRECISION_F32);
    training.Set("d.weight", dense.Get("d.weight"));
    constexpr int kSteps = 2000;
    std::vector<double> sum(y.size()), squares(y.size());
    for (int step = 0; step < kSteps; ++step) {
      const std::vector<float> one = training.Output(step);
      for (size_t i = 0; i < y.size(); ++i) {
        sum[i] += one[i];
        squares[i] += double{one[i]} * one[i];
      }
    }
    for (size_t i = 0; i < y.size(); ++i) {
      const double mean = sum[i] / kSteps, variance = squares[i] / kSteps - mean * mean;
      EXPECT_GT(variance, 0.01);
      EXPECT_NEAR(mean, expected[i], 5 * std::sqrt(variance / kSteps));
    }
  }
}

// What is dropped is not looked at: a weight that is not a number shows only while it stays.
TEST(DropConnect, DroppedWeightsHaveNoInfluence) {
  for (const bool per_example : {false, true}) {
    LayerRun run(DropConnectNet(per_example, "rate: 0.5"), kBatch, v1::PRECISION_F32);
    std::vector<float> weight = run.Get("d.weight");
    weight[0] = std::numeric_limits<float>::quiet_NaN();
    run.Set("d.weight", weight);
    const ConnectionMask mask(RandomStream(kSeed, kDropConnect, StreamOf("d")), 0.5);
    int dropped = 0;
    for (uint64_t step = 0; step < 20; ++step) {
      const std::vector<float> y = run.Output(step);
      for (int64_t n = 0; n < kBatch; ++n) {
        const bool kept = Kept(mask, step, per_example ? static_cast<uint32_t>(n) : 0, 0, 150)[0] != 0;
        ASSERT_EQ(std::isnan(y[n * 9]), kept);
        dropped += kept ? 0 : 1;
      }
    }
    EXPECT_GT(dropped, 0);
  }
}

}  // namespace
}  // namespace traind::core
