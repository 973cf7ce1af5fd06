// The same minibatch has a much higher loss in test mode than in training mode (slide 84).
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kBothGood = 0.1;  // Of the loss to beat: below it both modes are good.

constexpr double kUsualMomentum = 0.1;

// Written layers whose running statistics follow more slowly than they do by default get the default. How many.
int RaiseMomentum(v1::Network& network) {
  int changed = 0;
  ForEachWritten(network, [&](const std::string&, v1::Layer& layer) {
    if (!layer.has_batch_norm() || !layer.batch_norm().has_momentum()) return;
    if (layer.batch_norm().momentum() >= kUsualMomentum) return;
    layer.mutable_batch_norm()->set_momentum(kUsualMomentum);
    ++changed;
  });
  return changed;
}

// What helps depends on why they lag.
void Advise(const Facts& facts, Sighting& sighting) {
  const std::string others = "larger minibatches, a lower learning rate, or more steps";
  // As it was written: a preset and the bodies of blocks have the usual momentum.
  v1::Network network = facts.given == nullptr ? v1::Network() : facts.given->network();
  const int slow = RaiseMomentum(network);
  if (slow == 0) {
    sighting.Words(absl::StrCat("the momentum of batch_norm is ", kUsualMomentum, " or more in all layers: use ",
                                others, "; a dropout in front of a batch_norm belongs behind it"));
    return;
  }
  sighting.Words(absl::StrCat("let the statistics of ", slow,
                              " layers follow faster, batch_norm { momentum: ", kUsualMomentum, " }, or use ", others));
  if (GivenNetwork(facts) != nullptr) *Patch("network", sighting).mutable_network() = std::move(network);
}

// One-sided: dropout and its kin make the loss of training higher.
void LookAtModes(const v1::ModesDisagreeRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::EvaluationMetrics& evaluation = *view.evaluation;
  if (!evaluation.has_minibatch_train_mode_loss() || !evaluation.has_minibatch_test_mode_loss()) return;
  const auto& nodes = view.facts.graph->nodes();
  if (std::none_of(nodes.begin(), nodes.end(), [](const Node& n) { return TraitsOf(n).normalizes_over_batch; })) return;
  const double train = evaluation.minibatch_train_mode_loss(), test = evaluation.minibatch_test_mode_loss();
  const bool known = view.history.first_loss().has_value() || view.history.stretches() > 0;
  if (train <= 0 || !(test > config.most_ratio() * train) || (known && test < kBothGood * LossToBeat(view))) return;
  Sighting& sighting = Add(found, absl::StrCat("a training minibatch has the loss ", test, " in test mode and ", train,
                                               " in training mode: the running statistics of batch normalization are ",
                                               "not those of the data"));
  sighting.Measured("loss in test mode / loss in training mode", test / train, v1::Evidence::RELATION_ABOVE,
                    config.most_ratio());
  Advise(view.facts, sighting);
}

const Registered<Rule, v1::ModesDisagreeRule> kModesDisagree(
    "A training minibatch has a much higher loss in test mode than in training mode (slide 84).",
    [](v1::ModesDisagreeRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(1.5);
      Require(config.most_ratio() > 1, errors, "most_ratio", "above 1", config.most_ratio());
      return std::make_unique<SimpleRule<v1::ModesDisagreeRule>>(RuleTraits{.family = Family::kGradient, .slide = 84},
                                                                 Source::kEvaluation, config, LookAtModes);
    });

}  // namespace
}  // namespace traind::core
