// Inputs whose mean is far from zero (slides 14 and 38-40).
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

constexpr char kCentre[] = "add zero_mean or standardize to data.preprocessing";

// Whether preprocessing can leave bytes, which are all positive, around zero.
bool Centres(const v1::DataSpec& data) {
  return std::any_of(data.preprocessing().begin(), data.preprocessing().end(), [](v1::Preprocessing config) {
    FieldErrors::Root reported;
    const auto transform = Registry<Transform>::Get().Create(config, reported.scope());
    return transform != nullptr && transform->centres();
  });
}

class DataNotCentered final : public Rule {
 public:
  explicit DataNotCentered(const v1::DataNotCenteredRule& config)
      : Rule({.family = Family::kAlone, .slide = 38, .unless_improving = true, .at_once = true}), config_(config) {}

  bool Reads(Source source) const override { return source == Source::kSpec || source == Source::kData; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    if (ReadsTokens(*view.facts.graph)) return;
    view.source == Source::kSpec ? LookAtSpec(view, found) : LookAtData(view, found);
  }

 private:
  static void LookAtSpec(const View& view, std::vector<Sighting>& found) {
    if (view.facts.spec == nullptr || view.facts.element_type != v1::ELEMENT_TYPE_UINT8) return;
    if (Centres(view.facts.spec->data())) return;
    Sighting& sighting = Add(found, "the input is not zero-mean: bytes are all positive");
    sighting.Words(kCentre);
    PatchStandardize(view.facts, sighting);
  }

  void LookAtData(const View& view, std::vector<Sighting>& found) const {
    const double ratio = view.data->std() > 0 ? std::abs(view.data->mean()) / view.data->std() : 0;
    if (ratio <= config_.most_mean_over_std()) return;
    Sighting& sighting = Add(found, absl::StrCat("the input is not zero-mean: its numbers have mean ",
                                                 view.data->mean(), " and deviation ", view.data->std()));
    sighting.Measured("|mean| / std of the input", ratio, v1::Evidence::RELATION_ABOVE, config_.most_mean_over_std())
        .Words(kCentre);
    PatchStandardize(view.facts, sighting);
  }

  const v1::DataNotCenteredRule config_;
};

const Registered<Rule, v1::DataNotCenteredRule> kDataNotCentered(
    "The mean of the inputs is far from zero (slides 14 and 38).",
    [](v1::DataNotCenteredRule& config, const FieldErrors& errors) {
      if (!config.has_most_mean_over_std()) config.set_most_mean_over_std(1);
      Require(config.most_mean_over_std() > 0, errors, "most_mean_over_std", "above 0", config.most_mean_over_std());
      return std::make_unique<DataNotCentered>(config);
    });

}  // namespace
}  // namespace traind::core
