// A network that waits for its minibatches.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kWorthMs = 1;  // Of a step: less is not worth a word.

void LookForWaiting(const v1::WaitingForDataRule& config, const View& view, std::vector<Sighting>& found) {
  const Stretch& now = view.history.recent().back();
  const double share = now.step_ms > 0 ? now.data_wait_ms / now.step_ms : 0;
  if (share <= config.most_share() || now.data_wait_ms < kWorthMs) return;
  Sighting& sighting =
      Add(found, absl::StrCat("a step of ", now.step_ms, " ms waits ", now.data_wait_ms, " ms for its minibatch"));
  sighting
      .Is(v1::Finding::SEVERITY_INFO)  // It costs time alone.
      .Measured("waiting / step", share, v1::Evidence::RELATION_ABOVE, config.most_share())
      .Words("raise data.prefetch_threads, or augment less");
  PatchPrefetch(view.facts, sighting);
}

const Registered<Rule, v1::WaitingForDataRule> kWaitingForData(
    "The network waits for its minibatches.", [](v1::WaitingForDataRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0.2);
      Require(config.most_share() >= 0 && config.most_share() <= 1, errors, "most_share", "in [0, 1]",
              config.most_share());
      return std::make_unique<SimpleRule<v1::WaitingForDataRule>>(RuleTraits{.family = Family::kAlone}, Source::kTrain,
                                                                  config, LookForWaiting);
    });

}  // namespace
}  // namespace traind::core
