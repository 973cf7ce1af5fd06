// A learning rate that the optimizer is not used with.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

// The layer that learns at the highest rate, and its share of the optimizer's.
struct Fastest {
  const Node* node = nullptr;  // Null: all learn at the optimizer's rate.
  double factor = 1;
};

Fastest FastestOf(const Graph& graph) {
  Fastest fastest{.factor = 0};
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      if (!parameter.trained || parameter.learning_rate_factor <= fastest.factor) continue;
      fastest = {.node = parameter.learning_rate_factor == 1 ? nullptr : &node,
                 .factor = parameter.learning_rate_factor};
    }
  }
  return fastest.factor == 0 ? Fastest() : fastest;
}

void LookAtRate(const v1::LearningRateHabitRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr) return;
  v1::Optimizer optimizer = view.facts.spec->optimizer();
  FieldErrors::Root reported;
  const auto kind = Registry<Optimizer>::Get().Create(optimizer, reported.scope());
  if (kind == nullptr) return;
  const Fastest fastest = FastestOf(*view.facts.graph);
  const double rate = optimizer.learning_rate() * fastest.factor;
  const auto [usual_least, usual_most] = kind->usual_learning_rates();
  const double least = usual_least / config.tolerance(), most = usual_most * config.tolerance();
  // Weights that were trained before are often moved a little only.
  const bool low = rate < least && !view.facts.continues;
  if (rate <= most && !low) return;
  Sighting& sighting =
      Add(found, absl::StrCat("the learning rate ", rate, " is far ", low ? "below" : "above", " the ", usual_least,
                              " to ", usual_most, " that ", KindName(optimizer), " is used with"));
  sighting.Measured("learning rate", rate, low ? v1::Evidence::RELATION_BELOW : v1::Evidence::RELATION_ABOVE,
                    low ? least : most);
  if (fastest.node != nullptr) {
    sighting.At(*fastest.node).Words("another learning_rate_factor of the layer, or another optimizer.learning_rate");
    return;
  }
  sighting.Words(absl::StrCat("begin with ", kind->default_learning_rate(), ", its default"));
  PatchRate(view.facts, kind->default_learning_rate() / optimizer.learning_rate(), sighting);
}

const Registered<Rule, v1::LearningRateHabitRule> kLearningRateHabit(
    "A learning rate that the optimizer is not used with.",
    [](v1::LearningRateHabitRule& config, const FieldErrors& errors) {
      if (!config.has_tolerance()) config.set_tolerance(1);
      Require(config.tolerance() >= 1, errors, "tolerance", "at least 1", config.tolerance());
      return std::make_unique<SimpleRule<v1::LearningRateHabitRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true, .at_once = true, .may_overflow = true},
          Source::kSpec, config, LookAtRate);
    });

}  // namespace
}  // namespace traind::core
