// Monte-Carlo inference: in a plan that samples, every layer that is random in training draws by the number of the
// look, and the mean over the looks is the output of the plan that does not sample.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/layer_run.h"

namespace traind::core {
namespace {

constexpr int kBatch = 4;

struct RandomLayer {
  std::string name;
  std::string layer;  // Linear in its input.
};

void PrintTo(const RandomLayer& layer, std::ostream* out) { *out << layer.name; }

class Sampling : public testing::TestWithParam<RandomLayer> {
 protected:
  LayerRun Run(bool sampling, bool training = false, v1::Precision precision = v1::PRECISION_F32) {
    const bool sequence = GetParam().name == "attention";
    const std::string before = sequence ? "layers { name: 's' to_sequence {} } " : "";
    LayerRun run("input_shape: 64 " + before + "layers { name: 'random' " + GetParam().layer + " }",
                 {.batch = kBatch, .training = training, .sampling = sampling, .precision = precision, .seed = 3});
    run.examples().assign(kBatch * 64, 1.0f);
    return run;
  }
};

TEST_P(Sampling, DrawsAnotherNetworkForEachLook) {
  LayerRun sampling = Run(true);
  const std::vector<float> first = sampling.Output(0);
  bool differs = false;  // A branch that passes as a whole may be the same twice.
  for (uint64_t look = 1; look < 10; ++look) differs |= sampling.Output(look) != first;
  EXPECT_TRUE(differs);
  EXPECT_EQ(sampling.Output(0), first);
}

TEST(DropoutSampling, KeepsAValueOrDropsIt) {
  for (const auto& [form, kept] : {std::pair<std::string, float>{"FORM_INVERTED", 1 / 0.75f}, {"FORM_CLASSIC", 1.0f}}) {
    LayerRun run("input_shape: 512 layers { name: 'drop' dropout { rate: 0.25 form: " + form + " } }",
                 {.batch = kBatch, .sampling = true, .seed = 3});
    run.examples().assign(kBatch * 512, 1.0f);
    const std::vector<float> first = run.Output(0);
    EXPECT_NE(first, run.Output(1));
    for (float value : first) EXPECT_TRUE(value == 0 || std::fabs(value - kept) < 1e-6f) << value;
  }
}

// Equal scores, values 2^s and an identity behind them: the output says which of its 16 weights a query has kept.
TEST(AttentionDropout, DropsSingleWeightsWithTheChanceItSays) {
  constexpr int kLength = 16;
  constexpr double kRate = 0.3;
  LayerRun run(
      "input_shape: [2, 1, 16] layers { name: 's' to_sequence {} } layers { name: 'a' multi_head_attention { heads: 2 "
      "dropout: 0.3 } }",
      {.batch = kBatch, .sampling = true, .seed = 3});
  run.Set("a.in_proj_weight", {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1});
  run.Set("a.out_proj.weight", {1, 0, 0, 1});
  for (int i = 0; i < kBatch * 2 * kLength; ++i) run.examples()[i] = std::ldexp(1.0f, i % kLength);
  std::vector<int> of_place(2 * kLength * kLength);  // [head, query, key]
  int kept = 0, both = 0, looks = 0;
  for (uint64_t step = 0; step < 200; ++step) {
    const std::vector<float> output = run.Output(step);
    for (int i = 0; i < kBatch * 2 * kLength; ++i) {
      // [example, head, query].
      const double code = output[i] * kLength * (1 - kRate);
      const int bits = static_cast<int>(std::lround(code));
      ASSERT_NEAR(code, bits, 0.05) << "each weight is 0 or 1 / 16 / 0.7";
      for (int s = 0; s < kLength; ++s) {
        kept += bits >> s & 1;
        of_place[i % (2 * kLength) * kLength + s] += bits >> s & 1;
        both += (bits >> s & 1) & (bits >> (s + 1) % kLength & 1);
      }
      looks += kLength;
    }
  }
  const auto near = [](double count, double n, double p) {
    EXPECT_NEAR(count / n, p, 5 * std::sqrt(p * (1 - p) / n)) << count << " of " << n;
  };
  near(kept, looks, 1 - kRate);
  near(both, looks, (1 - kRate) * (1 - kRate));  // Neighbours know nothing of each other.
  for (int count : of_place) near(count, 200.0 * kBatch, 1 - kRate);
}

TEST_P(Sampling, DrawsAsInTraining) {
  for (const v1::Precision precision : Precisions()) {
    LayerRun sampling = Run(true, false, precision);
    LayerRun training = Run(false, true, precision);
    for (uint64_t step = 0; step < 10; ++step) EXPECT_EQ(sampling.Output(step), training.Output(step)) << step;
  }
}

TEST_P(Sampling, ItsMeanIsTheOrdinaryOutput) {
  LayerRun sampling = Run(true);
  LayerRun ordinary = Run(false);
  const std::vector<float> expected = ordinary.Output(0);
  EXPECT_EQ(expected, ordinary.Output(1));
  constexpr int kLooks = 4000;
  std::vector<double> sum(expected.size()), square(expected.size());
  for (uint64_t look = 0; look < kLooks; ++look) {
    const std::vector<float> output = sampling.Output(look);
    for (size_t i = 0; i < output.size(); ++i) {
      sum[i] += output[i];
      square[i] += double{output[i]} * output[i];
    }
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const double mean = sum[i] / kLooks;
    const double deviation = std::sqrt(square[i] / kLooks - mean * mean);
    EXPECT_GT(deviation, 0) << i;
    EXPECT_NEAR(mean, expected[i], 5 * deviation / std::sqrt(kLooks)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Sampling,
                         testing::Values(RandomLayer{"dropout", "dropout { rate: 0.25 }"},
                                         RandomLayer{"dropout_classic", "dropout { rate: 0.25 form: FORM_CLASSIC }"},
                                         // Of 64 positions and one feature: q and k are zero without weights.
                                         RandomLayer{"attention",
                                                     "inputs: 's' multi_head_attention { heads: 1 dropout: 0.25 "
                                                     "weight_init { constant { value: 0.5 } } }"},
                                         RandomLayer{"drop_connect", "drop_connect { units: 5 rate: 0.3 }"},
                                         RandomLayer{"drop_connect_per_example",
                                                     "drop_connect { units: 5 rate: 0.3 per_example: true }"},
                                         RandomLayer{"stochastic_depth", "stochastic_depth { survival: 0.7 }"},
                                         RandomLayer{"stochastic_depth_per_example",
                                                     "stochastic_depth { survival: 0.7 per_example: true }"}),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace traind::core
