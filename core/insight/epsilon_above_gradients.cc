// An epsilon of the optimizer that is much larger than the gradients whose size it is added to.
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

constexpr double kUnsuspicious = 1e-6;

// The epsilon that is added to the root of a mean of squared gradients, or to their sum's or their maximum's; of other
// optimizers it means something else. 0: there is none.
double EpsilonOf(const v1::Optimizer& optimizer) {
  static constexpr std::array<std::string_view, 7> kAdds = {"adam",  "adamw",  "rmsprop", "adagrad",
                                                            "nadam", "adamax", "lamb"};
  const auto* kind = KindField(optimizer);
  if (kind == nullptr || std::find(kAdds.begin(), kAdds.end(), kind->name()) == kAdds.end()) return 0;
  const google::protobuf::Message& config = optimizer.GetReflection()->GetMessage(optimizer, kind);
  const auto* field = config.GetDescriptor()->FindFieldByName("epsilon");
  return field == nullptr ? 0 : config.GetReflection()->GetDouble(config, field);
}

// The optimizer's own default.
void PatchEpsilon(const v1::Optimizer& optimizer, Sighting& sighting) {
  const auto* kind = KindField(optimizer);
  v1::Optimizer fresh;
  fresh.GetReflection()->MutableMessage(&fresh, kind);
  FieldErrors::Root reported;
  if (Registry<Optimizer>::Get().Create(fresh, reported.scope()) == nullptr) return;
  v1::Optimizer& patch = *Patch(absl::StrCat("optimizer.", kind->name(), ".epsilon"), sighting).mutable_optimizer();
  google::protobuf::Message& config = *patch.GetReflection()->MutableMessage(&patch, kind);
  config.GetReflection()->SetDouble(&config, config.GetDescriptor()->FindFieldByName("epsilon"), EpsilonOf(fresh));
}

double MedianGradientRms(const View& view) {
  std::vector<double> sizes;
  for (const WeightsOf& weights : WeightsIn(view)) sizes.push_back(GradientRms(*weights.statistics));
  if (sizes.empty()) return 0;
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  return *middle;
}

void LookAtEpsilon(const v1::EpsilonAboveGradientsRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr) return;
  const v1::Optimizer& optimizer = view.facts.spec->optimizer();
  const double epsilon = EpsilonOf(optimizer), size = MedianGradientRms(view);
  if (!(epsilon > kUnsuspicious) || size == 0 || !(epsilon > config.most_ratio() * size)) return;
  Sighting& sighting =
      Add(found,
          absl::StrCat("epsilon is ", epsilon, ", and the gradients of a layer have the size ", size, ": steps are ",
                       epsilon / size, " times smaller than the learning ", "rate of ", KindName(optimizer), " says"));
  sighting.Measured("epsilon / gradient", epsilon / size, v1::Evidence::RELATION_ABOVE, config.most_ratio())
      .Words("leave epsilon at its default");
  PatchEpsilon(optimizer, sighting);
}

const Registered<Rule, v1::EpsilonAboveGradientsRule> kEpsilonAboveGradients(
    "An epsilon of the optimizer that is much larger than the gradients.",
    [](v1::EpsilonAboveGradientsRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(10);
      Require(config.most_ratio() > 0, errors, "most_ratio", "above 0", config.most_ratio());
      return std::make_unique<SimpleRule<v1::EpsilonAboveGradientsRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true}, Source::kStatistics, config, LookAtEpsilon);
    });

}  // namespace
}  // namespace traind::core
