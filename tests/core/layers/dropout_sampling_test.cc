// Monte-Carlo dropout: an inference plan that samples draws masks by the number of the look, and its mean is that of
// the plan that does not.
#include <cmath>
#include <memory>
#include <vector>

#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"
#include "core/train/model.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 4;
constexpr int64_t kFeatures = 512;

class DropoutSampling : public testing::TestWithParam<v1::Dropout::Form> {
 protected:
  void SetUp() override {
    v1::Network network;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "input_shape: 512 layers { name: 'drop' dropout { rate: 0.25 } }", &network));
    network.mutable_layers(0)->mutable_dropout()->set_form(GetParam());
    auto model = MakeModel(network, nullptr, /*trainable=*/false, 0);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  std::unique_ptr<Plan> Make(bool sampling) {
    auto plan = Plan::Make(*model_.graph, *model_.store, {.batch = kBatch, .sampling = sampling, .seed = 3});
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *std::move(plan);
  }

  std::vector<float> Look(Plan& plan, uint64_t look) {
    const std::vector<float> ones(kBatch * kFeatures, 1.0f);
    EXPECT_TRUE(plan.Run({.examples = ones.data(), .count = kBatch, .step = look}).ok());
    return {plan.output(), plan.output() + kBatch * kFeatures};
  }

  Model model_;
};

TEST_P(DropoutSampling, DrawsAnotherMaskForEachLook) {
  const auto sampling = Make(true);
  const std::vector<float> first = Look(*sampling, 0);
  EXPECT_NE(first, Look(*sampling, 1));
  EXPECT_EQ(first, Look(*sampling, 0));
  const float kept = GetParam() == v1::Dropout::CLASSIC ? 1.0f : 1 / 0.75f;
  for (float value : first) EXPECT_TRUE(value == 0 || std::fabs(value - kept) < 1e-6f) << value;
}

TEST_P(DropoutSampling, ItsMeanIsTheOrdinaryOutput) {
  const auto sampling = Make(true);
  const auto ordinary = Make(false);
  constexpr int kLooks = 64;
  double sum = 0;
  for (uint64_t look = 0; look < kLooks; ++look) {
    for (float value : Look(*sampling, look)) sum += value;
  }
  const double draws = kLooks * kBatch * kFeatures;
  const float expected = Look(*ordinary, 0)[0];
  EXPECT_EQ(Look(*ordinary, 0), Look(*ordinary, 1));
  EXPECT_NEAR(sum / draws, expected, 5 * (4.0 / 3) * std::sqrt(0.25 * 0.75 / draws));
}

INSTANTIATE_TEST_SUITE_P(Forms, DropoutSampling, testing::Values(v1::Dropout::INVERTED, v1::Dropout::CLASSIC),
                         [](const auto& form) { return v1::Dropout::Form_Name(form.param); });

}  // namespace
}  // namespace traind::core
