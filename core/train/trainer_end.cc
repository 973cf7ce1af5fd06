// How a run ends: at its last step, by early stopping, or because somebody wishes it.
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/job/early_stopping.h"
#include "core/train/trainer.h"

namespace traind::core {

bool Trainer::AtEnd() const {
  return step_ >= total_steps_ || HasEnded(spec_.early_stopping(), manifest_.early_stopping());
}

std::optional<double> Trainer::Metric() const {
  const v1::EarlyStoppingState& state = manifest_.early_stopping();
  switch (spec_.early_stopping().metric()) {
    case v1::EarlyStopping::METRIC_TRAIN_LOSS:
      if (state.train_loss_steps() == 0) return std::nullopt;
      return state.train_loss_sum() / static_cast<double>(state.train_loss_steps());
    case v1::EarlyStopping::METRIC_BEST:
      if (evaluated_step_ != step_) return std::nullopt;
      return manifest_.has_evaluation_value() ? manifest_.evaluation_value() : std::numeric_limits<double>::quiet_NaN();
    case v1::EarlyStopping::METRIC_EVALUATION_ACCURACY:
      if (evaluated_step_ != step_) return std::nullopt;
      return manifest_.evaluation_accuracy();
    default:
      if (evaluated_step_ != step_) return std::nullopt;
      return manifest_.evaluation_loss();
  }
}

void Trainer::CountTrainLoss(double loss) {
  v1::EarlyStoppingState& state = *manifest_.mutable_early_stopping();
  state.set_train_loss_sum(state.train_loss_sum() + loss);
  state.set_train_loss_steps(state.train_loss_steps() + 1);
}

void Trainer::LookForTheEnd() {
  const std::optional<double> value = Metric();
  if (!value.has_value()) return;
  v1::EarlyStoppingState& state = *manifest_.mutable_early_stopping();
  NoteEvaluation(spec_, step_, *value, state);
  if (HasEnded(spec_.early_stopping(), state)) EmitLog(v1::LogLine::LEVEL_INFO, EndReason(spec_, state));
}

// A checkpoint is written before the evaluation, and told with it: after a crash between the two the evaluation is
// repeated at this step, as the stored event demands.
absl::Status Trainer::EvaluateToFinish() {
  if (!has_evaluation_ || evaluated_step_ == step_) return absl::OkStatus();
  if (saved_step_ != step_) {
    if (absl::Status status = SaveNow(/*told=*/false); !status.ok()) return status;
  }
  // They lack the evaluation.
  saved_step_.reset();
  if (held_ && held_->step == step_) held_.reset();
  return Evaluate();
}

absl::StatusOr<Trainer::EarlierWeights> Trainer::LoadEarlier(uint64_t step) const {
  auto files = FindCheckpoint(request_.checkpoint_dir, absl::StrCat(step));
  if (!files.ok()) return files.status();
  if (absl::Status status = VerifyCheckpoint(*files); !status.ok()) return status;
  auto weights = Safetensors::Open(files->weights_path());
  if (!weights.ok()) return weights.status();
  for (const StoredParameter& parameter : model_.store->parameters()) {
    const auto* entry = weights->Find(parameter.name);
    if (entry == nullptr || entry->shape != parameter.spec->shape) {
      return absl::DataLossError(absl::StrCat(weights->path(), " lacks the tensor ", parameter.name));
    }
  }
  return EarlierWeights{std::move(files->manifest), std::make_shared<const Safetensors>(*std::move(weights))};
}

void Trainer::ChooseLastWeights() {
  const v1::EarlyStopping& config = spec_.early_stopping();
  const v1::EarlyStoppingState& state = manifest_.early_stopping();
  if (!config.restore_best() || std::isnan(state.best()) || state.best_step() == step_) return;
  if (saved_step_ == step_ && restored_step_ == state.best_step()) return;  // It was done before.
  // An evaluation out of the cadence: no longer job has it, so that early stopping has not looked at it.
  if (const std::optional<double> own = Metric(); own && Improves(spec_, *own, state.best())) return;
  auto best = LoadEarlier(state.best_step());
  if (!best.ok()) {
    EmitLog(v1::LogLine::LEVEL_WARNING,
            absl::StrCat("the last checkpoint has the weights of its own step, not those of step ", state.best_step(),
                         ", the best by ", StoppingMetricName(spec_), ": ", best.status().message()));
    return;
  }
  EmitLog(v1::LogLine::LEVEL_INFO, absl::StrCat("the last checkpoint has the weights of step ", state.best_step(),
                                                ", the best by ", StoppingMetricName(spec_), " (", state.best(), ")"));
  restore_ = *std::move(best);
  saved_step_.reset();
}

absl::Status Trainer::SaveNeeded(const StopSignal& stop) {
  return SaveUntil([this] { return !held_ || !IsNeeded(*held_); },
                   [this] {
                     Write();
                     return AwaitWriting();
                   },
                   stop);
}

absl::StatusOr<TrainResult> Trainer::End(const StopSignal& stop) {
  if (absl::Status status = AwaitWriting(); !status.ok()) return status;
  if (step_ == unfreeze_step_ && !AtEnd() && stop.load(std::memory_order_relaxed) == StopWish::kNone) {
    return EndBeforeUnfreezing(stop);
  }
  const bool finishes = stop.load(std::memory_order_relaxed) == StopWish::kFinish;
  if (finishes && !AtEnd()) {
    if (absl::Status status = EvaluateToFinish(); !status.ok()) return status;
  }
  const bool complete = AtEnd() || finishes;
  // Both are the result, the best one first, of which the last one may have the weights.
  absl::Status saved = SaveNeeded(stop);
  if (!saved.ok()) return saved;
  if (complete) ChooseLastWeights();
  saved = SaveUntil([this] { return saved_step_ == step_; }, [this] { return SaveNow(); }, stop);
  if (!saved.ok()) return saved;
  if (complete && saved_step_ == step_) {
    if (absl::Status status = TestInTheEnd(); !status.ok()) return status;
  }
  TrainResult result{.step = step_, .stopped = !complete || saved_step_ != step_};
  if (result.stopped || step_ >= total_steps_) return result;
  result.reason = AtEnd() ? EndReason(spec_, manifest_.early_stopping())
                          : absl::StrCat("ended early, after step ", step_, " of ", total_steps_);
  return result;
}

}  // namespace traind::core
