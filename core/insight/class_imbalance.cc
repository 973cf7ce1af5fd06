// Classes of which one has many more training examples than another.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/loss.h"

namespace traind::core {
namespace {

// Balanced weights, where the loss can have some and has none.
void PatchClassWeights(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr || facts.spec == nullptr) return;
  v1::Loss loss = facts.spec->loss();
  v1::ClassWeights* weights = MutableClassWeights(loss);
  if (weights == nullptr || weights->balanced() || !weights->weights().empty()) return;
  weights->set_balanced(true);
  *Patch("loss", sighting).mutable_loss() = std::move(loss);
}

void LookAtClasses(const v1::ClassImbalanceRule& config, const View& view, std::vector<Sighting>& found) {
  const auto& counts = view.data->class_counts();
  if (std::count_if(counts.begin(), counts.end(), [](int64_t count) { return count > 0; }) < 2) {
    return;  // constant_labels says so.
  }
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  const double ratio = static_cast<double>(*most) / static_cast<double>(std::max<int64_t>(*least, 1));
  if (*least > 0 && ratio <= config.most_ratio()) return;
  Sighting& sighting = Add(found, absl::StrCat("class ", NameOfClass(view.facts, least - counts.begin()), " has ",
                                               *least, " training examples, class ",
                                               NameOfClass(view.facts, most - counts.begin()), " has ", *most));
  sighting.Is(*least == 0 ? v1::Finding::SEVERITY_WARNING : v1::Finding::SEVERITY_INFO)
      .Measured("largest class / smallest class", ratio, v1::Evidence::RELATION_ABOVE, config.most_ratio())
      .Words(
          "weigh the classes by class_weights of the loss, bring in more of the rare one, and look at its own recall, "
          "not at the accuracy of all");
  if (*least > 0) PatchClassWeights(view.facts, sighting);
}

const Registered<Rule, v1::ClassImbalanceRule> kClassImbalance(
    "One class has many more examples than another.", [](v1::ClassImbalanceRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(10);
      Require(config.most_ratio() >= 1, errors, "most_ratio", "at least 1", config.most_ratio());
      return std::make_unique<SimpleRule<v1::ClassImbalanceRule>>(RuleTraits{.family = Family::kAlone, .at_once = true},
                                                                  Source::kData, config, LookAtClasses);
    });

}  // namespace
}  // namespace traind::core
