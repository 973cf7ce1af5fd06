#include "core/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "core/data/data_profile.h"
#include "core/data_initialization/network_under_data.h"
#include "core/insight/facts.h"
#include "core/job/duration.h"
#include "core/job/early_stopping.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/train/first_minibatches.h"
#include "core/train/target_range.h"

namespace traind::core {
namespace {

bool Every(uint64_t step, uint32_t cadence) { return cadence > 0 && step % cadence == 0; }

}  // namespace

absl::StatusOr<TrainResult> Trainer::Run(const StopSignal& stop) {
  auto result = TrainToTheEnd(stop);
  if (result.ok()) return result;
  AwaitWriting().IgnoreError();
  // Of a training that goes wrong the best so far is kept, too.
  if (absl::IsAborted(result.status()) && held_ && IsNeeded(*held_)) {
    Write();
    AwaitWriting().IgnoreError();
  }
  return result;
}

absl::Status Trainer::Begin() {
  const auto newest = LoadNewestCheckpoint(request_.checkpoint_dir);
  if (newest.ok()) step_ = newest->files.manifest.step();
  if (absl::Status status = Prepare(); !status.ok()) return status;
  return Restore(newest);
}

absl::StatusOr<TrainResult> Trainer::TrainToTheEnd(const StopSignal& stop) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  last_write_ = last_metrics_ = Clock::now();
  last_metrics_step_ = step_;

  const uint64_t first = step_;
  if (first > 0) sink_.Heartbeat(first);  // Where it goes on: it may be to end just there.
  while (!AtEnd() && step_ != unfreeze_step_ && stop.load(std::memory_order_relaxed) == StopWish::kNone) {
    if (lottery_ && lottery_->PrunesAt(step_)) PruneAndRewind();
    const Clock::time_point asked = Clock::now();
    const Batch* batch = loader_->Next();
    if (step_ > first) data_wait_ += Clock::now() - asked;  // The first one is always waited for.
    const uint64_t before = step_;
    if (absl::Status status = Step(*batch, stop); !status.ok()) return status;
    if (step_ == before) break;
    sink_.Heartbeat(step_);
    if (absl::Status status = AfterStep(); !status.ok()) return status;
  }
  return End(stop);
}

// --- Before the first step.

absl::Status Trainer::Prepare() {
  if (absl::Status status = PrepareEngine(request_.threads, spec_.precision()); !status.ok()) return status;
  const Limit limit = request_.first_examples ? Limit::kFirst : Limit::kSample;
  auto input = InputPipeline::Open(request_.dataset_dir, spec_.data(), limit);
  if (!input.ok()) return input.status();
  input_ = *std::move(input);
  steps_per_epoch_ = StepsPerEpoch(spec_, input_->split().size());
  minibatches_per_epoch_ = MinibatchesPerEpoch(spec_, input_->split().size());
  round_steps_ = RoundSteps(spec_, steps_per_epoch_);
  total_steps_ = TotalSteps(spec_, steps_per_epoch_);

  FieldErrors::Root errors;
  v1::Optimizer optimizer = spec_.optimizer();
  optimizer_ = ResolveOptimizer(optimizer, errors.scope("optimizer"));
  if (!errors.ok()) return errors.ToStatus();

  auto model = MakeModel(spec_.network(), &spec_.loss(), /*trainable=*/true, optimizer_.num_tensors());
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  Freeze();
  PlanOptions options = PlanOptionsFor(spec_, request_.algorithms);
  options.training = true;
  options.loss = model_.loss.get();
  options.observe = spec_.statistics().every_steps() > 0;
  auto plan = Plan::Make(*model_.graph, *model_.store, options);
  if (!plan.ok()) return plan.status();
  plan_ = *std::move(plan);
  if (const int64_t last = LastBatchOf(spec_, input_->split().size()); last > 0 && total_steps_ >= steps_per_epoch_) {
    PlanOptions smaller = options;
    smaller.batch = last;
    smaller.memory_of = plan_.get();
    plan = Plan::Make(*model_.graph, *model_.store, smaller);
    if (!plan.ok()) return plan.status();
    last_batch_plan_ = *std::move(plan);
  }

  if (absl::Status status = PrepareEvaluation(options, limit); !status.ok()) return status;
  if (spec_.has_lottery_ticket()) {
    auto lottery = LotteryTicket::Make(spec_.lottery_ticket(), round_steps_, *model_.store);
    if (!lottery.ok()) return lottery.status();
    lottery_ = *std::move(lottery);
  }
  auto max_norm = MaxNorm::Make(*model_.store);
  if (!max_norm.ok()) return max_norm.status();
  max_norm_ = *std::move(max_norm);
  writer_ = std::make_unique<CheckpointWriter>(*model_.store, request_.checkpoint_dir);
  if (optimizer_.accumulate_batches > 1) gradient_sum_ = std::make_unique<GradientSum>(*model_.store, num_slots());
  return absl::OkStatus();
}

absl::Status Trainer::Restore(const absl::StatusOr<LoadedCheckpoint>& newest) {
  if (absl::Status status = VerifyData(); !status.ok()) return status;
  if (newest.ok()) {
    for (const std::string& skipped : newest->skipped) EmitLog(v1::LogLine::LEVEL_WARNING, skipped);
    if (absl::Status status = Resume(*newest); !status.ok()) return status;
  } else if (absl::IsNotFound(newest.status())) {
    if (absl::Status status = Start(); !status.ok()) return status;
  } else {
    return newest.status();
  }
  update_ = std::make_unique<UpdatePass>(*optimizer_.optimizer, TensorsToUpdate());
  numbers_.resize(update_->tensors().size());
  BeginFrozen(/*begins=*/!newest.ok() || IsOfAnotherJob(newest->files.manifest));
  auto loader = BatchLoader::Start(input_->split(), input_->preprocessor(),
                                   Batches(MinibatchesBefore(step_), MinibatchesBefore(total_steps_)));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  return absl::OkStatus();
}

BatchLoader::Options Trainer::Batches(uint64_t first_step, uint64_t end_step) const {
  return {.batch = spec_.batch_size(),
          .threads = PrefetchThreads(spec_.data()),
          .shuffled = spec_.sampling() != v1::SAMPLING_SEQUENTIAL,
          .seed = spec_.seed(),
          .keep_last = spec_.last_batch() == v1::LAST_BATCH_KEEP,
          .targets_are_input = spec_.data().targets() == v1::TARGET_SOURCE_INPUT,
          .first_step = first_step,
          .end_step = end_step,
          .augmenter = &input_->augmenter(),
          .outputs = plan_->outputs(),
          .binary = IsBinary(model_.loss->output_meaning(), plan_->outputs())};
}

absl::Status Trainer::InitializeWithData() {
  BatchLoader::Options batches = Batches(0, spec_.data_initialization().minibatches());
  batches.shuffled = true;  // The first examples as stored may be of one class.
  auto minibatches = FirstMinibatches(*input_, batches);
  if (!minibatches.ok()) return minibatches.status();
  auto warnings =
      InitializeFromData(spec_.data_initialization(), *model_.graph, *model_.store,
                         PlanOptionsFor(spec_, request_.algorithms), *minibatches, [this] { sink_.Heartbeat(0); });
  if (!warnings.ok()) return warnings.status();
  for (const std::string& warning : *warnings) EmitLog(v1::LogLine::LEVEL_WARNING, warning);
  return absl::OkStatus();
}

absl::Status Trainer::Start() {
  if (absl::Status status = FitInput(); !status.ok()) return status;
  for (const std::string& warning : input_->warnings()) EmitLog(v1::LogLine::LEVEL_WARNING, warning);
  ReportPreprocessing();
  ReportHeldOut();
  ReportData();
  model_.store->Initialize(spec_.seed());
  for (StoredParameter& parameter : model_.store->parameters()) InitializeSlots(parameter);
  if (absl::Status status = LoadInitialWeights(); !status.ok()) return status;
  if (spec_.has_data_initialization()) {
    if (absl::Status status = InitializeWithData(); !status.ok()) return status;
  }
  if (lottery_) lottery_->AfterStep(0);
  ForgetEvaluations();
  ForgetEarlyStopping();
  if (total_steps_ == 0 && has_evaluation_) {
    if (absl::Status status = Evaluate(); !status.ok()) return status;
  }
  return SaveNow();
}

void Trainer::ReportPreprocessing() {
  if (spec_.data().preprocessing().empty()) return;
  v1::Event event = NewEvent();
  *event.mutable_preprocessing() = input_->Report([this] { sink_.Heartbeat(step_); });
  sink_.Emit(std::move(event));
}

void Trainer::ReportData() {
  if (spec_.insight().profile() == v1::InsightSpec::PROFILE_OFF) return;
  v1::Event event = NewEvent();
  const bool another = has_evaluation_ && spec_.data().evaluation_split() != spec_.data().train_split();
  ProfiledData data = ProfileOf(*input_, another ? &evaluator_->split() : nullptr, [this] { sink_.Heartbeat(step_); });
  *event.mutable_data() = std::move(data.profile);
  sink_.Emit(std::move(event));
  for (const std::string& note : data.notes) EmitLog(v1::LogLine::LEVEL_INFO, note);
}

void Trainer::ForgetEvaluations() {
  ForgetPlateau();
  manifest_.set_best_evaluation_loss(std::numeric_limits<double>::quiet_NaN());
  manifest_.clear_best_step();
  manifest_.clear_best_value();
  manifest_.clear_running();
}

void Trainer::ForgetEarlyStopping() {
  manifest_.clear_early_stopping();
  if (spec_.has_early_stopping()) *manifest_.mutable_early_stopping() = NewEarlyStoppingState();
}

// --- One step.

bool Trainer::IsEvaluationDue(uint64_t step) const {
  return spec_.evaluation().has_every_steps() ? Every(step, spec_.evaluation().every_steps())
                                              : step % steps_per_epoch_ == 0;
}

Trainer::Due Trainer::DueAfter(uint64_t step) const {
  const bool last = step == total_steps_ || (lottery_ && lottery_->EndsRound(step));
  const bool first = step == 1;
  const uint32_t statistics = spec_.statistics().every_steps();
  Due due;
  due.metrics = first || last || Every(step, spec_.metrics_every_steps());
  due.statistics = statistics > 0 && (first || last || Every(step, statistics));
  due.evaluation = has_evaluation_ && (last || IsEvaluationDue(step));
  due.early_stopping = spec_.has_early_stopping() && IsEvaluationDue(step);
  due.checkpoint = last || Every(step, spec_.checkpoint().every_steps());
  return due;
}

absl::Status Trainer::Step(const Batch& first, const StopSignal& stop) {
  const Due due = DueAfter(step_ + 1);
  if (due.statistics && step_ + 1 == total_steps_) KeepObservers();
  const absl::StatusOr<Ran> ran = RunMinibatches(first, due.statistics, stop);
  if (!ran.ok()) return ran.status();
  if (ran->stopped) return absl::OkStatus();
  const Plan::Input& input = ran->input;
  const double loss = ran->loss_sum / static_cast<double>(ran->examples);
  if (request_.on_gradients) {
    if (absl::Status status = request_.on_gradients(step_, *model_.store); !status.ok()) return status;
  }

  UpdatePass::Measures measures;
  if (due.metrics || optimizer_.clip_norm > 0) measures = update_->Measure();
  if (!std::isfinite(loss)) return NotFinite("loss", input);
  if (!std::isfinite(measures.gradient_norm)) return NotFinite("gradient norm", input);
  if (!std::isfinite(measures.penalty)) return NotFinite("penalty", input);
  if (due.statistics && ran_->saw_nan()) return NotFinite("output of a layer", input);

  modes_.reset();
  if (due.evaluation && modes_differ_) {
    if (absl::Status status = CompareModes(*ran->batch); !status.ok()) return status;
  }
  const uint64_t round_step = lottery_ ? lottery_->step_in_round(step_) : step_;
  const double learning_rate = LearningRateAt(round_step);
  const uint64_t updates = std::min(round_step, step_ - manifest_.optimizer_begin_step());  // Of the state there is.
  BesideUpdate beside = optimizer_.beside.Of(round_step + 1, updates + 1);
  const std::optional<double> average = beside.average;
  if (max_norm_) beside.average.reset();  // It is of the weights that max_norm leaves.
  update_->Run({.learning_rate = learning_rate,
                .weight_decay = optimizer_.weight_decay,
                .number = updates + 1,
                .momentum = optimizer_.learning_rate->MomentumAt(round_step, round_steps_)},
               {.scale = ClipScale(measures.gradient_norm, optimizer_.clip_norm), .value = optimizer_.clip_value},
               due.statistics ? &numbers_ : nullptr, beside);
  if (max_norm_) {
    max_norm_->Apply();
    update_->MoveAverage(average);
  }
  ++step_;
  examples_since_metrics_ += ran->examples;
  if (spec_.early_stopping().metric() == v1::EarlyStopping::METRIC_TRAIN_LOSS) CountTrainLoss(loss);
  if (lottery_) lottery_->AfterStep(step_);
  CountRunning(*ran);
  if (due.metrics) EmitMetrics(*ran, measures, learning_rate);
  EndRunning();
  if (due.statistics) EmitStatistics();
  return absl::OkStatus();
}

// Both plans count silent units on in the states of the first.
absl::Status Trainer::RunPlan(const Plan::Input& input) {
  ran_ = input.count < spec_.batch_size() ? last_batch_plan_.get() : plan_.get();
  if (ran_ == plan_.get() || !input.observe) return ran_->Run(input);
  const auto states = plan_->observer_states(), of_run = ran_->observer_states();
  for (size_t i = 0; i < states.size(); ++i) absl::c_copy(states[i].silent_steps, of_run[i].silent_steps.begin());
  if (absl::Status status = ran_->Run(input); !status.ok()) return status;
  for (size_t i = 0; i < states.size(); ++i) absl::c_copy(of_run[i].silent_steps, states[i].silent_steps.begin());
  return absl::OkStatus();
}

// The last step is observed whatever the cadence says. A longer job would not have done so: what a checkpoint keeps of
// the observers, so that the job can be extended, is then from before the step.
void Trainer::KeepObservers() {
  if (Every(step_ + 1, spec_.statistics().every_steps())) return;
  for (const auto& observer : plan_->observer_states()) {
    kept_observers_.emplace_back(observer.silent_steps.begin(), observer.silent_steps.end());
  }
}

absl::Status Trainer::AfterStep() {
  const Due due = DueAfter(step_);
  if (due.evaluation) {
    if (absl::Status status = Evaluate(); !status.ok()) return status;
  }
  NotePlateau();
  if (due.early_stopping) LookForTheEnd();
  if (due.evaluation && spec_.evaluation().test_every_time() && !AtEnd()) {
    if (absl::Status status = TestAtStep(); !status.ok()) return status;
  }
  if (absl::Status status = Settle(); !status.ok()) return status;
  return AtEnd() ? absl::OkStatus() : SaveWhatIsDue(due);  // End() writes the last checkpoint.
}

void Trainer::PruneAndRewind() {
  EmitLog(v1::LogLine::LEVEL_INFO, lottery_->Prune(step_));
  for (StoredParameter& parameter : model_.store->parameters()) InitializeSlots(parameter);
}

absl::StatusOr<TrainResult> Train(const TrainRequest& request, EventSink& sink, const StopSignal& stop) {
  while (true) {
    Trainer trainer(request, sink);
    auto result = trainer.Run(stop);
    if (!result.ok() || !trainer.unfreezes()) return result;
  }
}

}  // namespace traind::core
