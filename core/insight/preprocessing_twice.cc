// A step of the preprocessing that another one makes superfluous.
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

bool PerFeature(v1::Grouping grouping) { return grouping != v1::GROUPING_PER_CHANNEL; }

// Whether the numbers have the mean zero behind it, each feature or each channel of them.
bool LeavesZeroMean(const v1::Preprocessing& step, bool per_feature) {
  if (step.has_zero_mean()) return !per_feature || PerFeature(step.zero_mean().grouping());
  if (step.has_standardize()) return !per_feature || PerFeature(step.standardize().grouping());
  return step.has_pca() || step.has_whiten();
}

// Whether `second` has nothing to do after `first`, or undoes and repeats it.
bool Repeats(const v1::Preprocessing& first, const v1::Preprocessing& second) {
  if (second.has_zero_mean()) return LeavesZeroMean(first, PerFeature(second.zero_mean().grouping()));
  if (second.has_standardize()) return first.has_standardize() || first.has_whiten();
  if (second.has_whiten()) return first.has_whiten();
  if (second.has_pca()) return first.has_pca() || first.has_whiten();
  const auto one = first.scale().factor(), other = second.scale().factor();
  return first.has_scale() && second.has_scale() && std::abs(other) != 1 && one == other;
}

// Per channel and then per feature: what the first one did is gone.
bool UndoesAll(const v1::Preprocessing& first, const v1::Preprocessing& second) {
  return first.has_standardize() && second.has_standardize() && !PerFeature(first.standardize().grouping()) &&
         PerFeature(second.standardize().grouping());
}

void LookForTwice(const v1::PreprocessingTwiceRule&, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr) return;
  const auto& steps = view.facts.spec->data().preprocessing();
  for (int j = 1; j < steps.size(); ++j) {
    for (int i = 0; i < j; ++i) {
      if (!Repeats(steps[i], steps[j])) continue;
      const int superfluous = UndoesAll(steps[i], steps[j]) ? i : j;
      const std::string first = KindName(steps[i]), second = KindName(steps[j]);
      Sighting& sighting = Add(
          found, first == second ? absl::StrCat(first, " stands twice in data.preprocessing, as steps ", i, " and ", j)
                                 : absl::StrCat(second, ", step ", j, " of data.preprocessing, finds done by ", first,
                                                ", step ", i, ", what it does"));
      sighting.Is(v1::Finding::SEVERITY_INFO).Words(absl::StrCat("leave step ", superfluous, " out"));
      if (view.facts.given == nullptr || view.facts.given->data().preprocessing_size() != steps.size()) return;
      auto& left = *Patch("data.preprocessing", sighting).mutable_data()->mutable_preprocessing();
      left = view.facts.given->data().preprocessing();
      left.DeleteSubrange(superfluous, 1);
      return;  // Of more of them it speaks when this one is gone.
    }
  }
}

const Registered<Rule, v1::PreprocessingTwiceRule> kPreprocessingTwice(
    "Two steps of the preprocessing do the same.", [](v1::PreprocessingTwiceRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::PreprocessingTwiceRule>>(
          RuleTraits{.family = Family::kAlone, .at_once = true}, Source::kSpec, config, LookForTwice);
    });

}  // namespace
}  // namespace traind::core
