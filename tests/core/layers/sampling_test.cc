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
    LayerRun run("input_shape: 64 layers { name: 'random' " + GetParam().layer + " }",
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
                                         RandomLayer{"drop_connect", "drop_connect { units: 5 rate: 0.3 }"},
                                         RandomLayer{"drop_connect_per_example",
                                                     "drop_connect { units: 5 rate: 0.3 per_example: true }"},
                                         RandomLayer{"stochastic_depth", "stochastic_depth { survival: 0.7 }"},
                                         RandomLayer{"stochastic_depth_per_example",
                                                     "stochastic_depth { survival: 0.7 per_example: true }"}),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace traind::core
