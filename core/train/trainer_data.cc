// What a run begins with: its data, the preprocessing that goes with it, and weights that somebody else has trained.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/safetensors.h"
#include "core/train/target_range.h"
#include "core/train/trainer.h"

namespace traind::core {

absl::Status Trainer::CheckIdentity(const Split& split) const {
  if (!request_.trained_on.has_value()) return absl::OkStatus();
  const auto& splits = request_.trained_on->splits();
  const auto then = std::find_if(splits.begin(), splits.end(),
                                 [&](const v1::DatasetSplit& one) { return one.name() == split.split_name(); });
  if (then != splits.end() && then->checksum() == split.checksum()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(spec_.data().dataset(), " is another dataset than when the job was accepted: its split \"",
                   split.split_name(), "\" had the checksum ", then == splits.end() ? "of no split" : then->checksum(),
                   " then, and has ", split.checksum(), " now"));
}

absl::Status Trainer::VerifyData() {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  const Split& train = input_->split();
  if (absl::Status status = CheckIdentity(train); !status.ok()) return status;
  if (absl::Status status = train.Verify(alive); !status.ok()) return status;
  trained_on_ = request_.trained_on;
  if (trained_on_.has_value() && train.element_type() == v1::ELEMENT_TYPE_FLOAT32) {
    const auto [least, largest] = train.Range(alive);
    trained_on_->set_example_min(least);
    trained_on_->set_example_max(largest);
  }
  const bool reads_targets = spec_.data().targets() != v1::TARGET_SOURCE_INPUT;
  if (reads_targets) {
    if (absl::Status status = CheckTargets(*model_.loss, train, alive); !status.ok()) return status;
  }
  if (has_evaluation_ && spec_.data().evaluation_split() != spec_.data().train_split()) {
    if (absl::Status status = VerifyOther(evaluator_->split()); !status.ok()) return status;
  }
  return test_.has_value() ? VerifyOther(*test_) : absl::OkStatus();
}

absl::Status Trainer::VerifyOther(const Split& split) {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  if (split.split_name() != input_->split().split_name()) {  // A part of the training split was read with it.
    if (absl::Status status = CheckIdentity(split); !status.ok()) return status;
    if (absl::Status status = split.Verify(alive); !status.ok()) return status;
  }
  if (spec_.data().targets() == v1::TARGET_SOURCE_INPUT) return absl::OkStatus();
  return CheckTargets(*model_.loss, split, alive);
}

absl::Status Trainer::FitInput() {
  const auto alive = [this] { sink_.Heartbeat(step_); };
  if (request_.preprocessing_path.empty()) return input_->Fit(alive);
  auto fitted = Safetensors::Open(request_.preprocessing_path);
  if (!fitted.ok()) return fitted.status();
  if (absl::Status status = input_->LoadPreprocessing(fitted->LoadAll()); !status.ok()) return status;
  return input_->FitAugmentation(alive);
}

absl::Status Trainer::LoadInitialWeights() {
  if (request_.weights_path.empty()) return absl::OkStatus();
  const v1::InitialWeights& from = spec_.initial_weights();
  const auto loaded = LoadWeights(request_.weights_path, *model_.store, from);
  if (!loaded.ok()) return loaded.status();
  EmitLog(loaded->complete() ? v1::LogLine::LEVEL_INFO : v1::LogLine::LEVEL_WARNING,
          absl::StrCat("initial weights from ", from.model(), ": ", loaded->ToString()));
  return absl::OkStatus();
}

}  // namespace traind::core
