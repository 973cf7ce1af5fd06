#include "core/train/trained_model.h"

#include <utility>

#include "core/checkpoint/safetensors.h"
#include "core/job/resolve_data.h"

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

}  // namespace traind::core
