// Weights that a request names: a checkpoint of a job or an uploaded model. Thread-safe; reads files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/data_folder.h"
#include "traind/v1/checkpoint.pb.h"

namespace traind::server {

// Beside the weights of a model: their v1::CheckpointFile.
inline constexpr char kModelSumFile[] = "weights.pb";

struct Weights {
  std::string name;                            // With the number of a checkpoint's step.
  std::string path;                            // safetensors.
  v1::CheckpointFile file;                     // Its size and checksum.
  std::string job;                             // Id of the checkpoint's job; empty for a model.
  v1::JobSpec spec;                            // Resolved, of a checkpoint.
  std::optional<v1::DataIdentity> trained_on;  // Of a checkpoint, where it has written it down.
  std::string preprocessing_path;              // Of a checkpoint; empty: it has none.
  v1::CheckpointFile preprocessing_file;       // Its size and checksum.
  std::optional<double> evaluation_loss;       // Of a checkpoint that was evaluated.
};

// INVALID_ARGUMENT (for `field`): not a name of weights, or of an ensemble of outputs, which has none. NOT_FOUND: there
// are none of this name.
absl::StatusOr<Weights> FindWeights(const DataFolder& folder, const std::string& name, bool allow_job,
                                    absl::string_view field);
// As FindWeights, for who computes with them: reads every byte. DATA_LOSS: they are not what was written.
absl::StatusOr<Weights> FindSoundWeights(const DataFolder& folder, const std::string& name, bool allow_job,
                                         absl::string_view field);

}  // namespace traind::server
