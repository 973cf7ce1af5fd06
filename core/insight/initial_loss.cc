// A first loss far above that of classes which are all as likely: ln C for a cross-entropy.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/loss_of_answer.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kLarge = 2.5;  // Times the threshold.

void LookAtFirstLoss(const v1::InitialLossRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.facts.continues || !view.history.first_loss().has_value()) return;
  std::vector<int64_t> counts;
  if (view.data != nullptr) counts.assign(view.data->class_counts().begin(), view.data->class_counts().end());
  const auto of_none = LossOfNoAnswer(view.facts, counts);
  if (!of_none.has_value() || *of_none <= 0) return;
  const double expected = *of_none;
  const double ratio = *view.history.first_loss() / expected;
  if (ratio <= config.most_ratio()) return;
  // A few times as large it is gone after some steps.
  const bool mild = ratio <= kLarge * config.most_ratio();
  Add(found, absl::StrCat("the first loss is ", *view.history.first_loss(), ", and that of ", view.facts.classes,
                          " classes that are all as likely is ", expected))
      .Weighs(mild ? Weight::kMild : Weight::kUsual)
      .Measured("first loss / that of equal classes", ratio, v1::Evidence::RELATION_ABOVE, config.most_ratio())
      .Words("normalize the data, and let the last layer start with smaller weights");
}

const Registered<Rule, v1::InitialLossRule> kInitialLoss(
    "The first loss is far above ln(classes).", [](v1::InitialLossRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(2);
      Require(config.most_ratio() > 1, errors, "most_ratio", "above 1", config.most_ratio());
      return std::make_unique<SimpleRule<v1::InitialLossRule>>(
          RuleTraits{.family = Family::kInitialization, .unless_improving = true, .at_once = true}, Source::kTrain,
          config, LookAtFirstLoss);
    });

}  // namespace
}  // namespace traind::core
