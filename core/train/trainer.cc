#include "core/train/trainer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/data_initialization/network_under_data.h"
#include "core/job/duration.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/train/first_minibatches.h"

namespace traind::core {
namespace {

bool Every(uint64_t step, uint32_t cadence) { return cadence > 0 && step % cadence == 0; }

}  // namespace

absl::StatusOr<TrainResult> Trainer::Run(const std::atomic<bool>& stop) {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  if (absl::Status status = Restore(); !status.ok()) return status;
  last_checkpoint_ = last_metrics_ = Clock::now();
  last_metrics_step_ = step_;

  const uint64_t first = step_;
  while (step_ < total_steps_ && !stop.load(std::memory_order_relaxed)) {
    if (lottery_ && lottery_->PrunesAt(step_)) PruneAndRewind();
    const Clock::time_point asked = Clock::now();
    const Batch* batch = loader_->Next();
    if (step_ > first) data_wait_ += Clock::now() - asked;  // The first one is always waited for.
    if (absl::Status status = Step(*batch); !status.ok()) return status;
    sink_.Heartbeat(step_);
    const Due due = DueAfter(step_);
    if (due.evaluation) {
      if (absl::Status status = Evaluate(); !status.ok()) return status;
    }
    const bool best = manifest_.best_step() == step_ && due.evaluation;
    if (due.checkpoint || best || step_ == total_steps_ || CheckpointTimeIsUp()) {
      if (absl::Status status = SaveCheckpointIfThereIsRoom(); !status.ok()) return status;
    }
  }
  // The last checkpoint is the result: worth waiting for, unless somebody wants the worker to stop.
  while (saved_step_ != step_) {
    if (absl::Status status = SaveCheckpointIfThereIsRoom(); !status.ok()) return status;
    if (saved_step_ == step_ || stop.load(std::memory_order_relaxed)) break;
    absl::SleepFor(absl::Seconds(1));
    sink_.Heartbeat(step_);
  }
  return TrainResult{.step = step_, .stopped = step_ < total_steps_};
}

// --- Before the first step.

absl::Status Trainer::Prepare() {
  if (absl::Status status = PrepareEngine(request_.threads, spec_.precision()); !status.ok()) return status;
  auto input = InputPipeline::Open(request_.dataset_dir, spec_.data());
  if (!input.ok()) return input.status();
  input_ = *std::move(input);
  steps_per_epoch_ = static_cast<uint64_t>(input_->split().size()) / spec_.batch_size();
  round_steps_ = RoundSteps(spec_, steps_per_epoch_);
  total_steps_ = TotalSteps(spec_, steps_per_epoch_);

  FieldErrors::Root errors;
  v1::Optimizer optimizer = spec_.optimizer();
  optimizer_ = ResolveOptimizer(optimizer, errors.scope("optimizer"));
  if (!errors.ok()) return errors.ToStatus();

  auto model = MakeModel(spec_.network(), &spec_.loss(), /*trainable=*/true,
                         static_cast<int>(optimizer_.optimizer->slots().size()));
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  PlanOptions options = PlanOptionsFor(spec_, request_.algorithms);
  options.training = true;
  options.loss = model_.loss.get();
  options.observe = spec_.statistics().every_steps() > 0;
  auto plan = Plan::Make(*model_.graph, *model_.store, options);
  if (!plan.ok()) return plan.status();
  plan_ = *std::move(plan);

  if (Evaluates(spec_.data())) {
    auto evaluator = Evaluator::Make(model_, options, request_.dataset_dir, spec_, *input_);
    if (!evaluator.ok()) return evaluator.status();
    evaluator_ = *std::move(evaluator);
  }
  if (spec_.has_lottery_ticket()) {
    auto lottery = LotteryTicket::Make(spec_.lottery_ticket(), round_steps_, *model_.store);
    if (!lottery.ok()) return lottery.status();
    lottery_ = *std::move(lottery);
  }
  update_ = std::make_unique<UpdatePass>(*optimizer_.optimizer, UpdateTensors(*model_.store));
  numbers_.resize(update_->tensors().size());
  return absl::OkStatus();
}

absl::Status Trainer::Restore() {
  auto newest = LoadNewestCheckpoint(request_.checkpoint_dir);
  if (newest.ok()) step_ = newest->files.manifest.step();
  if (absl::Status status = VerifyData(); !status.ok()) return status;
  if (newest.ok()) {
    for (const std::string& skipped : newest->skipped) EmitLog(v1::LogLine::LEVEL_WARNING, skipped);
    if (absl::Status status = Resume(*newest); !status.ok()) return status;
  } else if (absl::IsNotFound(newest.status())) {
    if (absl::Status status = Start(); !status.ok()) return status;
  } else {
    return newest.status();
  }
  auto loader = BatchLoader::Start(input_->split(), input_->preprocessor(), Batches(step_, total_steps_));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  return absl::OkStatus();
}

absl::Status Trainer::VerifyData() {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  if (absl::Status status = input_->split().Verify(alive); !status.ok()) return status;
  const bool another = evaluator_ != nullptr && spec_.data().evaluation_split() != spec_.data().train_split();
  return another ? evaluator_->Verify(alive) : absl::OkStatus();
}

BatchLoader::Options Trainer::Batches(uint64_t first_step, uint64_t end_step) const {
  return {.batch = spec_.batch_size(),
          .threads = PrefetchThreads(spec_.data()),
          .shuffled = spec_.sampling() != v1::SAMPLING_SEQUENTIAL,
          .seed = spec_.seed(),
          .first_step = first_step,
          .end_step = end_step,
          .augmenter = &input_->augmenter(),
          .outputs = plan_->outputs()};
}

absl::Status Trainer::InitializeWithData() {
  auto minibatches = FirstMinibatches(*input_, Batches(0, spec_.data_initialization().minibatches()));
  if (!minibatches.ok()) return minibatches.status();
  auto warnings =
      InitializeFromData(spec_.data_initialization(), *model_.graph, *model_.store,
                         PlanOptionsFor(spec_, request_.algorithms), *minibatches, [this] { sink_.Heartbeat(0); });
  if (!warnings.ok()) return warnings.status();
  for (const std::string& warning : *warnings) EmitLog(v1::LogLine::LEVEL_WARNING, warning);
  return absl::OkStatus();
}

absl::Status Trainer::Start() {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  if (absl::Status status = input_->Fit(alive); !status.ok()) return status;
  if (!spec_.data().preprocessing().empty()) {
    v1::Event event = NewEvent();
    *event.mutable_preprocessing() = input_->Report(alive);
    sink_.Emit(std::move(event));
  }
  model_.store->Initialize(spec_.seed());
  for (StoredParameter& parameter : model_.store->parameters()) InitializeSlots(parameter);
  if (!request_.weights_path.empty()) {
    const bool allow_missing = spec_.initial_weights().allow_missing();
    absl::Status status = LoadWeights(request_.weights_path, allow_missing, *model_.store);
    if (!status.ok()) return status;
  }
  if (spec_.has_data_initialization()) {
    if (absl::Status status = InitializeWithData(); !status.ok()) return status;
  }
  if (lottery_) lottery_->AfterStep(0);
  manifest_.set_best_evaluation_loss(std::numeric_limits<double>::quiet_NaN());
  if (total_steps_ == 0 && evaluator_) {
    if (absl::Status status = Evaluate(); !status.ok()) return status;
  }
  return SaveCheckpoint();
}

// --- One step.

Trainer::Due Trainer::DueAfter(uint64_t step) const {
  const bool last = step == total_steps_ || (lottery_ && lottery_->EndsRound(step));
  const bool first = step == 1;
  const uint32_t evaluation = spec_.evaluation().every_steps();
  const uint32_t statistics = spec_.statistics().every_steps();
  Due due;
  due.metrics = first || last || Every(step, spec_.metrics_every_steps());
  due.statistics = statistics > 0 && (first || last || Every(step, statistics));
  due.evaluation =
      evaluator_ &&
      (last || (spec_.evaluation().has_every_steps() ? Every(step, evaluation) : step % steps_per_epoch_ == 0));
  due.checkpoint = last || Every(step, spec_.checkpoint().every_steps());
  return due;
}

absl::Status Trainer::Step(const Batch& batch) {
  const Due due = DueAfter(step_ + 1);
  const Plan::Input input{.examples = batch.examples,
                          .targets = TargetsOf(batch),
                          .count = batch.count,
                          .step = step_,
                          .observe = due.statistics};
  if (absl::Status status = plan_->Run(input); !status.ok()) return status;
  const double loss = plan_->loss_sum() / static_cast<double>(batch.count);
  if (request_.on_gradients) {
    if (absl::Status status = request_.on_gradients(step_, *model_.store); !status.ok()) return status;
  }

  UpdatePass::Measures measures;
  if (due.metrics || optimizer_.clip_norm > 0) measures = update_->Measure();
  if (!std::isfinite(loss)) return NotFinite(input);

  const uint64_t round_step = lottery_ ? lottery_->step_in_round(step_) : step_;
  const double learning_rate = optimizer_.learning_rate->At(round_step, round_steps_);
  update_->Run({.learning_rate = learning_rate, .weight_decay = optimizer_.weight_decay, .number = round_step + 1},
               ClipScale(measures.gradient_norm, optimizer_.clip_norm), due.statistics ? &numbers_ : nullptr);
  ++step_;
  if (lottery_) lottery_->AfterStep(step_);
  if (due.metrics) EmitMetrics(loss, measures, learning_rate, batch);
  if (due.statistics) EmitStatistics();
  return absl::OkStatus();
}

void Trainer::PruneAndRewind() {
  EmitLog(v1::LogLine::LEVEL_INFO, lottery_->Prune(step_));
  for (StoredParameter& parameter : model_.store->parameters()) InitializeSlots(parameter);
}

// The same step again, observed, to say where the numbers went wrong; the parameters are still those before the update.
absl::Status Trainer::NotFinite(Plan::Input input) {
  input.observe = true;
  v1::StatisticsReport report;
  if (spec_.statistics().every_steps() > 0 && plan_->Run(input).ok()) plan_->Report(&report);
  std::string where = "; lower the learning rate, clip the gradients, or normalize the data";
  for (const auto& layer : report.layers()) {
    if (layer.nan_count() + layer.inf_count() == 0) continue;
    where = absl::StrCat("; the first layer with such values is \"", layer.layer(), "\"", where);
    break;
  }
  return absl::AbortedError(absl::StrCat("the loss of step ", step_ + 1, " is not a finite number", where));
}

absl::Status Trainer::Evaluate() {
  auto metrics = evaluator_->Run([this] { sink_.Heartbeat(step_); });
  if (!metrics.ok()) return metrics.status();
  // A NaN is never better, and anything is better than the NaN before the first evaluation.
  metrics->set_best(std::isnan(manifest_.best_evaluation_loss()) ? !std::isnan(metrics->loss())
                                                                 : metrics->loss() < manifest_.best_evaluation_loss());
  if (metrics->best()) {
    manifest_.set_best_evaluation_loss(metrics->loss());
    manifest_.set_best_step(step_);
  }
  manifest_.set_evaluation_loss(metrics->loss());
  if (metrics->has_accuracy()) manifest_.set_evaluation_accuracy(metrics->accuracy());
  evaluated_step_ = step_;
  v1::Event event = NewEvent();
  *event.mutable_evaluation() = *std::move(metrics);
  sink_.Emit(std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<TrainResult> Train(const TrainRequest& request, EventSink& sink, const std::atomic<bool>& stop) {
  return Trainer(request, sink).Run(stop);
}

}  // namespace traind::core
