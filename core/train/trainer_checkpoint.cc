// How a run is written to a checkpoint, and goes on from one with the same bits.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/onednn/onednn.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

std::string KernelLibrary() { return absl::StrCat("oneDNN ", onednn::VersionString()); }

std::string ObserverName(const Plan::ObserverState& observer) { return absl::StrCat(observer.layer, "/silent_steps"); }

absl::Status DoesNotFit(const std::string& tensor) {
  return absl::DataLossError(absl::StrCat("the checkpoint lacks the tensor ", tensor, " in the job's shape"));
}

}  // namespace

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
    EmitLog(v1::LogLine::LEVEL_WARNING, absl::StrCat("no checkpoint of step ", step_, ": ", saved.message(),
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
  const std::vector<Tensor> learned = input_->learned();

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
      {.manifest = manifest_, .weights = weights, .state = state, .preprocessing = SourcesOf(learned)},
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
  const std::vector<Tensor> learned =
      checkpoint.preprocessing ? checkpoint.preprocessing->LoadAll() : std::vector<Tensor>{};
  if (absl::Status status = input_->Load(learned); !status.ok()) return status;

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
    EmitLog(v1::LogLine::LEVEL_WARNING,
            absl::StrCat("going on with ", onednn::InstructionSet(), " and ", KernelLibrary(),
                         "; the checkpoint was made with ", manifest_.instruction_set(), " and ",
                         manifest_.kernel_library(), ": the last bits of the weights may differ"));
  }
  EmitCheckpoint();  // The crash may have come between the checkpoint and its event.
  return absl::OkStatus();
}

}  // namespace traind::core
