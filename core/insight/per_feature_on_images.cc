// Images of which each pixel is normalized by itself (slide 43).
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kOfRounding = 1e-7;  // The default epsilon, which keeps exact constants alone from being divided.

void LookAtGrouping(const v1::PerFeatureOnImagesRule&, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr) return;
  const v1::DataSpec& data = view.facts.spec->data();
  if (data.example_shape_size() != 3) return;
  for (int i = 0; i < data.preprocessing_size(); ++i) {
    const v1::Preprocessing& step = data.preprocessing(i);
    if (step.has_pca() || (step.has_whiten() && step.whiten().form() == v1::Whiten::FORM_PCA)) return;  // No images.
    if (!step.has_standardize() || step.standardize().grouping() != v1::GROUPING_PER_FEATURE) continue;
    if (step.standardize().epsilon() > kOfRounding) continue;  // Somebody has seen to what hardly varies.
    Sighting& sighting = Add(found,
                             "standardize divides each pixel by its own deviation: pixels that hardly vary, as "
                             "at the border, become as loud as the others");
    sighting.Words("grouping: PER_CHANNEL, one mean and one deviation for all pixels of a channel");
    if (view.facts.given == nullptr || view.facts.given->data().preprocessing_size() <= i) return;
    auto& steps = *Patch("data.preprocessing", sighting).mutable_data()->mutable_preprocessing();
    steps = view.facts.given->data().preprocessing();
    steps[i].mutable_standardize()->set_grouping(v1::GROUPING_PER_CHANNEL);
    return;
  }
}

const Registered<Rule, v1::PerFeatureOnImagesRule> kPerFeatureOnImages(
    "Each pixel of an image is normalized by itself (slide 43).",
    [](v1::PerFeatureOnImagesRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::PerFeatureOnImagesRule>>(
          RuleTraits{.family = Family::kAlone, .slide = 43, .unless_improving = true, .at_once = true}, Source::kSpec,
          config, LookAtGrouping);
    });

}  // namespace
}  // namespace traind::core
