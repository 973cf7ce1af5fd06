// How a run is written to a checkpoint, and goes on from one with the same bits.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/onednn/onednn.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

std::string KernelLibrary() { return absl::StrCat("oneDNN ", onednn::VersionString()); }

// The weights that the training goes on with, beside those of an earlier step or their average.
std::string LastName(const StoredParameter& parameter) { return absl::StrCat(parameter.name, "/last"); }

std::string ObserverName(const Plan::ObserverState& observer) { return absl::StrCat(observer.layer, "/silent_steps"); }

// A checkpoint with the weights of an earlier one says so, and has their evaluation.
void DescribeEarlier(const v1::CheckpointManifest& earlier, v1::CheckpointManifest& manifest) {
  manifest.mutable_early_stopping()->set_restored_step(earlier.step());
  manifest.clear_evaluation_loss();
  manifest.clear_evaluation_accuracy();
  manifest.clear_evaluation_value();
  if (earlier.has_evaluation_value()) manifest.set_evaluation_value(earlier.evaluation_value());
  if (earlier.has_evaluation_loss()) manifest.set_evaluation_loss(earlier.evaluation_loss());
  if (earlier.has_evaluation_accuracy()) manifest.set_evaluation_accuracy(earlier.evaluation_accuracy());
}

absl::Status DoesNotFit(const std::string& tensor) {
  return absl::DataLossError(absl::StrCat("the checkpoint lacks the tensor ", tensor, " in the job's shape"));
}

}  // namespace

std::string Trainer::SlotName(const StoredParameter& parameter, int slot) const {
  return absl::StrCat(parameter.name, "/", std::string(optimizer_.slots()[slot]));
}

int Trainer::num_slots() const { return static_cast<int>(optimizer_.slots().size()); }

void Trainer::InitializeSlots(StoredParameter& parameter) {
  if (!parameter.spec->trained) return;
  for (int slot = 0; slot < num_slots(); ++slot) {
    const float initial = slot < average_slot() ? optimizer_.optimizer->initial_value(slot) : 0;
    const std::vector<float> values(Elements(parameter.spec->shape), initial);
    model_.store->Set(parameter, parameter.slots[slot], values);
  }
}

CheckpointWriter::Source Trainer::SourceOf(const StoredParameter& parameter, std::string name,
                                           const float* from) const {
  return {std::move(name), parameter.spec->shape, {from, static_cast<size_t>(parameter.stored_elements())}, &parameter};
}

std::vector<CheckpointWriter::Source> Trainer::WeightSources() const {
  std::vector<CheckpointWriter::Source> weights;
  const bool average = HasAverage();
  for (const StoredParameter& parameter : model_.store->parameters()) {
    const float* from = average && parameter.spec->trained ? parameter.slots[average_slot()] : parameter.master;
    weights.push_back(SourceOf(parameter, parameter.name, from));
    if (restore_) weights.back().values = {};  // They are in the earlier file.
  }
  return weights;
}

std::vector<CheckpointWriter::Source> Trainer::StateSources() {
  std::vector<CheckpointWriter::Source> state;
  for (const StoredParameter& parameter : model_.store->parameters()) {
    for (int slot = 0; parameter.spec->trained && slot < num_slots(); ++slot) {
      state.push_back(SourceOf(parameter, SlotName(parameter, slot), parameter.slots[slot]));
    }
    if (restore_ || HasAverage()) state.push_back(SourceOf(parameter, LastName(parameter), parameter.master));
  }
  if (lottery_) {
    for (const LotteryTicket::State& tensor : lottery_->States(step_)) {
      state.push_back(SourceOf(*tensor.parameter, tensor.name, tensor.values));
    }
  }
  size_t index = 0;
  for (const auto& observer : plan_->observer_states()) {
    const absl::Span<const float> silent =
        kept_observers_.empty() ? observer.silent_steps : absl::MakeConstSpan(kept_observers_[index++]);
    state.push_back({ObserverName(observer), {static_cast<int64_t>(silent.size())}, silent});
  }
  return state;
}

void Trainer::DescribeCheckpoint() {
  *manifest_.mutable_spec() = spec_;
  manifest_.set_job(request_.job);
  if (trained_on_.has_value()) *manifest_.mutable_trained_on() = *trained_on_;
  manifest_.set_step(step_);
  if (evaluated_step_ != step_) {
    manifest_.clear_evaluation_loss();
    manifest_.clear_evaluation_accuracy();
    manifest_.clear_evaluation_value();
  }
  manifest_.set_instruction_set(onednn::InstructionSet());
  manifest_.set_kernel_library(KernelLibrary());
  manifest_.mutable_algorithms()->Assign(request_.algorithms.begin(), request_.algorithms.end());
}

CheckpointWriter::Content Trainer::Content() {
  DescribeCheckpoint();
  CheckpointWriter::Content content{
      .manifest = manifest_, .weights = WeightSources(), .state = StateSources(), .preprocessing = input_->learned()};
  if (restore_) {
    DescribeEarlier(restore_->manifest, content.manifest);
    content.earlier = restore_->weights;
  }
  const v1::EarlyStoppingState& state = content.manifest.early_stopping();
  const bool keeps_best = spec_.early_stopping().restore_best() && !std::isnan(state.best());
  content.options = {.keep_last = static_cast<int>(spec_.checkpoint().keep_last()),
                     .keep_step = keeps_best ? std::optional(state.best_step()) : std::nullopt,
                     .before_publish = [this] { return sink_.Flush(); }};
  return content;
}

absl::Status Trainer::Resume(const LoadedCheckpoint& checkpoint) {
  manifest_ = checkpoint.files.manifest;
  step_ = manifest_.step();
  saved_step_ = step_;
  if (manifest_.has_evaluation_loss()) evaluated_step_ = step_;
  if (manifest_.early_stopping().has_restored_step()) {
    restored_step_ = manifest_.early_stopping().restored_step();
    manifest_.mutable_early_stopping()->clear_restored_step();
  }
  const bool forked = IsOfAnotherJob(manifest_);
  const Inherited inherited = forked ? InheritedBy(spec_, manifest_.spec(), step_) : Inherited();
  if (absl::Status status = LoadInput(checkpoint, inherited.augmentation); !status.ok()) return status;
  if (absl::Status status = LoadTensors(checkpoint, inherited); !status.ok()) return status;
  WarnOfOtherKernels();
  if (forked) return BeginFork(inherited);
  // The crash may have come between the checkpoint and its event.
  int64_t bytes = 0;
  for (const auto& file : checkpoint.files.manifest.files()) bytes += file.size_bytes();
  EmitCheckpoint(step_, bytes, !restored_step_ && evaluated_step_ == step_ && manifest_.best_step() == step_);
  return absl::OkStatus();
}

absl::Status Trainer::LoadInput(const LoadedCheckpoint& checkpoint, bool with_augmentation) {
  const std::vector<Tensor> learned =
      checkpoint.preprocessing ? checkpoint.preprocessing->LoadAll() : std::vector<Tensor>{};
  if (with_augmentation) return input_->Load(learned);
  if (absl::Status status = input_->LoadPreprocessing(learned); !status.ok()) return status;
  return input_->FitAugmentation([this] { sink_.Heartbeat(step_); });
}

absl::Status Trainer::LoadTensors(const LoadedCheckpoint& checkpoint, const Inherited& inherited) {
  for (StoredParameter& parameter : model_.store->parameters()) {
    auto restore = [&](const Safetensors& file, const std::string& name, float* to) -> absl::Status {
      auto tensor = file.Load(name);
      if (!tensor.ok() || tensor->shape != parameter.spec->shape) return DoesNotFit(name);
      model_.store->Set(parameter, to, tensor->values);
      return absl::OkStatus();
    };
    const bool other_weights = checkpoint.state.Find(LastName(parameter)) != nullptr;
    absl::Status status = other_weights ? restore(checkpoint.state, LastName(parameter), parameter.master)
                                        : restore(checkpoint.weights, parameter.name, parameter.master);
    if (!status.ok()) return status;
    if (!inherited.optimizer) InitializeSlots(parameter);
    for (int slot = 0; inherited.optimizer && parameter.spec->trained && slot < num_slots(); ++slot) {
      status = restore(checkpoint.state, SlotName(parameter, slot), parameter.slots[slot]);
      if (!status.ok()) return status;
    }
  }
  for (const auto& observer : plan_->observer_states()) {
    if (!inherited.observers) break;  // They begin with zeros.
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
  return absl::OkStatus();
}

void Trainer::WarnOfOtherKernels() {
  if (manifest_.instruction_set() != onednn::InstructionSet() || manifest_.kernel_library() != KernelLibrary()) {
    EmitLog(v1::LogLine::LEVEL_WARNING,
            absl::StrCat("going on with ", onednn::InstructionSet(), " and ", KernelLibrary(),
                         "; the checkpoint was made with ", manifest_.instruction_set(), " and ",
                         manifest_.kernel_library(), ": the last bits of the weights may differ"));
  }
}

}  // namespace traind::core
