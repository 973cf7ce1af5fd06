// Mixup with given blends against PyTorch: blended examples and soft labels give the loss and the gradient that two
// weighted cross entropies give there.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/data/augmentation/blend.h"
#include "core/kinds/loss.h"

namespace traind::core {
namespace {

constexpr int kExamples = 5, kFeatures = 4, kClasses = 3;

struct Recorded {
  double loss;
  std::vector<double> gradient;
};

const std::vector<Recorded>& RecordedCases() {
  static const auto* const kCases = new std::vector<Recorded>{
#include "tests/core/data/augmentation/recorded_mixup.inc"
  };
  return *kCases;
}

TEST(BlendGoldenTest, FollowsPyTorch) {
  v1::Loss config;
  config.mutable_softmax_cross_entropy();
  FieldErrors::Root errors;
  const auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  ASSERT_NE(loss, nullptr);
  std::vector<float> examples(kExamples * kFeatures), labels(kExamples * kClasses, 0.0f);
  for (int i = 0; i < kExamples * kFeatures; ++i) examples[i] = static_cast<float>(std::sin(1 + i));
  for (int i = 0; i < kExamples; ++i) labels[i * kClasses + i % kClasses] = 1;

  ASSERT_EQ(RecordedCases().size(), 6u);
  for (uint32_t t = 0; t < 6; ++t) {
    BatchAugmentation::Pairing pairing;
    for (uint32_t i = 0; i < kExamples; ++i) {
      pairing.partner.push_back((2 * i + t) % 5);
      pairing.weight.push_back(static_cast<float>((i + 2 * t) % 5) / 4);
    }
    std::vector<float> mixed(examples.size()), soft(labels.size());
    BlendRows(examples.data(), pairing, kFeatures, mixed.data());
    BlendRows(labels.data(), pairing, kClasses, soft.data());
    std::vector<float> logits, gradient(kExamples * kClasses);
    for (int i = 0; i < kExamples; ++i) {
      for (int c = 0; c < kClasses; ++c) {
        double sum = 0;
        for (int k = 0; k < kFeatures; ++k) sum += mixed[i * kFeatures + k] * std::cos(kFeatures * c + k);
        logits.push_back(static_cast<float>(sum));
      }
    }
    const Recorded& recorded = RecordedCases()[t];
    const double sum = loss->Compute(logits.data(), {.values = soft.data()}, kExamples, kClasses, gradient.data());
    EXPECT_NEAR(sum / kExamples, recorded.loss, 1e-6 * recorded.loss);
    for (int k = 0; k < kExamples * kClasses; ++k)
      EXPECT_NEAR(gradient[k], recorded.gradient[k], 1e-6) << t << " " << k;
  }
}

}  // namespace
}  // namespace traind::core
