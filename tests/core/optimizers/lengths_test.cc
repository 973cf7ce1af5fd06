#include "core/optimizers/lengths.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "traind/v1/optimizer.pb.h"

namespace traind::core {
namespace {

using testing::ElementsAre;

template <class Config>
Config Resolved(const std::string& text, uint64_t steps_per_epoch) {
  auto config = FromText<Config>(text);
  FieldErrors::Root errors;
  CheckLengths(config, errors.scope());
  ConvertLengths(config, steps_per_epoch, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return config;
}

TEST(LengthsTest, EpochsBecomeTheNearestSteps) {
  const auto step = Resolved<v1::StepSchedule>("every_epochs: 1.5", 391);
  EXPECT_EQ(step.every_steps(), 587u);  // 586.5
  EXPECT_EQ(step.every_epochs(), 0);
  EXPECT_EQ(Resolved<v1::StepSchedule>("every_epochs: 0.0001", 391).every_steps(), 1u);
  // Wide ResNet's on CIFAR-10 (Zagoruyko & Komodakis 2016), with batches of 128.
  const auto wide = Resolved<v1::MultistepSchedule>("milestone_epochs: [ 60, 120, 160 ]", 391);
  EXPECT_THAT(wide.milestone_steps(), ElementsAre(23460, 46920, 62560));
  EXPECT_TRUE(wide.milestone_epochs().empty());
  EXPECT_EQ(Resolved<v1::Swa>("begin_epochs: 2 every_epochs: 1", 10).begin_steps(), 20u);
}

TEST(LengthsTest, StepsStayAsTheyAre) {
  EXPECT_EQ(Resolved<v1::Schedule>("warmup_steps: 7", 10).warmup_steps(), 7u);
  EXPECT_EQ(Resolved<v1::Schedule>("step { every_epochs: 2 }", 10).step().every_epochs(), 2);  // Another message.
}

TEST(LengthsTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"every_epochs: -1", "every_epochs"},
      {"every_epochs: nan", "every_epochs"},
      {"every_epochs: 1e9", "every_epochs"},  // More than the field in steps holds.
      {"every_epochs: 1 every_steps: 10", "every_epochs"},
  };
  for (const auto& [text, field] : cases) {
    auto config = FromText<v1::StepSchedule>(text);
    FieldErrors::Root errors;
    CheckLengths(config, errors.scope());
    ConvertLengths(config, 10, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), field) << text;
  }
}

}  // namespace
}  // namespace traind::core
