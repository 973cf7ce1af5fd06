// Inputs much larger or smaller than 1 (slide 41).
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kFarBelow = 0.1;  // Times the least: not one-hot or rare features, but another unit, or twice scaled.

void LookAtScale(const v1::DataScaleRule& config, const View& view, std::vector<Sighting>& found) {
  if (ReadsTokens(*view.facts.graph)) return;
  const double rms = std::hypot(view.data->mean(), view.data->std());
  if (rms >= config.least() && rms <= config.most()) return;
  const bool large = rms > config.most();
  Sighting& sighting = Add(found, absl::StrCat("the numbers of the input are ", large ? "large" : "small",
                                               ": their root mean square is ", rms));
  sighting
      .Measured("root mean square of the input", rms,
                large ? v1::Evidence::RELATION_ABOVE : v1::Evidence::RELATION_BELOW,
                large ? config.most() : config.least())
      .Weighs(large || rms < kFarBelow * config.least() ? Weight::kPlain : Weight::kUsual)
      .Words("add standardize, or scale, to data.preprocessing");
  PatchStandardize(view.facts, sighting);
}

const Registered<Rule, v1::DataScaleRule> kDataScale(
    "Inputs much larger or smaller than 1 (slide 41).", [](v1::DataScaleRule& config, const FieldErrors& errors) {
      if (!config.has_least()) config.set_least(0.1);
      Require(config.least() > 0, errors, "least", "above 0", config.least());
      if (!config.has_most()) config.set_most(10);
      Require(config.most() > 0, errors, "most", "above 0", config.most());
      return std::make_unique<SimpleRule<v1::DataScaleRule>>(
          RuleTraits{
              .family = Family::kData, .slide = 41, .unless_improving = true, .at_once = true, .may_overflow = true},
          Source::kData, config, LookAtScale);
    });

}  // namespace
}  // namespace traind::core
