// Classes that are never the answer.
#include <algorithm>
#include <deque>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr size_t kNamed = 5;
constexpr double kHalf = 0.5;  // Of the job, at most an epoch: before that a class may still come.

constexpr size_t kBefore = 2;    // Evaluations.
constexpr double kFaster = 0.9;  // Of the loss then.

// Whether each evaluation is still clearly better than those before: a class may then still come.
bool StillLearns(const History& history) {
  const std::deque<Evaluated>& evaluations = history.evaluations();
  if (evaluations.size() <= kBefore) return false;
  const double now = evaluations.back().loss, before = evaluations[evaluations.size() - 1 - kBefore].loss;
  return now <= history.best_evaluation() && now < kFaster * before;
}

void LookForUnusedClasses(const v1::ClassNeverPredictedRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.data == nullptr || !PastBeginning(view, kHalf) || StillLearns(view.history)) return;
  const auto &answers = view.evaluation->predicted(), &counts = view.data->class_counts();
  std::vector<int> unused;
  for (int c = 0; c < std::min(answers.size(), counts.size()); ++c) {
    const double share = static_cast<double>(counts[c]) / static_cast<double>(view.data->examples());
    if (answers[c] == 0 && share >= config.least_share()) unused.push_back(c);
  }
  if (unused.empty()) return;
  const auto named = static_cast<std::ptrdiff_t>(std::min(unused.size(), kNamed));
  const auto name = [&](std::string* out, int c) { absl::StrAppend(out, NameOfClass(view.facts, c)); };
  const std::string names = absl::StrJoin(unused.begin(), unused.begin() + named, ", ", name);
  Sighting& sighting =
      Add(found, absl::StrCat(unused.size() == 1 ? "class " : "classes ", names,
                              unused.size() > kNamed ? absl::StrCat(" and ", unused.size() - kNamed, " more") : "",
                              unused.size() == 1 ? " is" : " are", " never the answer"));
  sighting.finding.set_split(view.evaluation->split());
  sighting.Measured("classes never predicted", static_cast<double>(unused.size()), v1::Evidence::RELATION_ABOVE, 0)
      .Words("look at the findings that this one hangs on, and at the number of examples of each class");
}

const Registered<Rule, v1::ClassNeverPredictedRule> kClassNeverPredicted(
    "A class that the network never answers with.", [](v1::ClassNeverPredictedRule& config, const FieldErrors& errors) {
      if (!config.has_least_share()) config.set_least_share(0.01);
      Require(config.least_share() >= 0 && config.least_share() <= 1, errors, "least_share", "in [0, 1]",
              config.least_share());
      return std::make_unique<SimpleRule<v1::ClassNeverPredictedRule>>(
          RuleTraits{.family = Family::kLoss}, Source::kEvaluation, config, LookForUnusedClasses);
    });

}  // namespace
}  // namespace traind::core
