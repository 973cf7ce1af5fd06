#include "core/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/data_initialization/network_under_data.h"
#include "core/onednn/onednn.h"
#include "core/train/duration.h"
#include "core/train/first_minibatches.h"

namespace traind::core {
namespace {

bool Every(uint64_t step, uint32_t cadence) { return cadence > 0 && step % cadence == 0; }

// At most what google.protobuf.Duration may say, about 10,000 years.
google::protobuf::Duration ToDuration(double seconds) {
  seconds = std::min(seconds, 315'576'000'000.0);
  google::protobuf::Duration duration;
  duration.set_seconds(static_cast<int64_t>(seconds));
  duration.set_nanos(static_cast<int32_t>((seconds - std::floor(seconds)) * 1e9));
  return duration;
}

std::string KernelLibrary() { return absl::StrCat("oneDNN ", onednn::VersionString()); }

std::string ObserverName(const Plan::ObserverState& observer) { return absl::StrCat(observer.layer, "/silent_steps"); }

absl::Status DoesNotFit(const std::string& tensor) {
  return absl::DataLossError(absl::StrCat("the checkpoint lacks the tensor ", tensor, " in the job's shape"));
}

}  // namespace

absl::StatusOr<TrainResult> Trainer::Run(const std::atomic<bool>& stop) {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  if (absl::Status status = Restore(); !status.ok()) return status;
  last_checkpoint_ = last_metrics_ = Clock::now();
  last_metrics_step_ = step_;

  while (step_ < total_steps_ && !stop.load(std::memory_order_relaxed)) {
    if (lottery_ && lottery_->PrunesAt(step_)) PruneAndRewind();
    if (absl::Status status = Step(*loader_->Next()); !status.ok()) return status;
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
  auto train_split = OpenSplit(request_.dataset_dir, spec_.data().train_split());
  if (!train_split.ok()) return train_split.status();
  train_split_ = *std::move(train_split);
  train_split_->Limit(spec_.data().max_train_examples());
  steps_per_epoch_ = static_cast<uint64_t>(train_split_->size()) / spec_.batch_size();
  round_steps_ = RoundSteps(spec_, steps_per_epoch_);
  total_steps_ = TotalSteps(spec_, steps_per_epoch_);

  FieldErrors::Root errors;
  v1::Optimizer optimizer = spec_.optimizer();
  optimizer_ = ResolveOptimizer(optimizer, errors.scope("optimizer"));
  const Shape& image = train_split_->example_shape();
  auto augmentation = spec_.data().augmentation();
  augmenter_ = Augmenter::Create(&augmentation, &image, errors.scope("data"));
  plain_views_ = Views::Create({}, image, augmenter_.output_shape(), errors.scope("data"));
  auto preprocessing = spec_.data().preprocessing();
  preprocessor_ = Preprocessor::Create(&preprocessing, &augmenter_.output_shape(), errors.scope("data"));
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

  const std::string& evaluation_split = spec_.data().evaluation_split();
  if (evaluation_split != "none") {
    auto split = OpenSplit(request_.dataset_dir, evaluation_split);
    if (!split.ok()) return split.status();
    split->Limit(spec_.data().max_evaluation_examples());
    auto evaluator = Evaluator::Make(model_, options, *std::move(split), spec_, *preprocessor_);
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
  if (newest.ok()) {
    for (const std::string& skipped : newest->skipped) EmitLog(v1::LogLine::WARNING, skipped);
    if (absl::Status status = Resume(*newest); !status.ok()) return status;
  } else if (absl::IsNotFound(newest.status())) {
    if (absl::Status status = Start(); !status.ok()) return status;
  } else {
    return newest.status();
  }
  auto loader = BatchLoader::Start(*train_split_, *preprocessor_, Batches(step_, total_steps_));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  return absl::OkStatus();
}

BatchLoader::Options Trainer::Batches(uint64_t first_step, uint64_t end_step) const {
  return {.batch = spec_.batch_size(),
          .shuffled = spec_.sampling() != v1::SEQUENTIAL,
          .seed = spec_.seed(),
          .first_step = first_step,
          .end_step = end_step,
          .augmenter = &augmenter_,
          .outputs = plan_->outputs()};
}

absl::Status Trainer::InitializeWithData() {
  auto minibatches =
      FirstMinibatches(*train_split_, *preprocessor_, Batches(0, spec_.data_initialization().minibatches()));
  if (!minibatches.ok()) return minibatches.status();
  auto warnings =
      InitializeFromData(spec_.data_initialization(), *model_.graph, *model_.store,
                         PlanOptionsFor(spec_, request_.algorithms), *minibatches, [this] { sink_.Heartbeat(0); });
  if (!warnings.ok()) return warnings.status();
  for (const std::string& warning : *warnings) EmitLog(v1::LogLine::WARNING, warning);
  return absl::OkStatus();
}

absl::Status Trainer::Start() {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  if (absl::Status status = augmenter_.Fit(*train_split_, alive); !status.ok()) return status;
  if (absl::Status status = preprocessor_->Fit(*train_split_, &plain_views_, alive); !status.ok()) return status;
  if (!spec_.data().preprocessing().empty()) {
    v1::Event event = NewEvent();
    *event.mutable_preprocessing() = preprocessor_->Report(*train_split_, &plain_views_, alive);
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
  EmitLog(v1::LogLine::INFO, lottery_->Prune(step_));
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

// --- Checkpoints.

bool Trainer::CheckpointTimeIsUp() const {
  const double every =
      static_cast<double>(spec_.checkpoint().every().seconds()) + spec_.checkpoint().every().nanos() * 1e-9;
  return every > 0 && std::chrono::duration<double>(Clock::now() - last_checkpoint_).count() >= every;
}

std::string Trainer::SlotName(const StoredParameter& parameter, int slot) const {
  return absl::StrCat(parameter.name, "/", std::string(optimizer_.optimizer->slots()[slot]));
}

int Trainer::num_slots() const { return static_cast<int>(optimizer_.optimizer->slots().size()); }

void Trainer::InitializeSlots(StoredParameter& parameter) {
  if (!parameter.spec->trained) return;
  for (int slot = 0; slot < num_slots(); ++slot) {
    const std::vector<float> values(Elements(parameter.spec->shape), optimizer_.optimizer->initial_value(slot));
    model_.store->Set(parameter, parameter.slots[slot], values);
  }
}

absl::Status Trainer::SaveCheckpointIfThereIsRoom() {
  const absl::Status saved = SaveCheckpoint();
  if (!absl::IsResourceExhausted(saved)) return saved;
  if (!room_is_short_) {
    EmitLog(v1::LogLine::WARNING, absl::StrCat("no checkpoint of step ", step_, ": ", saved.message(),
                                               "; the job goes on, and tries again when the next one is due"));
  }
  room_is_short_ = true;
  last_checkpoint_ = Clock::now();
  return absl::OkStatus();
}

absl::Status Trainer::SaveCheckpoint() {
  std::vector<TensorSource> weights;
  std::vector<TensorSource> state;
  std::vector<float> values;  // One tensor at a time in the public layout.
  for (const StoredParameter& parameter : model_.store->parameters()) {
    auto source = [&](std::string name, const float* from) {
      return TensorSource{std::move(name), parameter.spec->shape, [this, &parameter, &values, from] {
                            values.resize(Elements(parameter.spec->shape));
                            model_.store->Get(parameter, from, absl::MakeSpan(values));
                            return absl::Span<const float>(values);
                          }};
    };
    weights.push_back(source(parameter.name, parameter.master));
    for (int slot = 0; parameter.spec->trained && slot < num_slots(); ++slot) {
      state.push_back(source(SlotName(parameter, slot), parameter.slots[slot]));
    }
  }
  if (lottery_) {
    for (const LotteryTicket::State& tensor : lottery_->States(step_)) {
      state.push_back({tensor.name, tensor.parameter->spec->shape, [this, tensor, &values] {
                         values.resize(Elements(tensor.parameter->spec->shape));
                         model_.store->Get(*tensor.parameter, tensor.values, absl::MakeSpan(values));
                         return absl::Span<const float>(values);
                       }});
    }
  }
  for (const auto& observer : plan_->observer_states()) {
    state.push_back({ObserverName(observer),
                     {static_cast<int64_t>(observer.silent_steps.size())},
                     [silent = observer.silent_steps] { return absl::Span<const float>(silent); }});
  }
  std::vector<Tensor> preprocessing = preprocessor_->parameters();
  for (Tensor& parameter : augmenter_.parameters()) preprocessing.push_back(std::move(parameter));

  *manifest_.mutable_spec() = spec_;
  manifest_.set_step(step_);
  if (evaluated_step_ != step_) {
    manifest_.clear_evaluation_loss();
    manifest_.clear_evaluation_accuracy();
  }
  manifest_.set_instruction_set(onednn::InstructionSet());
  manifest_.set_kernel_library(KernelLibrary());
  manifest_.mutable_algorithms()->Assign(request_.algorithms.begin(), request_.algorithms.end());
  const absl::Status saved = core::SaveCheckpoint(
      request_.checkpoint_dir,
      {.manifest = manifest_, .weights = weights, .state = state, .preprocessing = SourcesOf(preprocessing)},
      {.keep_last = static_cast<int>(spec_.checkpoint().keep_last()),
       .before_publish = [this] { return sink_.Flush(); }});
  if (!saved.ok()) return saved;
  saved_step_ = step_;
  room_is_short_ = false;
  last_checkpoint_ = Clock::now();
  EmitCheckpoint();
  return absl::OkStatus();
}

absl::Status Trainer::Resume(const LoadedCheckpoint& checkpoint) {
  manifest_ = checkpoint.files.manifest;
  step_ = manifest_.step();
  saved_step_ = step_;
  if (manifest_.has_evaluation_loss()) evaluated_step_ = step_;
  const std::vector<Tensor> preprocessing =
      checkpoint.preprocessing ? checkpoint.preprocessing->LoadAll() : std::vector<Tensor>{};
  if (absl::Status status = preprocessor_->Load(preprocessing); !status.ok()) return status;
  if (absl::Status status = augmenter_.Load(preprocessing); !status.ok()) return status;

  for (StoredParameter& parameter : model_.store->parameters()) {
    auto restore = [&](const Safetensors& file, const std::string& name, float* to) -> absl::Status {
      auto tensor = file.Load(name);
      if (!tensor.ok() || tensor->shape != parameter.spec->shape) return DoesNotFit(name);
      model_.store->Set(parameter, to, tensor->values);
      return absl::OkStatus();
    };
    if (absl::Status status = restore(checkpoint.weights, parameter.name, parameter.master); !status.ok())
      return status;
    for (int slot = 0; parameter.spec->trained && slot < num_slots(); ++slot) {
      absl::Status status = restore(checkpoint.state, SlotName(parameter, slot), parameter.slots[slot]);
      if (!status.ok()) return status;
    }
  }
  for (const auto& observer : plan_->observer_states()) {
    auto tensor = checkpoint.state.Load(ObserverName(observer));
    if (!tensor.ok() || tensor->values.size() != observer.silent_steps.size())
      return DoesNotFit(ObserverName(observer));
    std::copy(tensor->values.begin(), tensor->values.end(), observer.silent_steps.begin());
  }
  if (lottery_) {
    for (const LotteryTicket::State& state : lottery_->States(step_)) {
      auto tensor = checkpoint.state.Load(state.name);
      if (!tensor.ok() || tensor->shape != state.parameter->spec->shape) return DoesNotFit(state.name);
      model_.store->Set(*state.parameter, state.values, tensor->values);
    }
    lottery_->CountPruned();
  }
  model_.store->UpdateCopies();

  if (manifest_.instruction_set() != onednn::InstructionSet() || manifest_.kernel_library() != KernelLibrary()) {
    EmitLog(v1::LogLine::WARNING,
            absl::StrCat("going on with ", onednn::InstructionSet(), " and ", KernelLibrary(),
                         "; the checkpoint was made with ", manifest_.instruction_set(), " and ",
                         manifest_.kernel_library(), ": the last bits of the weights may differ"));
  }
  EmitCheckpoint();  // The crash may have come between the checkpoint and its event.
  return absl::OkStatus();
}

// --- Events.

v1::Event Trainer::NewEvent() const {
  v1::Event event;
  event.set_step(step_);
  event.set_epoch(steps_per_epoch_ == 0 ? 0 : static_cast<double>(step_) / static_cast<double>(steps_per_epoch_));
  return event;
}

void Trainer::EmitMetrics(double loss, const UpdatePass::Measures& measures, double learning_rate, const Batch& batch) {
  v1::Event event = NewEvent();
  auto* train = event.mutable_train();
  train->set_loss(loss);
  train->set_penalty(measures.penalty);
  train->set_learning_rate(learning_rate);
  train->set_gradient_norm(measures.gradient_norm);
  if (batch.labels != nullptr) {
    const int64_t correct = CountCorrect(plan_->output(), batch.labels, batch.count, plan_->outputs());
    train->set_accuracy(static_cast<double>(correct) / static_cast<double>(batch.count));
  }
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_metrics_).count();
  const auto steps = static_cast<double>(step_ - last_metrics_step_);
  auto* timing = event.mutable_timing();
  timing->set_step_ms(seconds * 1e3 / steps);
  timing->set_examples_per_second(steps * spec_.batch_size() / seconds);
  *timing->mutable_remaining() = ToDuration(seconds / steps * static_cast<double>(total_steps_ - step_));
  last_metrics_ = now;
  last_metrics_step_ = step_;
  sink_.Emit(std::move(event));
}

void Trainer::EmitStatistics() {
  v1::Event event = NewEvent();
  plan_->Report(event.mutable_statistics());
  size_t k = 0;
  size_t index = 0;
  for (const StoredParameter& parameter : model_.store->parameters()) {
    const std::optional<double> sparsity = lottery_ ? lottery_->Sparsity(index++) : std::nullopt;
    if (!parameter.spec->trained) continue;
    auto* statistics = event.mutable_statistics()->add_parameters();
    ToStatistics(numbers_[k++], Elements(parameter.spec->shape), statistics);
    statistics->set_name(parameter.name);
    if (sparsity) statistics->set_sparsity(*sparsity);
  }
  sink_.Emit(std::move(event));
}

void Trainer::EmitCheckpoint() {
  v1::Event event = NewEvent();
  auto* saved = event.mutable_checkpoint();
  saved->set_name(absl::StrCat(request_.job, "/checkpoints/", step_));
  if (auto files = FindCheckpoint(request_.checkpoint_dir, absl::StrCat(step_)); files.ok()) {
    for (const auto& file : files->manifest.files()) saved->set_size_bytes(saved->size_bytes() + file.size_bytes());
  }
  saved->set_best(evaluated_step_ == step_ && manifest_.best_step() == step_);
  sink_.Emit(std::move(event));
}

void Trainer::EmitLog(v1::LogLine::Level level, const std::string& text) {
  v1::Event event = NewEvent();
  event.mutable_log()->set_level(level);
  event.mutable_log()->set_text(text);
  sink_.Emit(std::move(event));
}

absl::StatusOr<TrainResult> Train(const TrainRequest& request, EventSink& sink, const std::atomic<bool>& stop) {
  return Trainer(request, sink).Run(stop);
}

}  // namespace traind::core
