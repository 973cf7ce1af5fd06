// Dropout that drops most, or stands right before a batch normalization.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// A training minibatch in test mode over the same in training mode, in the newest evaluations: dropout alone makes it
// less than 1.
constexpr double kShifted = 1.1;
constexpr size_t kEvaluations = 3;

bool ModesDiffer(const std::deque<Evaluated>& evaluations) {
  if (evaluations.size() < kEvaluations) return false;
  return std::all_of(evaluations.end() - kEvaluations, evaluations.end(),
                     [](const Evaluated& one) { return one.modes_ratio > kShifted; });
}

// Dropout, and the batch normalization that reads it.
std::vector<std::pair<const Node*, const Node*>> BeforeNorms(const Graph& graph) {
  std::vector<std::pair<const Node*, const Node*>> pairs;
  for (const Node& node : graph.nodes()) {
    if (!TraitsOf(node).normalizes_over_batch || node.inputs.empty() || node.inputs[0] < 0) continue;
    const Node& before = graph.nodes()[node.inputs[0]];
    if (TraitsOf(before).drops_values) pairs.emplace_back(&before, &node);
  }
  return pairs;
}

void LookBeforeNorms(const View& view, std::vector<Sighting>& found) {
  const auto pairs = BeforeNorms(*view.facts.graph);
  for (const auto& [dropout, norm] : pairs) {
    Sighting& sighting =
        Add(found, absl::StrCat(dropout->kind, " right before \"", norm->name, "\", which then sees another variance ",
                                "in training than at test time"));
    sighting.At(*dropout).Words("put it behind the last normalization");
    PatchBehind(view.facts, pairs, sighting);
    if (view.source == Source::kSpec) {
      sighting.Is(v1::Finding::SEVERITY_INFO);
    } else if (ModesDiffer(view.history.evaluations())) {
      sighting.Weighs(Weight::kPlain)
          .Measured("loss in test mode / loss in training mode", view.history.evaluations().back().modes_ratio,
                    v1::Evidence::RELATION_ABOVE, kShifted);
    }
  }
}

class DropoutPlace final : public Rule {
 public:
  explicit DropoutPlace(const v1::DropoutPlaceRule& config)
      : Rule(
            {.family = Family::kNetwork, .slide = 79, .unless_improving = true, .at_once = true, .may_overflow = true}),
        config_(config) {}

  bool Reads(Source source) const override { return source == Source::kSpec || source == Source::kEvaluation; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    LookBeforeNorms(view, found);
    if (view.facts.spec == nullptr || view.source != Source::kSpec) return;
    v1::Network network = view.facts.spec->network();
    ForEachWritten(network, [&](const std::string& name, const v1::Layer& layer) {
      if (!layer.has_dropout() || layer.dropout().rate() <= config_.most_rate()) return;
      Sighting& sighting = Add(found, absl::StrCat("drops ", layer.dropout().rate(), " of its values"));
      sighting.finding.set_layer(name);
      sighting.Measured("rate", layer.dropout().rate(), v1::Evidence::RELATION_ABOVE, config_.most_rate())
          .Words("the lecture and the networks that it names drop half at most");
      PatchDropout(view.facts, config_.most_rate(), sighting);
    });
  }

 private:
  const v1::DropoutPlaceRule config_;
};

const Registered<Rule, v1::DropoutPlaceRule> kDropoutPlace(
    "Dropout right before a batch normalization, or above one half.",
    [](v1::DropoutPlaceRule& config, const FieldErrors& errors) {
      if (!config.has_most_rate()) config.set_most_rate(0.5);
      Require(config.most_rate() >= 0 && config.most_rate() <= 1, errors, "most_rate", "in [0, 1]", config.most_rate());
      return std::make_unique<DropoutPlace>(config);
    });

}  // namespace
}  // namespace traind::core
