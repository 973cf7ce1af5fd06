#include "core/job/early_stopping.h"

#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/base/evaluation_metric.h"
#include "core/base/require.h"
#include "core/job/resolve_splits.h"

namespace traind::core {
namespace {

bool HigherIsBetter(const v1::JobSpec& spec) {
  const auto metric = spec.early_stopping().metric();
  return metric == v1::EarlyStopping::METRIC_EVALUATION_ACCURACY ||
         (metric == v1::EarlyStopping::METRIC_BEST && IsHigherBetter(spec.checkpoint().best_metric()));
}

}  // namespace

void ResolveEarlyStopping(v1::JobSpec& spec, const v1::Dataset* dataset, const FieldErrors& errors) {
  if (!spec.has_early_stopping()) return;
  v1::EarlyStopping& config = *spec.mutable_early_stopping();
  const FieldErrors at = errors.At("early_stopping");
  const bool by_loss = spec.checkpoint().best_metric().empty() || spec.checkpoint().best_metric() == "loss";
  if (config.metric() == v1::EarlyStopping::METRIC_UNSPECIFIED || config.metric() == v1::EarlyStopping::METRIC_BEST) {
    config.set_metric(by_loss ? v1::EarlyStopping::METRIC_EVALUATION_LOSS : v1::EarlyStopping::METRIC_BEST);
  }
  Require(config.patience() >= 1, at, "patience", "at least 1", config.patience());
  Require(config.min_delta() >= 0, at, "min_delta", "at least 0", config.min_delta());
  if (config.metric() == v1::EarlyStopping::METRIC_EVALUATION_ACCURACY && dataset != nullptr &&
      dataset->num_classes() == 0) {
    at.At("metric").Add(absl::StrCat("EVALUATION_ACCURACY needs class labels, and ", dataset->name(), " has none"));
  }
  if (config.metric() != v1::EarlyStopping::METRIC_TRAIN_LOSS && !Evaluates(spec.data())) {
    at.At("metric").Add(
        "needs an evaluation, and data.evaluation_split is \"none\": say data.validation_fraction: 0.1, or "
        "TRAIN_LOSS, which needs none");
  }
  if (spec.evaluation().has_every_steps() && spec.evaluation().every_steps() == 0) {
    errors.At("evaluation").At("every_steps").Add("must be at least 1 with early_stopping, which looks that often");
  }
  if (spec.has_lottery_ticket()) {
    at.Add("does not go with lottery_ticket, whose rounds are equally long; leave one of them out");
  }
}

v1::EarlyStoppingState NewEarlyStoppingState() {
  v1::EarlyStoppingState state;
  state.set_best(std::numeric_limits<double>::quiet_NaN());
  return state;
}

bool Improves(const v1::JobSpec& spec, double value, double best) {
  if (!std::isfinite(value) || std::isnan(best)) return std::isfinite(value);
  const double gain = HigherIsBetter(spec) ? value - best : best - value;
  return gain > 0 && gain >= spec.early_stopping().min_delta();
}

void NoteEvaluation(const v1::JobSpec& spec, uint64_t step, double value, v1::EarlyStoppingState& state) {
  if (Improves(spec, value, state.best())) {
    state.set_best(value);
    state.set_best_step(step);
    state.set_waited(0);
  } else {
    state.set_waited(state.waited() + 1);
  }
  state.clear_train_loss_sum();
  state.clear_train_loss_steps();
}

bool HasEnded(const v1::EarlyStopping& config, const v1::EarlyStoppingState& state) {
  return config.patience() > 0 && state.waited() >= config.patience();
}

std::string EndReason(const v1::JobSpec& spec, const v1::EarlyStoppingState& state) {
  const std::string evaluations = absl::StrCat(state.waited(), state.waited() == 1 ? " evaluation" : " evaluations");
  if (std::isnan(state.best())) {
    return absl::StrCat("early stopping: ", StoppingMetricName(spec), " was not a finite number in ", evaluations);
  }
  return absl::StrCat("early stopping: ", StoppingMetricName(spec), " was best after step ", state.best_step(), " (",
                      state.best(), "), not in the ", evaluations, " since");
}

std::string StoppingMetricName(const v1::JobSpec& spec) {
  const v1::EarlyStopping& config = spec.early_stopping();
  if (config.metric() != v1::EarlyStopping::METRIC_BEST) return absl::AsciiStrToLower(EnumName(config.metric()));
  return absl::StrCat("evaluation_", spec.checkpoint().best_metric());
}

}  // namespace traind::core
