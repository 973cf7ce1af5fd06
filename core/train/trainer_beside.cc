// What a run has beside the steps of its optimizer: several minibatches for one update, averages of the weights, and a
// schedule that looks at evaluations.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/train/target_range.h"
#include "core/train/trainer.h"

namespace traind::core {

// --- Minibatches of a step.

// Minibatches before the step after `step`.
uint64_t Trainer::MinibatchesBefore(uint64_t step) const {
  if (steps_per_epoch_ == 0) return step;
  return step / steps_per_epoch_ * minibatches_per_epoch_ +
         std::min(step % steps_per_epoch_ * optimizer_.accumulate_batches, minibatches_per_epoch_);
}

void Trainer::KeepStatistics() {
  kept_statistics_.clear();
  for (const StoredParameter& parameter : model_.store->parameters()) {
    if (parameter.spec->trained) continue;
    kept_statistics_.insert(kept_statistics_.end(), parameter.master, parameter.master + parameter.stored_elements());
  }
}

void Trainer::RestoreStatistics() {
  const float* from = kept_statistics_.data();
  for (StoredParameter& parameter : model_.store->parameters()) {
    if (parameter.spec->trained) continue;
    std::copy_n(from, parameter.stored_elements(), parameter.master);
    from += parameter.stored_elements();
  }
  model_.store->UpdateCopies();
}

absl::StatusOr<Trainer::Ran> Trainer::RunMinibatches(const Batch& first, bool observe, const StopSignal& stop) {
  const uint64_t begin = MinibatchesBefore(step_), end = MinibatchesBefore(step_ + 1);
  // Pruned weights are of no checkpoint of step_, which prunes anew.
  const bool may_stop = begin + 1 < end && !(lottery_ && lottery_->PrunesAt(step_));
  if (may_stop) KeepStatistics();
  Ran ran;
  for (uint64_t minibatch = begin; minibatch < end; ++minibatch) {
    const bool last = minibatch + 1 == end;
    if (may_stop && minibatch > begin && stop.load(std::memory_order_relaxed) != StopWish::kNone) {
      RestoreStatistics();
      ran.stopped = true;
      return ran;
    }
    if (minibatch == begin) {
      ran.batch = &first;
    } else {
      const Clock::time_point asked = Clock::now();
      ran.batch = loader_->Next();
      data_wait_ += Clock::now() - asked;
    }
    const Batch& batch = *ran.batch;
    if (!batch.finite) return InputNotFinite();
    if (spec_.data().targets() == v1::TARGET_SOURCE_INPUT) {
      const absl::Status suits = CheckInputAsTargets(*model_.loss, batch, plan_->outputs());
      if (!suits.ok()) return suits;
    }
    ran.input = {.examples = batch.examples,
                 .targets = TargetsOf(batch),
                 .count = batch.count,
                 .step = minibatch,
                 .observe = observe && last};
    if (absl::Status status = RunPlan(ran.input); !status.ok()) return status;
    ran.loss_sum += ran_->loss_sum();
    ran.examples += batch.count;
    if (batch.labels != nullptr) ran.correct += CorrectOf(batch);
    if (begin + 1 == end) break;
    if (!last && !std::isfinite(ran.loss_sum)) return NotFinite("loss", ran.input);
    gradient_sum_->Add(minibatch == begin, batch.count);
    if (last) gradient_sum_->Finish();
    sink_.Heartbeat(step_);
  }
  return ran;
}

// --- Averages of the weights. They are the state tensors behind the optimizer's own.

std::vector<ParameterTensor> Trainer::TensorsToUpdate() {
  std::vector<ParameterTensor> tensors = UpdateTensors(*model_.store, optimizer_.coupled_weight_decay);
  const int slow = average_slot() + (optimizer_.beside.averages() ? 1 : 0);
  for (ParameterTensor& tensor : tensors) {
    if (optimizer_.beside.averages()) tensor.average = tensor.slots[average_slot()];
    if (optimizer_.beside.looks_ahead()) tensor.slow = tensor.slots[slow];
  }
  auto tensor = tensors.begin();
  for (const StoredParameter& parameter : model_.store->parameters()) {
    if (parameter.spec->trained && !parameter.frozen) (tensor++)->late = LateOf(parameter);
  }
  return tensors;
}

int Trainer::average_slot() const { return static_cast<int>(optimizer_.optimizer->slots().size()); }

bool Trainer::HasAverage() const {
  if (step_ == 0 || !optimizer_.beside.averages()) return false;
  const uint64_t done = lottery_ ? lottery_->step_in_round(step_ - 1) + 1 : step_;
  return optimizer_.beside.HasAverage(done, std::min(done, step_ - manifest_.optimizer_begin_step()));
}

void Trainer::SwapAverage() {
  for (StoredParameter& parameter : model_.store->parameters()) {
    if (!parameter.spec->trained) continue;
    float* average = parameter.slots[average_slot()];
    std::swap_ranges(parameter.master, parameter.master + parameter.stored_elements(), average);
  }
  model_.store->UpdateCopies();
}

absl::StatusOr<v1::EvaluationMetrics> Trainer::EvaluateWeights(const Split& split) {
  const bool average = HasAverage();
  if (average) SwapAverage();
  auto metrics = evaluator_->RunOn(split, [this](int64_t, int64_t) { sink_.Heartbeat(step_); });
  if (average) SwapAverage();
  return metrics;
}

// --- A schedule that looks at evaluations.

void Trainer::ForgetPlateau() {
  manifest_.clear_plateau();
  if (!optimizer_.learning_rate->schedule().watches_evaluations()) return;
  manifest_.mutable_plateau()->set_best(std::numeric_limits<double>::quiet_NaN());
  manifest_.mutable_plateau()->set_factor(1);
}

double Trainer::LearningRateAt(uint64_t round_step) const {
  const double rate = optimizer_.learning_rate->At(round_step, round_steps_);
  return manifest_.has_plateau() ? rate * manifest_.plateau().factor() : rate;
}

void Trainer::NotePlateau() {
  const Schedule& schedule = optimizer_.learning_rate->schedule();
  if (!schedule.watches_evaluations() || evaluated_step_ != step_ || !IsEvaluationDue(step_)) return;
  v1::PlateauState& state = *manifest_.mutable_plateau();
  if (!schedule.Note(manifest_.evaluation_loss(), state)) return;
  EmitLog(v1::LogLine::LEVEL_INFO,
          absl::StrCat("plateau: the evaluation loss has not fallen below ", state.best(),
                       " for long enough; learning_rate is multiplied by ", state.factor(), " from here on"));
}

}  // namespace traind::core
