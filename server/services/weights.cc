#include "server/services/weights.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/resources/names.h"
#include "server/services/ensembles.h"

namespace traind::server {

absl::StatusOr<Weights> FindWeights(const DataFolder& folder, const std::string& name, bool allow_job,
                                    absl::string_view field) {
  auto parsed = ParseWeightsName(name, allow_job, field);
  if (!parsed.ok()) return parsed.status();
  Weights weights;
  if (!parsed->model.empty()) {
    const std::string dir = folder.Item("models", parsed->model);
    const auto ensemble = ReadEnsemble(folder, parsed->model);
    if (!ensemble.ok()) return ensemble.status();
    if (ensemble->has_value() && IsOfOutputs(**ensemble)) return NoWeights(name, field);
    auto sum = core::ReadFile(dir + "/" + kModelSumFile, 1 << 20);
    if (absl::IsNotFound(sum.status())) return NotFoundError("Model", name);
    if (!sum.ok()) return sum.status();
    if (!weights.file.ParseFromString(*sum)) return absl::DataLossError(name + " is damaged");
    weights.name = name;
    weights.path = dir + "/" + weights.file.name();
    return weights;
  }
  auto checkpoint = core::FindCheckpoint(folder.CheckpointDir(parsed->job), parsed->checkpoint);
  if (absl::IsNotFound(checkpoint.status())) {
    return NotFoundError("Checkpoint", "jobs/" + parsed->job + "/checkpoints/" + parsed->checkpoint,
                         checkpoint.status().message());
  }
  if (!checkpoint.ok()) return checkpoint.status();
  weights.name = absl::StrCat("jobs/", parsed->job, "/checkpoints/", checkpoint->manifest.step());
  weights.path = checkpoint->weights_path();
  weights.file = checkpoint->weights_file();
  weights.job = parsed->job;
  if (const v1::CheckpointFile* preprocessing = checkpoint->preprocessing_file()) {
    weights.preprocessing_path = checkpoint->preprocessing_path();
    weights.preprocessing_file = *preprocessing;
  }
  if (checkpoint->manifest.has_evaluation_loss()) weights.evaluation_loss = checkpoint->manifest.evaluation_loss();
  if (checkpoint->manifest.has_trained_on()) weights.trained_on = checkpoint->manifest.trained_on();
  weights.spec = std::move(*checkpoint->manifest.mutable_spec());
  return weights;
}

absl::StatusOr<Weights> FindSoundWeights(const DataFolder& folder, const std::string& name, bool allow_job,
                                         absl::string_view field) {
  auto weights = FindWeights(folder, name, allow_job, field);
  if (!weights.ok()) return weights.status();
  absl::Status status = core::VerifyFile(weights->path, weights->file);
  if (status.ok() && !weights->preprocessing_path.empty()) {
    status = core::VerifyFile(weights->preprocessing_path, weights->preprocessing_file);
  }
  if (status.ok()) return weights;
  return absl::DataLossError(
      absl::StrCat(weights->name, " is damaged on the server's disk; use another checkpoint: ", status.message()));
}

}  // namespace traind::server
