// A penalty that is larger than what there is to learn (slide 69).
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kFarAbove = 10;      // Times the threshold: whatever the run does, it would do better without.
constexpr double kWantedShare = 0.1;  // Of the loss to beat, that the penalty is to have.
constexpr double kSmallestFactor = 1e-6;

using Regularizers = google::protobuf::RepeatedPtrField<v1::Regularizer>;

void Weaken(double factor, Regularizers& regularizers) {
  for (v1::Regularizer& one : regularizers) {
    if (one.has_l1()) one.mutable_l1()->set_strength(one.l1().strength() * factor);
    if (one.has_l2()) one.mutable_l2()->set_strength(one.l2().strength() * factor);
    if (!one.has_elastic_net()) continue;
    one.mutable_elastic_net()->set_l1(one.elastic_net().l1() * factor);
    one.mutable_elastic_net()->set_l2(one.elastic_net().l2() * factor);
  }
}

// All that the spec says: those of the network alone, where no layer has its own.
void PatchStrength(const Facts& facts, double factor, Sighting& sighting) {
  if (facts.given == nullptr) return;
  const v1::Network& given = facts.given->network();
  const bool own = std::any_of(given.layers().begin(), given.layers().end(), [](const v1::Layer& layer) {
    return layer.has_block() || layer.regularizers_size() > 0;
  });
  if (!own) {
    Regularizers weaker = given.regularizers();
    Weaken(factor, weaker);
    if (!weaker.empty()) {
      *Patch("network.regularizers", sighting).mutable_network()->mutable_regularizers() = std::move(weaker);
    }
    return;
  }
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = given;
  Weaken(factor, *network.mutable_regularizers());
  ForEachWritten(network, [&](const std::string&, v1::Layer& layer) { Weaken(factor, *layer.mutable_regularizers()); });
  *Patch("network", sighting).mutable_network() = std::move(network);
}

void LookAtPenalty(const v1::PenaltyAboveLossRule& config, const View& view, std::vector<Sighting>& found) {
  const Stretch& now = view.history.recent().back();
  const double base = ConstantAnswerLoss(view).value_or(LossToBeat(view));
  if (!(base > 0) || !(now.penalty > config.most_ratio() * base)) return;
  const double ratio = now.penalty / base;
  // A power of ten.
  const double factor = std::max(kSmallestFactor, std::pow(10, std::floor(std::log10(kWantedShare / ratio))));
  Sighting& sighting =
      Add(found, absl::StrCat("the penalty is ", now.penalty, ", and the loss of an answer that does not look at the ",
                              "example ", base, ": small weights pay more than right answers"));
  sighting.Weighs(ratio > kFarAbove * config.most_ratio() ? Weight::kPlain : Weight::kUsual)
      .Measured("penalty / loss of an answer that does not look at the example", ratio, v1::Evidence::RELATION_ABOVE,
                config.most_ratio())
      .Words(absl::StrCat("multiply the strength of the regularizers by ", factor));
  PatchStrength(view.facts, factor, sighting);
}

const Registered<Rule, v1::PenaltyAboveLossRule> kPenaltyAboveLoss(
    "A penalty that is larger than what there is to learn (slide 69).",
    [](v1::PenaltyAboveLossRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(1);
      Require(config.most_ratio() > 0, errors, "most_ratio", "above 0", config.most_ratio());
      return std::make_unique<SimpleRule<v1::PenaltyAboveLossRule>>(
          RuleTraits{.family = Family::kNetwork, .slide = 69, .unless_improving = true, .at_once = true},
          Source::kTrain, config, LookAtPenalty);
    });

}  // namespace
}  // namespace traind::core
