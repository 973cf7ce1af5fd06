// What the rules say of losses and augmentations beside those of the lecture.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

std::string JobWith(const std::string& output, const std::string& loss, const std::string& augmentation = "") {
  return absl::StrCat("network { layers { name: 'a' dense { units: 50 } activation { relu {} } } layers { name: 'out' ",
                      output, " } } data { dataset: 'images' preprocessing { standardize {} } ", augmentation,
                      " } loss { ", loss, " } batch_size: 100 epochs: 1");
}

constexpr char kTen[] = "dense { units: 10 }";

TEST(InsightOfLosses, ASigmoidBeforeBinaryCrossEntropy) {
  InsightLog plain(JobWith(kTen, "binary_cross_entropy {}"));
  EXPECT_THAT(plain.warnings, testing::Not(testing::Contains(HasSubstr("sigmoid"))));
  InsightLog twice(JobWith("dense { units: 10 } activation { sigmoid {} }", "binary_cross_entropy {}"));
  EXPECT_THAT(twice.warnings, testing::Contains(HasSubstr("binary_cross_entropy has a sigmoid of its own")));
  InsightLog focal(JobWith("dense { units: 10 } activation { sigmoid {} }", "focal {}"));
  EXPECT_THAT(focal.warnings, testing::Contains(HasSubstr("the softmax of focal stays nearly flat")));
}

TEST(InsightOfLosses, TheFirstLossIsThatOfTheLossItself) {
  const auto opens = [](const std::string& loss, double first) {
    InsightLog log(JobWith(kTen, loss));
    log.Run(
        600, [first](uint64_t) { return first; }, log.Report());
    return !log.Find("initial_loss").rule().empty();
  };
  // ln 10 = 2.3, ln 2 = 0.69, and 2.3 (9 / 10)^2 = 1.87.
  EXPECT_FALSE(opens("softmax_cross_entropy {}", 4.5));
  EXPECT_TRUE(opens("softmax_cross_entropy {}", 4.7));
  EXPECT_FALSE(opens("binary_cross_entropy {}", 1.35));
  EXPECT_TRUE(opens("binary_cross_entropy {}", 1.45));
  EXPECT_FALSE(opens("focal {}", 3.6));
  EXPECT_TRUE(opens("focal {}", 3.8));
  const std::string tens =
      "softmax_cross_entropy { class_weights { weights: [10, 10, 10, 10, 10, 10, 10, 10, 10, 10] } }";
  EXPECT_FALSE(opens(tens, 45));
  EXPECT_TRUE(opens(tens, 47));
  EXPECT_FALSE(opens("multiclass_hinge {}", 1000));
}

TEST(InsightOfLosses, ClassesOutOfBalanceAreWeighed) {
  const auto of = [](const std::string& loss) {
    InsightLog log(JobWith(kTen, loss));
    v1::DataProfile profile = log.Profile();
    profile.set_class_counts(4, 60);
    log.Data(profile);
    return log.Find("class_imbalance").fix();
  };
  EXPECT_TRUE(of("focal { gamma: 3 }").patch().loss().focal().class_weights().balanced());
  EXPECT_EQ(of("focal { gamma: 3 }").patch().loss().focal().gamma(), 3);
  EXPECT_TRUE(of("softmax_cross_entropy {}").patch().loss().softmax_cross_entropy().class_weights().balanced());
  EXPECT_FALSE(of("softmax_cross_entropy { class_weights { balanced: true } }").has_patch());
  EXPECT_FALSE(of("multiclass_hinge {}").has_patch());
}

TEST(InsightOfLosses, AVerticalFlipChangesDigits) {
  InsightLog log(JobWith(kTen, "softmax_cross_entropy {}", "augmentation { vertical_flip {} }"),
                 [](v1::Job& job) { job.set_dataset("datasets/mnist"); });
  log.Data(log.Profile());
  EXPECT_THAT(log.Find("augmentation_changes_label").cause(), HasSubstr("vertical_flip may turn"));
}

}  // namespace
}  // namespace traind::core
