// Statistics over so few examples that they are mostly noise (slide 84).
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kUsualBatch = 32;

void LookAtBatch(const v1::BatchNormSmallBatchRule& config, const View& view, std::vector<Sighting>& found) {
  const auto batch = static_cast<double>(view.facts.batch);
  if (batch >= config.least_batch()) return;
  const std::vector<bool> normalizes = NormalizesOverBatch(*view.facts.graph, view.facts.spec);
  for (size_t i = 0; i < normalizes.size(); ++i) {
    if (!normalizes[i]) continue;
    const Node& node = view.facts.graph->nodes()[i];
    Sighting& sighting =
        Add(found, absl::StrCat(absl::StrReplaceAll(node.kind, {{"_", " "}}), " over a minibatch of ",
                                batch == 1 ? "one example" : absl::StrCat(view.facts.batch, " examples")));
    sighting.At(node)
        .Measured("examples of a minibatch", batch, v1::Evidence::RELATION_BELOW, config.least_batch())
        .Words(absl::StrCat("make batch_size at least ", config.least_batch(), ", or use group_norm"));
    PatchBatch(view.facts, static_cast<uint32_t>(std::max(kUsualBatch, std::ceil(config.least_batch()))), sighting);
    return;  // The others are no other matter.
  }
}

const Registered<Rule, v1::BatchNormSmallBatchRule> kBatchNormSmallBatch(
    "Batch normalization over a few examples (slide 84).",
    [](v1::BatchNormSmallBatchRule& config, const FieldErrors& errors) {
      if (!config.has_least_batch()) config.set_least_batch(8);
      Require(config.least_batch() >= 1, errors, "least_batch", "at least 1", config.least_batch());
      return std::make_unique<SimpleRule<v1::BatchNormSmallBatchRule>>(
          RuleTraits{.family = Family::kNetwork, .slide = 84, .unless_improving = true, .at_once = true}, Source::kSpec,
          config, LookAtBatch);
    });

}  // namespace
}  // namespace traind::core
