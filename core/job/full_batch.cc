#include "core/job/full_batch.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/kind.h"
#include "core/insight/facts.h"
#include "core/job/duration.h"
#include "core/optimizers/resolve.h"

namespace traind::core {

void CheckFullBatch(const v1::JobSpec& spec, const Optimizer& optimizer, int64_t examples, const FieldErrors& errors) {
  if (!optimizer.needs_all_examples()) return;
  const auto batch = static_cast<int64_t>(spec.batch_size());
  const bool sees_all = static_cast<int64_t>(MinibatchesPerEpoch(spec, examples)) * batch >= examples;
  if (sees_all && StepsPerEpoch(spec, examples) == 1) return;
  const int64_t minibatches = (examples + batch - 1) / batch;
  errors.At("batch_size")
      .Add(absl::StrCat("must be ", examples, ", all training examples, with the optimizer ",
                        KindName(spec.optimizer()), ", whose steps are of all of them; or keep ", batch,
                        " and say optimizer.accumulate_batches: ", minibatches, sees_all ? "" : " and last_batch: KEEP",
                        ", which takes the same step in less memory"));
}

void WarnOfNoise(const v1::JobSpec& spec, const Graph& graph, std::vector<std::string>& warnings) {
  FieldErrors::Root none;
  v1::Optimizer config = spec.optimizer();
  const ResolvedOptimizer resolved = ResolveOptimizer(config, none.scope());
  if (resolved.optimizer == nullptr || !resolved.optimizer->needs_all_examples()) return;
  std::vector<std::string> noisy;
  if (!spec.data().augmentation().empty()) noisy.emplace_back("data.augmentation");
  const std::vector<bool> normalizes = NormalizesOverBatch(graph, &spec);
  for (size_t i = 0; i < normalizes.size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool differs = normalizes[i] && MinibatchesPerStep(spec) > 1;
    if (TraitsOf(node).purpose.has_value() || differs) noisy.push_back(absl::StrCat("layer \"", node.name, "\""));
  }
  if (noisy.empty()) return;
  constexpr size_t kNamed = 3;
  const size_t more = noisy.size() > kNamed ? noisy.size() - kNamed : 0;
  noisy.resize(noisy.size() - more);
  warnings.push_back(
      absl::StrCat("optimizer.", KindName(spec.optimizer()), " takes what differs from step to step for ",
                   "curvature, and ", absl::StrJoin(noisy, ", "), more > 0 ? absl::StrCat(" and ", more, " more") : "",
                   noisy.size() + more == 1 ? " is" : " are", " another in each step; leave that out, or take adam"));
}

}  // namespace traind::core
