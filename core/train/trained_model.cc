#include "core/train/trained_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/safetensors.h"
#include "core/job/data_identity.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_inference.h"

namespace traind::core {

absl::StatusOr<TrainedModel> TrainedModel::Make(const InferenceRequest& request) {
  if (absl::Status status = PrepareEngine(request.threads, request.spec.precision()); !status.ok()) return status;
  auto model = MakeModel(request.spec.network(), &request.spec.loss(), /*trainable=*/false, /*num_slots=*/0);
  if (!model.ok()) return model.status();
  auto input = InputPipeline::Make(request.spec.data(), StoredShape(request.spec));
  if (!input.ok()) return input.status();
  if (!request.preprocessing_path.empty()) {
    auto tensors = Safetensors::Open(request.preprocessing_path);
    if (!tensors.ok()) return tensors.status();
    if (absl::Status status = input->LoadPreprocessing(tensors->LoadAll()); !status.ok()) return status;
  }
  return TrainedModel{*std::move(model), *std::move(input)};
}

namespace {

// What a job held out is known by the training split of that time.
absl::Status CheckPart(const v1::DataIdentity& trained_on, const Split& split) {
  if (split.called() == split.split_name()) return absl::OkStatus();
  for (const v1::DatasetSplit& then : trained_on.splits()) {
    if (then.name() == split.split_name() && then.checksum() == split.checksum()) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the split \"", split.split_name(), "\" of ", trained_on.dataset(), " is not the one that the ",
      "model was trained on, so that nobody knows which examples \"", split.called(), "\" were: name another split"));
}

}  // namespace

absl::Status MatchWithModel(const InferenceRequest& request, Split& split) {
  split.Reshape(SeenAs(split.example_shape(), StoredShape(request.spec)));
  if (!request.trained_on.has_value()) return absl::OkStatus();
  const v1::DataIdentity& trained_on = *request.trained_on;
  if (absl::Status status = CheckPart(trained_on, split); !status.ok()) return status;
  auto dataset = LoadDataset(request.dataset_dir);
  if (!dataset.ok()) return dataset.status();
  FieldErrors::Root errors;
  const DataMatch match = MatchData(trained_on, *dataset, request.spec.data().targets(), errors.scope(dataset->name()));
  if (!errors.ok()) return errors.ToStatus();
  if (!match.class_of_label.empty()) split.Relabel(match.class_of_label, trained_on.num_classes());
  if (split.element_type() != v1::ELEMENT_TYPE_FLOAT32) return absl::OkStatus();
  const auto [least, largest] = split.Range();
  if (const std::string warning = ScaleWarning(trained_on, least, largest); !warning.empty()) request.warn(warning);
  return absl::OkStatus();
}

}  // namespace traind::core
